"""What operators do with `deploy/`: back up, restore, upgrade, run on Kubernetes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes_validate
import psycopg
import pytest
import requests
import trustme
import yaml
from django.conf import settings
from packaging.utils import canonicalize_name
from pip_requirements_parser import RequirementsFile

from agents.management.commands.load_demo import PASSWORD
from devtools.environment import local_environment
from devtools.postgresql_files import programs
from devtools.processes import free_port, start, stop, wait_until
from tests.project import PROJECT
from tests.supply_chain.database import SERVER, manage, portal_database

pytestmark = pytest.mark.processes
#: The next version: a table that refers to accounts, a column that its code fills, and its entry.
UPGRADE = """
CREATE TABLE accounts_badge (id int PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts_account);
INSERT INTO accounts_badge SELECT id, id FROM accounts_account;
ALTER TABLE accounts_account ADD COLUMN colour text NOT NULL DEFAULT 'red';
ALTER TABLE accounts_account ALTER COLUMN colour DROP DEFAULT;
INSERT INTO django_migrations (app, name, applied) VALUES ('accounts', '9999_badges', now());
"""
SIGN_IN = f"""
from django.test import Client
answer = Client().post("/connexion/", {{"login": "nadia.lefevre", "password": "{PASSWORD}"}}, follow=True)
print(answer.status_code, answer.redirect_chain)
"""
#: People are imported, activated, locked, helped, made agents, copied, erased; every scheduled task runs.
WORK = """
from django.conf import settings
from django.core.management import call_command
from config.celery import app
settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
call_command("load_demo")
call_command("create_agent", "hugo.lefebvre", role="Responsables")
app.loader.import_default_modules()
for entry in app.conf.beat_schedule.values():
    app.tasks[entry["task"]].apply(throw=True)
for command in ("export_directory", "export_redirections"):
    call_command(command)
call_command("export_person", "grace.oconnor")
call_command("erase_person", "grace.oconnor", still_employed=True)
"""


@pytest.fixture
def backups(tmp_path, monkeypatch) -> Path:
    """Where `backup.sh` writes, with a key of gpg, and the programs of the tests' PostgreSQL."""
    (home := tmp_path / "gnupg").mkdir(mode=0o700)
    server, recipient = urlsplit(SERVER), "sauvegarde@univ-exemple.fr"
    names = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "GNUPGHOME", "BACKUP_RECIPIENT", "BACKUP_METRICS")
    values = (server.hostname, server.port, server.username, server.password, home, recipient, tmp_path)
    for name, value in (*zip(names, values, strict=True), ("POSTGRES_PROGRAMS", "")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PATH", f"{programs()}:{os.environ['PATH']}")
    key = ("gpg", "--batch", "--passphrase", "", "--quick-generate-key", recipient)
    subprocess.run(key, check=True, capture_output=True)
    yield tmp_path
    subprocess.run(["gpgconf", "--kill", "all"], check=False)


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROJECT / "deploy" / script, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not shutil.which("gpg"), reason="THE BACKUP IS NOT TRIED: apt install gnupg")
def test_backup_made_before_an_upgrade_brings_the_former_version_back(backups, monkeypatch):
    """Restoring into the upgraded database left a mixture of both."""
    with portal_database() as url:
        name = urlsplit(url).path[1:]
        monkeypatch.setenv("PGDATABASE", name)
        manage("load_demo", url=url)
        done = run("backup.sh", backups)
        dump = Path(done.stdout.strip())
        assert dump.is_file(), done.stderr
        assert (b"PGDMP" in dump.read_bytes(), dump.stat().st_mode & 0o077) == (False, 0)
        at = re.search(r"^portal_last_backup_timestamp_seconds (\d+)$", (backups / "portail.prom").read_text(), re.M)
        assert abs(time.time() - int(at[1])) < 60
        with psycopg.connect(f"{SERVER}/{name}") as owner:
            owner.execute(UPGRADE)
            owner.commit()
            assert "in use" in run("restore.sh", dump).stderr
        (backups / "cut-off.dump.gpg").write_bytes(dump.read_bytes()[:-2000])
        assert run("restore.sh", backups / "cut-off.dump.gpg").returncode
        with psycopg.connect(f"{SERVER}/{name}") as owner:
            assert owner.execute("SELECT count(*) > 5 FROM accounts_badge").fetchone() == (True,)
        restored = run("restore.sh", dump)
        assert restored.returncode == 0, restored.stderr
        manage("migrate", "--check", url=url)
        agent = ("--role", "Responsables", "--name", "Lou Martin", "--recovery-address", "lou.martin@exemple.net")
        assert "rôle Responsables" in manage("create_agent", "lou.martin", *agent, url=f"{SERVER}/{name}")
        assert "200 [('/compte/', 302)]" in manage("shell", "-c", SIGN_IN, url=url)
        with psycopg.connect(f"{SERVER}/{name}") as owner:
            assert owner.execute("SELECT to_regclass('accounts_badge')").fetchone() == (None,)
        monkeypatch.setenv("PGDATABASE", "no_such_database")
        assert run("backup.sh", backups).returncode
        assert len(list(backups.glob("*.dump.gpg*"))) == 2, "of a failed dump nothing stays"


