"""What the image holds (SUP-02, SUP-04), and the rights that each service needs (SUP-03, LOG-03)."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from devtools.postgresql_files import give_to_the_server, scratch_directory, server_user
from devtools.processes import free_port, start, stop, wait_until
from tests.project import PROJECT
from tests.supply_chain.database import SERVER, manage, portal_database

pytestmark = pytest.mark.processes
#: Written for the portal. A third-party file would be listed here with version, licence and SHA-256.
OWN_STATIC_FILES = {"css/portail.css", "favicon.svg", "js/charter_autosave.js", "js/portail.js"}
OF_DEVELOPERS = {"debug_toolbar", "django_extensions", "django.contrib.admindocs", "silk", "formtools"}
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
#: The instructions of the Dockerfile, and those that make the image itself.
INSTRUCTIONS = [
    line
    for line in re.sub(r"\\\n\s*", " ", (PROJECT / "Dockerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]
LAST_STAGE = INSTRUCTIONS[max(number for number, line in enumerate(INSTRUCTIONS) if line.startswith("FROM ")) :]
#: What an attacker with the portal's database password would try.
FORBIDDEN = (
    *("CREATE TABLE loot (id int)", "CREATE SCHEMA loot", "DROP TABLE journal_journalentry"),
    "ALTER TABLE journal_journalentry ADD COLUMN note text",
    *("ALTER TABLE journal_journalentry DISABLE TRIGGER ALL", "DROP TRIGGER {trigger} ON journal_journalentry"),
    "CREATE RULE nothing AS ON INSERT TO journal_journalentry DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    *("SET session_replication_role = replica", "TRUNCATE journal_journalentry", "TRUNCATE accounts_session"),
    *("TRUNCATE accounts_account CASCADE", "UPDATE journal_journalentry SET event = 'x'"),
    "DELETE FROM journal_journalentry",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('accounts', 'x', now())",
    "SET LOCAL portal.retention = 'on'; UPDATE journal_journalentry SET event = 'x'",
    *("SELECT * FROM pg_authid", "COPY accounts_account TO '/tmp/loot'"),
    *("COPY accounts_account TO PROGRAM 'cat'", "ALTER ROLE CURRENT_USER SUPERUSER"),
)
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """The files that `COPY . .` finds: .dockerignore excludes all but the lines with `!`."""
    everything, *rules = (PROJECT / ".dockerignore").read_text().splitlines()
    assert everything == "*"
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *kept]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("WITHOUT GIT THE CONTENT OF THE IMAGE IS NOT CHECKED")
    folder = tmp_path_factory.mktemp("image")
    for name in listed.stdout.split("\0"):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    return folder


def manage_in_the_image(context: Path, command: str) -> None:
    [line] = [line.removeprefix("RUN ") for line in INSTRUCTIONS if "manage.py collectstatic" in line]
    line = line.replace("$(python", f"$({sys.executable}").replace("/venv/bin/python", sys.executable)
    line = line.replace("collectstatic --no-input", command)
    bare = {"PATH": "/usr/bin:/bin", "STATIC_ROOT": str(context / "collected")}
    done = subprocess.run(["sh", "-ec", line], cwd=context, env=bare, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_image_holds_the_portal_and_no_tests_history_or_tools(context):
    """SUP-02, SUP-04: `check` reads settings, apps, URLs and template tags; static files get hashed names."""
    assert "manage.py" in {path.name for path in context.iterdir()}
    left_out = ("tests", "devtools", "benchmarks", "docs", ".git", ".env", ".ci")
    assert [name for name in left_out if (context / name).exists()] == []
    for command in ("check", "collectstatic --no-input"):
        manage_in_the_image(context, command)
    names = json.loads((context / "collected/staticfiles.json").read_text())["paths"]
    for name in OWN_STATIC_FILES:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", names[name]), names[name]
        assert (context / "collected" / names[name]).is_file()
    found = {str(path.relative_to(PROJECT / "static")) for path in (PROJECT / "static").rglob("*") if path.is_file()}
    assert found == OWN_STATIC_FILES


def test_no_development_package_is_installed_or_switched_on(settings):
    """SUP-01, SUP-04: build tools stay in the first stage; the list of components is in the image."""
    assert OF_DEVELOPERS.isdisjoint(settings.INSTALLED_APPS)
    [installed] = [line for line in INSTRUCTIONS if line.startswith("RUN /venv/bin/pip install")]
    assert installed.endswith("-r /requirements.txt")
    copied = [line for line in LAST_STAGE if line.startswith(("COPY", "ADD"))]
    assert copied == ["COPY --from=build /venv /venv", "COPY --from=build /portail /portail"]
    assert not any("apt" in line for line in LAST_STAGE)
    assert any("cyclonedx-py environment" in line and "sbom.json /venv/bin/python" in line for line in INSTRUCTIONS)


def test_no_secret_is_given_to_the_build():
    """SUP-02: variables of one command are in no layer; ENV and ARG would be."""
    kept = " ".join(line for line in INSTRUCTIONS if line.startswith(("ENV", "ARG", "LABEL", "COPY", "ADD")))
    assert not re.search(r"SECRET|PASSWORD|TOKEN|_URL|\.env", kept)


def test_the_container_does_not_run_as_root():
    assert [line for line in LAST_STAGE if line.startswith("USER ")] == ["USER 10001:10001"]
    assert not any(line.startswith("RUN") for line in LAST_STAGE[LAST_STAGE.index("USER 10001:10001") :])


def test_static_analysis_covers_all_code_of_production():
    """SUP-04: Bandit's rules, by ruff."""
    ruff = PYPROJECT["tool"]["ruff"]["lint"]
    assert "S" in ruff["select"]
    assert {rule for rule in ruff["ignore"] if rule.startswith("S")} <= {"S101"}, "S101: assert for the type checker"
    left_out = {pattern for pattern, rules in ruff["per-file-ignores"].items() if "S" in rules}
    assert left_out == {"tests/**", "devtools/**", "benchmarks/**"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with portal_database() as url:
        yield url


def test_the_role_does_the_work_of_the_portal_and_owns_nothing(url):
    """SUP-03: load_demo imports, activates and locks accounts."""
    manage("load_demo", url=url)
    with psycopg.connect(url) as portal:
        assert portal.execute("SELECT count(*) > 5 FROM journal_journalentry").fetchone() == (True,)
        owned = "SELECT relname FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        assert portal.execute(owned).fetchall() == []
        rights = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
        assert portal.execute(f"{rights} WHERE rolname = current_user").fetchone() == (False,) * 5


@pytest.mark.skipif(not shutil.which("pgbouncer"), reason="PGBOUNCER IS NOT TRIED: apt install pgbouncer")
def test_pgbouncer_in_transaction_mode_does_the_work_and_keeps_the_time_limits(url, tmp_path_factory):
    """AVL-06: with `?options=`, and the limits of the role; the check warns of a role without them."""
    parts, port = urlsplit(url), free_port()
    directory = scratch_directory()
    configuration, users = directory.path / "pgbouncer.ini", directory.path / "users.txt"
    users.write_text(f'"{parts.username}" "{parts.password}"\n')
    configuration.write_text(
        f"[databases]\n* = host=127.0.0.1 port={parts.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\npool_mode = transaction\nauth_type = scram-sha-256\nauth_file = {users}\n"
    )
    for path in (directory.path, configuration, users):
        give_to_the_server(path)
    with (directory.path / "log").open("wb") as log:
        bouncer = start([str(shutil.which("pgbouncer")), configuration], user=server_user(), stdout=log, stderr=log)
    try:
        through = f"postgres://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}?options="
        wait_until(lambda: connects(through), directory.path / "log")
        manage("load_demo", url=through)
        assert "monitoring.W001" not in manage("check", "--database", "default", url=through)
        with psycopg.connect(through) as portal:
            limits = [portal.execute(f"SHOW {name}_timeout").fetchone() for name in ("statement", "lock")]
        assert limits == [("5s",), ("4s",)]
        owner = f"{SERVER}{parts.path}?options="
        assert "PostgreSQL sets no lock_timeout" in manage("check", "--database", "default", url=owner)
    finally:
        stop(bouncer, signal.SIGTERM, patience=10)
        directory.remove()


def connects(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


def test_the_role_can_neither_change_a_table_nor_rewrite_the_journal(url):
    """SUP-03, LOG-03: on an entry that is there."""
    done = []
    with psycopg.connect(url) as portal:
        columns, values = "event, source, device, request_id, details, at", "'z', 'web', '', '', '{}', now()"
        portal.execute(f"INSERT INTO journal_journalentry ({columns}) VALUES ({values})")
        portal.commit()
        facts = "SELECT tgname, tgfoid::regproc::text FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = %s::regclass"
        trigger, function = portal.execute(facts, ["journal_journalentry"]).fetchone()
        for statement in FORBIDDEN:
            with suppress(psycopg.errors.InsufficientPrivilege):
                portal.execute(statement.format(trigger=trigger, function=function))
                done.append(statement)
            portal.rollback()
    assert done == []


def test_only_the_proxy_is_published_and_database_and_redis_have_no_way_out():
    """SUP-03: and, in a trial, the page of caught mails, on the same machine."""
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy", "mailpit"}
    assert SERVICES["mailpit"]["profiles"] == ["trial"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["mailpit"]["ports"])
    assert COMPOSE["networks"]["back"]["internal"] is True
    for name in ("database", "redis"):
        assert (SERVICES[name]["networks"], "network_mode" in SERVICES[name]) == (["back"], False)


def test_services_get_their_passwords_out_of_sight_and_only_migrations_own_the_tables():
    """SUP-03: the password of Redis is on no command line."""
    command = SERVICES["redis"]["command"][-1]
    assert re.search(r'requirepass %s.*"\$\$REDIS_PASSWORD" \| exec valkey-server -', command, re.DOTALL)
    assert SERVICES["redis"]["environment"]["REDIS_PASSWORD"] == "${REDIS_PASSWORD}"
    assert ":${REDIS_PASSWORD:?" in SERVICES["web"]["environment"]["REDIS_URL"]
    urls = {name: service.get("environment", {}).get("DATABASE_URL") for name, service in SERVICES.items()}
    roles = {name: url.partition("//")[2].partition(":")[0] for name, url in urls.items() if url}
    assert roles == {"web": "portail_app", "worker": "portail_app", "beat": "portail_app", "migrate": "portail"}
    assert any("roles.sh:/docker-entrypoint-initdb.d/" in volume for volume in SERVICES["database"]["volumes"])


def test_containers_cannot_write_to_themselves_nor_gain_rights():
    """SUP-03: all but PostgreSQL, which gives up root by itself."""
    for name, service in SERVICES.items():
        assert not {"privileged", "devices", "pid", "ipc"} & set(service), name
        assert "docker.sock" not in str(service.get("volumes")), name
        assert name == "database" or HARDENED.items() <= service.items(), name
    assert {name for name, service in SERVICES.items() if "cap_add" in service} == {"proxy"}
