"""Dependencies are pinned, hashed, current, listed and audited (SUP-01)."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from devtools import audit
from tests.project import PROJECT

LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")
FIRST_WITHOUT_KNOWN_HOLES = Version("5.2.19")
SHA256 = re.compile(r"--hash=sha256:[0-9a-f]{64}")
INSTALLS = re.compile(r"pip install\b")


def locked(name: str) -> list[Requirement]:
    """The requirements of a lock file; each must be pinned and hashed."""
    text = re.sub(r"\\\n\s*", " ", (PROJECT / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found = []
    for line in lines:
        requirement, _, hashes = line.partition(" --hash=")
        assert SHA256.match(f"--hash={hashes}"), f"{name}: no hash: {line}"
        found.append(Requirement(requirement.strip()))
        assert re.fullmatch(r"==[^*,]+", str(found[-1].specifier)), f"{name}: not pinned: {line}"
    return found


def pins(name: str) -> dict[str, set[str]]:
    """The versions of each package, one for each range of Python versions."""
    found: dict[str, set[str]] = {}
    for requirement in locked(name):
        found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier)[2:])
    return found


def declared() -> dict[str, list[Requirement]]:
    """The requirements of pyproject.toml by lock file."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    production = project["project"]["dependencies"]
    build = project["dependency-groups"]["build"]
    developers = project["project"]["optional-dependencies"]["dev"]
    wanted = (production, [*production, *build, *developers], build)
    return {name: [Requirement(line) for line in lines] for name, lines in zip(LOCKS, wanted, strict=True)}


def test_every_package_is_pinned_with_its_hashes_and_is_what_the_project_asks_for():
    """SUP-01: also after a change of pyproject.toml without its lock files."""
    for name in LOCKS:
        versions = pins(name)
        for requirement in declared()[name]:
            held = versions.get(canonicalize_name(requirement.name))
            assert held, f"{name} lacks {requirement}"
            assert all(requirement.specifier.contains(each, prereleases=True) for each in held), (
                f"{requirement}: {held}"
            )


def test_what_is_tested_is_what_is_deployed():
    """SUP-01: one version of a package in all lock files, and these are installed here."""
    tested, deployed, built = pins("requirements-dev.txt"), pins("requirements.txt"), pins("requirements-build.txt")
    assert deployed == {name: tested.get(name) for name in deployed}
    assert built == {name: tested.get(name) for name in built}
    here = [each for each in locked("requirements.txt") if not each.marker or each.marker.evaluate()]
    assert [str(each) for each in here if version(each.name) not in each.specifier] == []


def test_django_is_supported_and_the_policy_sets_a_time_for_each_severity():
    """SUP-01: in working days or days, for production."""
    [django] = pins("requirements.txt")["django"]
    assert FIRST_WITHOUT_KNOWN_HOLES <= Version(django) < Version("5.3")
    policy = (PROJECT / "SECURITY.md").read_text().partition("## Dependencies")[2]
    for severity in ("critical", "high", "other"):
        assert re.search(rf"^\| {severity}[^|]*\| \d+ (?:working )?days \|", policy, re.MULTILINE), severity


def test_nothing_is_installed_without_its_hash():
    """SUP-01: by the Makefile, the image or CI."""
    for name in ("Makefile", "Dockerfile", ".ci/run"):
        text = re.sub(r"\\\n\s*", " ", (PROJECT / name).read_text())
        for line in text.splitlines():
            assert not INSTALLS.search(line.replace("-m pip", "pip")) or "--require-hashes" in line, f"{name}: {line}"


def test_the_sbom_lists_every_package_of_production(tmp_path):
    """SUP-01: CycloneDX, as `make sbom` and the image make it, with versions and digests."""
    file = tmp_path / "sbom.json"
    options = ("--no-validate", "--output-reproducible", "--output-file", str(file))
    line = [sys.executable, "-m", "cyclonedx_py", "requirements", *options, "requirements.txt"]
    subprocess.run(line, cwd=PROJECT, check=True, capture_output=True, timeout=60)
    sbom = json.loads(file.read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    components = {(canonicalize_name(each["name"]), each["version"]): each for each in sbom["components"]}
    assert set(components) == {(name, each) for name, held in pins("requirements.txt").items() for each in held}
    for (name, held), component in components.items():
        assert component["purl"].startswith(f"pkg:pypi/{name}@{held}")
        assert any("hashes" in reference for reference in component["externalReferences"]), name
    for place in ("Makefile", "Dockerfile"):
        assert re.search(r"bin/cyclonedx-py|\$\(BIN\)/cyclonedx-py", (PROJECT / place).read_text()), place


class TestAudit:
    """SUP-01: `make audit`, a part of `.ci/run`."""

    def test_without_its_database_it_says_so_and_fails_no_build(self):
        assert "make audit\n" in (PROJECT / ".ci/run").read_text()
        offline = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
        line = [sys.executable, "-m", "devtools.audit"]
        done = subprocess.run(line, cwd=PROJECT, env=offline, capture_output=True, text=True, timeout=audit.SECONDS)
        assert "NOT AUDITED" in done.stdout, done.stderr
        assert done.returncode == 0
        # Some mirrors of a registry answer "not found" for each package.
        for answer in ["", "Traceback", '{"dependencies": [{"name": "a", "skip_reason": "unknown"}]}']:
            with pytest.raises(audit.OutOfReachError):
                audit.audited_packages(answer)

    def test_it_names_each_vulnerability_and_the_version_without_it(self, monkeypatch, capsys):
        known = {"id": "PYSEC-2026-1", "fix_versions": ["5.2.20"]}
        answer = [
            {"name": "django", "version": "5.2.19", "vulns": [known]},
            {"name": "celery", "version": "5.7.0", "vulns": []},
            {"name": "vine", "skip_reason": "unknown"},
        ]
        monkeypatch.setattr(audit, "pip_audit_report", lambda _lock: json.dumps({"dependencies": answer}))
        assert audit.main() == 1
        said = capsys.readouterr().out
        for words in (
            "django 5.2.19: PYSEC-2026-1, gone in 5.2.20",
            "vine: not looked up",
            "2 dependencies looked up, 1 known",
        ):
            assert words in said