def last_release() -> str:
    """Its tag, or the last commit whose changelog has nothing unreleased."""
    found = output_of("git", "tag", "--merged", "HEAD", "--sort=-v:refname", "--list", "v*").split()
    for commit in found or output_of("git", "log", "--format=%H", "--", "CHANGELOG.md").split():
        if "## Unreleased" not in output_of("git", "show", f"{commit}:CHANGELOG.md"):
            return commit
    pytest.skip("THE LAST RELEASE IS NOT TRIED ON THE NEW SCHEMA: this clone does not hold it")


def output_of(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"THE LAST RELEASE IS NOT TRIED ON THE NEW SCHEMA: {done.stderr}")
    return done.stdout


def packages_of(release: Path) -> Path:
    here = {canonicalize_name(each.name): each.version for each in distributions()}
    asked = RequirementsFile.from_file(str(release / "requirements.txt")).requirements
    others = [each for each in asked if here.get(canonicalize_name(each.name)) != each.get_pinned_version]
    lines, folder = release / "others.txt", release / "packages"
    lines.write_text("\n".join(each.dumps() for each in others if not each.marker or each.marker.evaluate()))
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes", "--target", folder, "-r", lines)
    output_of(*pip)
    return folder


@pytest.mark.slow
def test_the_last_release_works_on_the_new_schema(tmp_path):
    """During an upgrade its processes meet the new tables, with the rights of the portal's role."""
    archive = subprocess.run(["git", "archive", last_release()], cwd=PROJECT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", tmp_path], input=archive, check=True)
    packages = packages_of(tmp_path)
    with portal_database() as url:
        environment = {**local_environment(DATABASE_URL=url, DATABASE_POOL_SIZE="0"), "PYTHONPATH": str(packages)}
        command = [sys.executable, "-W", "ignore", "manage.py", "shell", "-c", WORK + SIGN_IN]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "200 [('/compte/', 302)]" in done.stdout, done.stderr[-4000:]


def test_the_manifests_of_kubernetes_are_valid_and_give_no_more_than_compose():
    """SUP-03: each pod is hardened; secrets come from files; only migrations own the tables."""
    files = [path.read_text() for path in sorted((PROJECT / "deploy/kubernetes").glob("*.yaml"))]
    assert all("\n---\n" in text for text in files), "sed joins them"
    found = [each for text in files for each in yaml.safe_load_all(text.replace("VERSION", "0.2.0")) if each]
    for each in found:
        kubernetes_validate.validate(each, "1.30", strict=True)
    [variables] = [each["data"] for each in found if each["kind"] == "ConfigMap"]
    assert {name.removesuffix("_FILE") for name in variables} <= set(settings.VARIABLES_IN_FORCE)
    running = [each for each in found if "template" in each.get("spec", {})]
    pods = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in running}
    assert set(pods) == {"web", "worker", "beat", "migrate-0.2.0"}
    for name, pod in pods.items():
        assert pod["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 10001}.items()
        assert ("owner" in str(pod)) is name.startswith("migrate"), name
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            own = container["securityContext"]
            assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False), name
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert {"memory"} == set(container["resources"]["limits"])
        compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"][name.partition("-")[0]]
        written = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", part) for part in compose.get("command", [])]
        assert pod["containers"][0].get("command", []) == written
    assert {each["metadata"]["name"] for each in found if each["kind"] == "PodDisruptionBudget"} == {"web", "worker"}


def test_the_proxy_shows_the_maintenance_page_under_the_own_certificate_while_no_web_container_answers(tmp_path):
    authority, host, own = trustme.CA(), f"localhost:{free_port()}", tmp_path / "own.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(own)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    text = (PROJECT / "deploy/Caddyfile").read_text().partition("# For the health check")[0]
    text = text.replace("{\n", "{\nadmin off\nauto_https disable_redirects\n", 1).replace("lb_try_duration 5s", "")
    text = re.sub(r"(?s)dynamic a \{.*?\}", f"to 127.0.0.1:{free_port()}", text)
    (tmp_path / "Caddyfile").write_text(text.replace("root * /srv", f"root * {PROJECT}/deploy"))
    environment = {"PORTAL_HOST": host, "TLS": f"{own} {own}", "HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        command = [Path(sys.executable).with_name("caddy"), "run", "--config", tmp_path / "Caddyfile"]
        proxy = start(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        wait_until(lambda: "serving initial configuration" in (tmp_path / "log").read_text(), tmp_path / "log")
        for send in (requests.get, requests.post):
            answer = send(f"https://{host}/connexion/", verify=str(tmp_path / "ca.pem"), timeout=20)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
            assert "Le site est en maintenance" in answer.content.decode()
    finally:
        stop(proxy, signal.SIGTERM, patience=10)
