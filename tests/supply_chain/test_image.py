"""Contents of the image: the portal, no development tools, no unlisted third-party files (SUP-04; SUP-02, SUP-03)."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
#: Written for the portal. A third-party file would be listed here with version, licence and SHA-256.
OWN_STATIC_FILES = {"css/portail.css", "favicon.svg", "js/charter_autosave.js", "js/portail.js"}
OF_DEVELOPERS = {"debug_toolbar", "django_extensions", "django.contrib.admindocs", "silk", "formtools"}


def instructions() -> list[str]:
    """The lines of the Dockerfile, each whole, without comments."""
    text = re.sub(r"\\\n\s*", " ", (PROJECT / "Dockerfile").read_text())
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def last_stage() -> list[str]:
    lines = instructions()
    return lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """What `COPY . .` finds, by the rules of .dockerignore: nothing, but what a line with `!` names."""
    everything, *rules = (PROJECT / ".dockerignore").read_text().splitlines()
    assert everything == "*"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=PROJECT, capture_output=True
    )
    if listed.returncode:
        pytest.skip("NO GIT HERE, THE CONTENT OF THE IMAGE IS NOT LOOKED AT")
    kept = tuple(rule[1:] for rule in rules if rule.startswith("!"))
    there = tmp_path_factory.mktemp("image")
    for name in listed.stdout.decode().split("\0"):
        if name and name.startswith(kept) and (PROJECT / name).is_file():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            (there / name).write_bytes((PROJECT / name).read_bytes())
    return there


def manage(context: Path, command: str) -> None:
    """Run a command of manage.py with the settings of the Dockerfile, and nothing but what the image has."""
    [line] = [line for line in instructions() if "manage.py collectstatic" in line]
    line = (
        line.removeprefix("RUN ").replace("$(python", f"$({sys.executable}").replace("/venv/bin/python", sys.executable)
    )
    bare = {"PATH": "/usr/bin:/bin", "STATIC_ROOT": str(context / "collected")}
    line = line.replace("collectstatic --no-input", command)
    done = subprocess.run(["sh", "-ec", line], cwd=context, env=bare, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_there_are_no_tests_no_history_no_settings_and_no_tools(context):
    """SUP-02, SUP-04"""
    inside = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    of_developers = [
        name
        for name in inside
        if name.startswith(("tests/", "devtools/", "benchmarks/", "docs/", ".git", ".env", ".ci/"))
    ]
    assert of_developers == []
    assert "manage.py" in inside


def test_the_portal_needs_nothing_that_is_left_out(context):
    """SUP-04: settings, apps, addresses and template tags are read by `check`."""
    manage(context, "check")


def test_a_file_for_browsers_has_a_name_that_changes_with_its_content(context):
    """SUP-04"""
    manage(context, "collectstatic --no-input")
    collected = context / "collected"
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    assert set(names) >= OWN_STATIC_FILES
    for name in OWN_STATIC_FILES:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", names[name]), names[name]
        assert (collected / names[name]).is_file()


def test_static_files_are_all_our_own():
    """SUP-04"""
    found = {str(path.relative_to(PROJECT / "static")) for path in (PROJECT / "static").rglob("*") if path.is_file()}
    assert found == OWN_STATIC_FILES


def test_the_list_of_ingredients_is_in_the_image():
    """SUP-01"""
    assert any("cyclonedx-py environment" in line and "sbom.json /venv/bin/python" in line for line in instructions())


def test_nothing_of_developers_is_installed_or_switched_on(settings):
    """SUP-04: neither in the settings nor in the lock file of production; what builds the image stays in its first stage."""
    assert OF_DEVELOPERS.isdisjoint(settings.INSTALLED_APPS)
    [installed] = [line for line in instructions() if line.startswith("RUN /venv/bin/pip install")]
    assert installed.endswith("-r /requirements.txt")
    copied = [line for line in last_stage() if line.startswith(("COPY", "ADD"))]
    assert copied == ["COPY --from=build /venv /venv", "COPY --from=build /portail /portail"]
    assert not any("apt" in line for line in last_stage())


def test_no_secret_is_given_to_the_build():
    """SUP-02: what is set for one command is in no layer; ENV and ARG would be."""
    kept = " ".join(line for line in instructions() if line.startswith(("ENV", "ARG", "LABEL", "COPY", "ADD")))
    assert not re.search(r"SECRET|PASSWORD|TOKEN|_URL|\.env", kept)


def test_the_version_is_that_of_pyproject(settings):
    """Shown by the health check, in the metrics, and on the label of the image; written in one place."""
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


class TestStaticAnalysis:
    """SUP-04: Bandit's rules, by ruff; `make lint` runs them."""

    def test_looks_at_everything_that_runs_in_production(self):
        ruff = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
        assert "S" in ruff["select"]
        assert {rule for rule in ruff["ignore"] if rule.startswith("S")} <= {"S101"}, (
            "S101: assert for the type checker"
        )
        left_out = {pattern for pattern, rules in ruff["per-file-ignores"].items() if "S" in rules}
        assert left_out == {"tests/**", "devtools/**", "benchmarks/**"}

    def test_is_overruled_only_with_a_reason(self):
        """On the line, or in the comment before it."""
        without = []
        packages = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
        for app in (*packages, "deploy"):
            for path in (PROJECT / app).rglob("*.py"):
                lines = path.read_text().splitlines()
                for number, line in enumerate(lines):
                    if re.search(r"# noqa: S\d+\s*$", line) and not any(
                        "#" in each for each in lines[number - 3 : number]
                    ):
                        without.append(f"{path.relative_to(PROJECT)}:{number + 1}")
        assert without == []
