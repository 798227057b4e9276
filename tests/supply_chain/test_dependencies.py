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
from pip_requirements_parser import InstallRequirement, RequirementsFile

from devtools import audit
from tests.project import PROJECT

PRODUCTION, DEVELOPMENT, BUILD = LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")
FIRST_WITHOUT_KNOWN_HOLES = Version("5.2.19")


def locked(name: str) -> list[InstallRequirement]:
    return RequirementsFile.from_file(str(PROJECT / name)).requirements


def pins(name: str) -> dict[str, set[str]]:
    """The versions of each package, one for each range of Python versions."""
    found: dict[str, set[str]] = {}
    for each in locked(name):
        found.setdefault(canonicalize_name(each.name), set()).add(each.get_pinned_version)
    return found


def test_every_package_is_pinned_with_its_hashes_and_is_what_the_project_asks_for():
    """SUP-01: also after a change of pyproject.toml without its lock files."""
    asked = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    production, build = asked["project"]["dependencies"], asked["dependency-groups"]["build"]
    development = [*production, *build, *asked["project"]["optional-dependencies"]["dev"]]
    for name, lines in zip(LOCKS, (production, development, build), strict=True):
        held = pins(name)
        for each in locked(name):
            assert each.is_pinned, each
            assert any(digest.startswith("sha256:") for digest in each.hash_options), each
        for wanted in map(Requirement, lines):
            versions = held[canonicalize_name(wanted.name)]
            assert all(wanted.specifier.contains(each, prereleases=True) for each in versions), wanted


def test_what_is_tested_is_what_is_deployed():
    """SUP-01: one version of a package in all lock files, and these are installed here."""
    tested = pins(DEVELOPMENT).items()
    assert pins(PRODUCTION).items() <= tested
    assert pins(BUILD).items() <= tested
    here = [each for each in locked(PRODUCTION) if not each.marker or each.marker.evaluate()]
    assert [each.name for each in here if version(each.name) != each.get_pinned_version] == []
    assert FIRST_WITHOUT_KNOWN_HOLES <= Version(version("django")) < Version("5.3")


def test_the_policy_sets_a_time_for_each_severity():
    """SUP-01: in working days or days, for production."""
    policy = (PROJECT / "SECURITY.md").read_text().partition("## Dependencies")[2]
    for severity in ("critical", "high", "other"):
        assert re.search(rf"^\| {severity}[^|]*\| \d+ (?:working )?days \|", policy, re.MULTILINE), severity


def test_nothing_is_installed_without_its_hash():
    """SUP-01: by the Makefile, the image or CI."""
    for name in ("Makefile", "Dockerfile", ".ci/run"):
        for line in re.sub(r"\\\n\s*", " ", (PROJECT / name).read_text()).splitlines():
            assert not re.search(r"pip install\b", line) or "--require-hashes" in line, f"{name}: {line}"


@pytest.mark.processes
def test_the_sbom_lists_every_package_of_production(tmp_path):
    """SUP-01: CycloneDX, as `make sbom` and the image make it, with versions and digests."""
    file = tmp_path / "sbom.json"
    options = ("--no-validate", "--output-reproducible", "--output-file", str(file), PRODUCTION)
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", *options]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=60)
    sbom = json.loads(file.read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    purls = {each["purl"].partition("?")[0] for each in sbom["components"]}
    assert purls == {f"pkg:pypi/{name}@{each}" for name, held in pins(PRODUCTION).items() for each in held}
    for each in sbom["components"]:
        assert any("hashes" in reference for reference in each["externalReferences"]), each["name"]
    for place in ("Makefile", "Dockerfile"):
        assert re.search(r"bin/cyclonedx-py|\$\(BIN\)/cyclonedx-py", (PROJECT / place).read_text()), place


@pytest.mark.processes
def test_the_audit_names_each_vulnerability_and_says_when_its_database_is_out_of_reach(monkeypatch, capsys):
    """SUP-01: `make audit`, a part of `.ci/run`; without its database it fails no build."""
    assert "make audit\n" in (PROJECT / ".ci/run").read_text()
    offline = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "devtools.audit"]
    done = subprocess.run(command, cwd=PROJECT, env=offline, capture_output=True, text=True, timeout=audit.SECONDS)
    assert "NOT AUDITED" in done.stdout, done.stderr
    assert done.returncode == 0
    # Some mirrors of a registry answer "not found" for each package.
    for answer in ["", "Traceback", '{"dependencies": [{"name": "a", "skip_reason": "unknown"}]}']:
        with pytest.raises(audit.OutOfReachError):
            audit.audited_packages(answer)
    answer = [
        {"name": "django", "version": "5.2.19", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["5.2.20"]}]},
        {"name": "celery", "version": "5.7.0", "vulns": []},
        {"name": "vine", "skip_reason": "unknown"},
    ]
    monkeypatch.setattr(audit, "pip_audit_report", lambda _lock: json.dumps({"dependencies": answer}))
    assert audit.main() == 1
    printed = capsys.readouterr().out
    assert "django 5.2.19: PYSEC-2026-1, gone in 5.2.20" in printed
    assert "vine: not looked up" in printed
    assert "2 dependencies looked up, 1 known" in printed
