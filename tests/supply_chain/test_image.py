"""Contents of the image: the portal, no development tools, no unlisted third-party files (SUP-04; SUP-02, SUP-03)."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.project import PROJECT

#: Written for the portal. A third-party file would be listed here with version, licence and SHA-256.
OWN_STATIC_FILES = {"css/portail.css", "favicon.svg", "js/charter_autosave.js", "js/portail.js"}
OF_DEVELOPERS = {"debug_toolbar", "django_extensions", "django.contrib.admindocs", "silk", "formtools"}


def instructions() -> list[str]:
    """The instructions of the Dockerfile, one a line."""
    text = re.sub(r"\\\n\s*", " ", (PROJECT / "Dockerfile").read_text())
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def last_stage() -> list[str]:
    lines = instructions()
    return lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """The files that `COPY . .` finds: .dockerignore excludes all but the lines with `!`."""
    everything, *rules = (PROJECT / ".dockerignore").read_text().splitlines()
    assert everything == "*"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True)
    if listed.returncode:
        pytest.skip("WITHOUT GIT THE CONTENT OF THE IMAGE IS NOT CHECKED")
    kept = tuple(rule[1:] for rule in rules if rule.startswith("!"))
    folder = tmp_path_factory.mktemp("image")
    for name in listed.stdout.decode().split("\0"):
        if name and name.startswith(kept) and (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((PROJECT / name).read_bytes())
    return folder


def manage(context: Path, command: str) -> None:
    """Run a command of manage.py with the settings of the Dockerfile and the files of the image."""
    [line] = [line for line in instructions() if "manage.py collectstatic" in line]
    line = (
        line.removeprefix("RUN ").replace("$(python", f"$({sys.executable}").replace("/venv/bin/python", sys.executable)
    )
    bare = {"PATH": "/usr/bin:/bin", "STATIC_ROOT": str(context / "collected")}
    line = line.replace("collectstatic --no-input", command)
    done = subprocess.run(["sh", "-ec", line], cwd=context, env=bare, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_image_holds_the_portal_and_no_tests_history_or_tools(context):
    """SUP-02, SUP-04: `check` reads settings, apps, URLs and template tags; static files get hashed names."""
    left_out = ("tests/", "devtools/", "benchmarks/", "docs/", ".git", ".env", ".ci/")
    inside = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    assert [name for name in inside if name.startswith(left_out)] == []
    assert "manage.py" in inside
    manage(context, "check")
    manage(context, "collectstatic --no-input")
    collected = context / "collected"
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    assert set(names) >= OWN_STATIC_FILES
    for name in OWN_STATIC_FILES:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", names[name]), names[name]
        assert (collected / names[name]).is_file()
    found = {str(path.relative_to(PROJECT / "static")) for path in (PROJECT / "static").rglob("*") if path.is_file()}
    assert found == OWN_STATIC_FILES


def test_no_development_package_is_installed_or_switched_on(settings):
    """SUP-01, SUP-04: build tools stay in the first stage; the list of components is in the image."""
    assert OF_DEVELOPERS.isdisjoint(settings.INSTALLED_APPS)
    [installed] = [line for line in instructions() if line.startswith("RUN /venv/bin/pip install")]
    assert installed.endswith("-r /requirements.txt")
    copied = [line for line in last_stage() if line.startswith(("COPY", "ADD"))]
    assert copied == ["COPY --from=build /venv /venv", "COPY --from=build /portail /portail"]
    assert not any("apt" in line for line in last_stage())
    assert any("cyclonedx-py environment" in line and "sbom.json /venv/bin/python" in line for line in instructions())


def test_no_secret_is_given_to_the_build():
    """SUP-02: variables of one command are in no layer; ENV and ARG would be."""
    kept = " ".join(line for line in instructions() if line.startswith(("ENV", "ARG", "LABEL", "COPY", "ADD")))
    assert not re.search(r"SECRET|PASSWORD|TOKEN|_URL|\.env", kept)


def test_the_version_is_that_of_pyproject(settings):
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert version == settings.VERSION
    assert f"## {version} " in (PROJECT / "CHANGELOG.md").read_text()
    assert 'org.opencontainers.image.version="$VERSION"' in next(line for line in last_stage() if "LABEL" in line)
    line = subprocess.run(["make", "-n", "image"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert f"--build-arg VERSION={version} --tag portail-compte:{version} " in line


def test_the_container_does_not_run_as_root():
    """SUP-03"""
    [user] = [line.removeprefix("USER ") for line in last_stage() if line.startswith("USER ")]
    assert user == "10001:10001"
    after = last_stage()[last_stage().index(f"USER {user}") :]
    assert not any(line.startswith("RUN") for line in after)


def test_static_analysis_covers_all_code_of_production_and_exceptions_have_a_reason():
    """SUP-04: Bandit's rules, by ruff; the reason stands in a comment before the line."""
    tools = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]
    ruff = tools["ruff"]["lint"]
    assert "S" in ruff["select"]
    assert {rule for rule in ruff["ignore"] if rule.startswith("S")} <= {"S101"}, "S101: assert for the type checker"
    left_out = {pattern for pattern, rules in ruff["per-file-ignores"].items() if "S" in rules}
    assert left_out == {"tests/**", "devtools/**", "benchmarks/**"}
    without = []
    for path in (
        path for app in (*tools["importlinter"]["root_packages"], "deploy") for path in (PROJECT / app).rglob("*.py")
    ):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            explained = any("#" in each for each in lines[number - 3 : number])
            if re.search(r"# noqa: S\d+\s*$", line) and not explained:
                without.append(f"{path.relative_to(PROJECT)}:{number + 1}")
    assert without == []
