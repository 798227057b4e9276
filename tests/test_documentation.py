"""The documentation agrees with the code."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from accounts.enums import LockReason
from core import rate_limits as limits
from hr_feed.columns import COLUMNS
from outbox.enums import Status
from tests.project import PACKAGES, PROJECT

DOCUMENTS = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
]
#: Set by the image.
OF_THE_IMAGE = {"DEBUG", "STATIC_ROOT"}
LARGEST_PICTURE = 200_000
LONGEST_README = 120
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
# A path of the project: folders and a file, or a folder with its final slash.
PATH = re.compile(r"[a-z_.][\w.-]*/(?:[\w.-]+/)*[\w-]+\.(?:py|md|yml|html|txt|sh)|[a-z_]\w*/(?:[a-z_]\w*/)*")
GUNICORN_READS = re.compile(r'os\.environ\.get\("([A-Z][A-Z0-9_]*)"')
COMPOSE_READS = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")
MAKE_COMMAND = re.compile(r"^\s*make ([a-z-]+)", re.MULTILINE)
MAKE_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
COMMAND_OF_MANAGE = re.compile(r"manage\.py ([a-z_]+)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def variables_read(source: str) -> dict[str, bool]:
    """Every variable that a settings module reads, and whether it is required."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("env.", "env_")):
            found[ast.literal_eval(node.args[0])] = all(keyword.arg != "default" for keyword in node.keywords)
    return found


def variables_of_the_settings() -> dict[str, bool]:
    return variables_read(read(PROJECT / "config/settings.py"))


def documented_variables() -> dict[str, str]:
    """Every variable of the tables of docs/configuration.md, and its default as written there."""
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \| (.+?) \|", read(PROJECT / "docs/configuration.md"), re.MULTILINE)
    names = [name for name, _default in rows]
    assert len(names) == len(set(names))
    return dict(rows)


def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", read(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def code_of(document: Path) -> list[str]:
    text = read(document)
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return blocks + CODE.findall(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def test_exactly_the_variables_of_the_settings_are_documented():
    gunicorn = set(GUNICORN_READS.findall(read(PROJECT / "gunicorn.conf.py")))
    compose = set(COMPOSE_READS.findall(read(PROJECT / "docker-compose.yml")))
    example = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", read(PROJECT / ".env.example"), re.MULTILINE))
    assert set(documented_variables()) == set(variables_of_the_settings()) | gunicorn | compose | example


def test_required_variables_are_documented_as_such():
    documented = documented_variables()
    for name, is_required in variables_of_the_settings().items():
        assert (documented[name] == "required") == is_required, name


def test_docker_compose_passes_exactly_the_variables_that_are_read():
    settings = read(PROJECT / "docker-compose.yml").partition("x-settings:")[2].partition("x-portal:")[0]
    passed_on = set(re.findall(r"^  ([A-Z][A-Z0-9_]*):", settings, re.MULTILINE))
    gunicorn = set(GUNICORN_READS.findall(read(PROJECT / "gunicorn.conf.py")))
    assert passed_on <= set(variables_of_the_settings()) | gunicorn
    assert set(variables_of_the_settings()) - passed_on == OF_THE_IMAGE


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_names_what_exists(document: Path):
    """Links, files, make targets, management commands; no path of one machine."""
    for target in LINK.findall(read(document)):
        if not target.startswith(("https://", "mailto:")):
            name, _hash, anchor = target.partition("#")
            there = document.parent / name if name else document
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target
    entries = {path.name for path in PROJECT.iterdir()}
    for code in code_of(document):
        for path in PATH.findall(code):
            if path.split("/")[0] in entries:
                assert (PROJECT / path).exists() or (document.parent / path).exists(), path
        assert set(MAKE_COMMAND.findall(code)) <= set(MAKE_TARGET.findall(read(PROJECT / "Makefile"))), code
        assert set(COMMAND_OF_MANAGE.findall(code)) <= set(get_commands()), code
    assert not re.search(r"(?<![\w.])/(?:work|home|root|Users)/", read(document))


def test_documents_named_in_the_code_exist():
    sources = [path for app in PACKAGES for path in (PROJECT / app).rglob("*.py")]
    for source in (*sources, *(PROJECT / name for name in ("Makefile", "docker-compose.yml", ".env.example"))):
        for name in re.findall(r"docs/[\w-]+\.md", read(source)):
            assert (PROJECT / name).exists(), f"{source.name}: {name}"


def test_pictures_are_small_and_used():
    shown = {(document.parent / target).resolve() for document in DOCUMENTS for target in LINK.findall(read(document))}
    pictures = sorted((PROJECT / "docs/pictures").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture in shown, picture.name
        assert picture.stat().st_size <= LARGEST_PICTURE, picture.name


def test_readme_is_short():
    readme = read(PROJECT / "README.md")
    assert len(readme.splitlines()) < LONGEST_README
    assert "make run" in readme
    assert "make test" in readme


def test_every_status_of_a_mail_is_documented():
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", read(PROJECT / "docs/operations.md"), re.MULTILINE)
    assert set(Status.values) <= set(rows)


def test_columns_of_the_feed_and_reasons_of_a_lock_are_documented():
    operations = set(CODE.findall(read(PROJECT / "docs/operations.md")))
    assert set(COLUMNS) <= operations
    assert set(LockReason.values) <= operations


def test_limits_are_documented():
    table = read(PROJECT / "docs/architecture.md").partition("## Limits")[2].partition("\n## ")[0]
    rates = [limit.rate for limit in vars(limits).values() if isinstance(limit, limits.RateLimit)]
    assert sorted(re.findall(r"\| (\d+/[\w/;]+) \|", table)) == sorted(rates)
