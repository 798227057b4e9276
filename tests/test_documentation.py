"""The documentation agrees with the code."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

from accounts.enums import LockReason
from benchmarks import MEASUREMENTS
from core import rate_limits as limits
from hr_feed.columns import COLUMNS
from outbox.enums import Status
from tests.project import PROJECT

DOCUMENTS = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
# A path of the project: folders and a file, or a folder with its final slash.
PATH = re.compile(r"[a-z_.][\w.-]*/(?:[\w.-]+/)*[\w-]+\.(?:py|md|yml|html|txt|sh)|[a-z_]\w*/(?:[a-z_]\w*/)*")


def read(path: Path | str) -> str:
    return (PROJECT / path).read_text(encoding="utf-8")


def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", read(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_exactly_the_variables_of_the_settings_are_documented_and_passed_on():
    """The recipe of a setting in CONTRIBUTING.md; the image sets DEBUG and STATIC_ROOT."""
    of_the_settings = set(settings.VARIABLES_IN_FORCE)
    compose = read("docker-compose.yml")
    gunicorn = set(re.findall(r'env\.\w+\("([A-Z][A-Z0-9_]*)"', read("gunicorn.conf.py")))
    others = {*gunicorn, *re.findall(r"\$\{([A-Z][A-Z0-9_]*)", compose)}
    others |= set(re.findall(r"^([A-Z][A-Z0-9_]*)=", read(".env.example"), re.MULTILINE))
    tables = read("docs/configuration.md") + read("docs/provisioning.md")
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \| (.+?) \|", tables, re.MULTILINE)
    assert sorted(name for name, _default in rows) == sorted(of_the_settings | others)
    required = read("config/settings.py").partition("env.require(")[2].partition("\n)\n")[0]
    names = {name for name, default in rows if default == "required"} & of_the_settings
    assert names == set(re.findall(r'"([A-Z_]+)"', required))
    passed_on = compose.partition("x-settings:")[2].partition("x-portal:")[0]
    passed_on = set(re.findall(r"^  ([A-Z][A-Z0-9_]*):", passed_on, re.MULTILINE))
    assert passed_on <= of_the_settings | gunicorn
    assert of_the_settings - passed_on == {"DEBUG", "STATIC_ROOT"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_names_what_exists(document: Path):
    text = read(document)
    for target in LINK.findall(text):
        if not target.startswith(("https://", "mailto:")):
            name, _hash, anchor = target.partition("#")
            there = document.parent / name if name else document
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target
    entries = {path.name for path in PROJECT.iterdir()}
    block = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
    for code in (*block.findall(text), *CODE.findall(block.sub("", text))):
        for path in PATH.findall(code):
            if path.split("/")[0] in entries:
                assert (PROJECT / path).exists() or (document.parent / path).exists(), path
        targets = re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE)
        assert set(re.findall(r"^\s*make ([a-z-]+)", code, re.MULTILINE)) <= set(targets), code
        assert set(re.findall(r"manage\.py ([a-z_]+)", code)) <= set(get_commands()), code
    assert not re.search(r"(?<![\w.])/(?:work|home|root|Users)/", text)


def test_statuses_columns_reasons_limits_and_measurements_are_documented():
    operations = read("docs/operations.md")
    assert set(Status.values) <= set(re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", operations, re.MULTILINE))
    assert {*COLUMNS, *LockReason.values} <= set(CODE.findall(operations))
    table = read("docs/architecture.md").partition("## Limits")[2].partition("\n## ")[0]
    rates = [limit.rate for limit in vars(limits).values() if isinstance(limit, limits.RateLimit)]
    assert sorted(re.findall(r"\| (\d+/[\w/;]+) \|", table)) == sorted(rates)
    for name in MEASUREMENTS:
        assert callable(import_module(f"benchmarks.{name}").measure)
        assert f"\n`{name}` " in read("docs/performance.md"), name
