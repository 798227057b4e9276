"""Each service has the rights that it needs and no more (SUP-03, LOG-03)."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
import yaml

from devtools.environment import local_environment
from tests.project import PROJECT

ROLES = PROJECT / "deploy/roles.sh"
#: What an attacker with the portal's database password would try.
FORBIDDEN = (
    *("CREATE TABLE loot (id int)", "CREATE SCHEMA loot", "DROP TABLE journal_journalentry"),
    "ALTER TABLE journal_journalentry ADD COLUMN note text",
    *("ALTER TABLE journal_journalentry DISABLE TRIGGER ALL", "DROP TRIGGER {trigger} ON journal_journalentry"),
    "CREATE RULE nothing AS ON INSERT TO journal_journalentry DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    *("SET session_replication_role = replica", "TRUNCATE journal_journalentry"),
    *("TRUNCATE accounts_account CASCADE", "UPDATE journal_journalentry SET event = 'x'"),
    "DELETE FROM journal_journalentry",
    "SET LOCAL portal.retention = 'on'; UPDATE journal_journalentry SET event = 'x'",
    *("SELECT * FROM pg_authid", "COPY accounts_account TO '/tmp/loot'"),
    *("COPY accounts_account TO PROGRAM 'cat'", "ALTER ROLE CURRENT_USER SUPERUSER"),
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database made by `deploy/roles.sh` and `manage.py migrate`, for the portal's role."""
    server, password = os.environ["DATABASE_URL"].rsplit("/", 1)[0], secrets.token_hex(8)
    name = f"roles_{secrets.token_hex(4)}"
    # The role belongs to the whole server, and another run may be using it at the same time.
    role = f"portail_app_{secrets.token_hex(4)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(f"{server}/{name}", autocommit=True) as inside:
                inside.execute(statements(role, password))
            migrate = [sys.executable, "-W", "ignore", "manage.py", "migrate", "--no-input", "-v", "0"]
            subprocess.run(migrate, cwd=PROJECT, env=environment(f"{server}/{name}"), check=True, timeout=120)
            yield re.sub(r"//[^@]+@", f"//{role}:{password}@", f"{server}/{name}")
        finally:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
            owner.execute(f"DROP ROLE IF EXISTS {role}")


def test_the_role_does_the_work_of_the_portal_and_owns_nothing(url):
    """SUP-03: load_demo imports, activates and locks accounts."""
    line = [sys.executable, "-W", "ignore", "manage.py", "load_demo"]
    done = subprocess.run(line, cwd=PROJECT, env=environment(url), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    with psycopg.connect(url) as portal:
        assert portal.execute("SELECT count(*) > 5 FROM journal_journalentry").fetchone() == (True,)
        owned = "SELECT relname FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        assert portal.execute(owned).fetchall() == []
        rights = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
        assert portal.execute(f"{rights} WHERE rolname = current_user").fetchone() == (False,) * 5


def test_the_role_can_neither_change_a_table_nor_rewrite_the_journal(url):
    """SUP-03, LOG-03: on an entry that is there."""
    done = []
    with psycopg.connect(url) as portal:
        portal.execute(
            "INSERT INTO journal_journalentry (event, source, client_address, device, request_id, details, at)"
            " VALUES ('z', 'web', NULL, '', '', '{}', now())"
        )
        portal.commit()
        facts = "SELECT tgname, tgfoid::regproc::text FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = %s::regclass"
        trigger, function = portal.execute(facts, ["journal_journalentry"]).fetchone()
        for statement in FORBIDDEN:
            with suppress(psycopg.errors.InsufficientPrivilege):
                portal.execute(statement.format(trigger=trigger, function=function))
                done.append(statement)
            portal.rollback()
    assert done == []


def statements(role: str, password: str) -> str:
    """The SQL of `deploy/roles.sh`, for a role of another name."""
    sql = ROLES.read_text().partition("<<'SQL'\n")[2].partition("\nSQL\n")[0]
    assert "CREATE ROLE portail_app" in sql
    return sql.replace("portail_app", role).replace(":'password'", f"'{password}'")


def environment(url: str) -> dict[str, str]:
    return local_environment(DATABASE_URL=url, DATABASE_POOL_SIZE="0")


class TestCompose:
    """`docker-compose.yml`, SUP-03."""

    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    services = compose["services"]

    def test_only_the_proxy_is_published_and_database_and_redis_have_no_way_out(self):
        """And, in a trial, the page of caught mails, on the same machine."""
        published = {name: service["ports"] for name, service in self.services.items() if "ports" in service}
        assert set(published) == {"proxy", "mailpit"}
        assert self.services["mailpit"]["profiles"] == ["trial"]
        assert all(port.startswith("127.0.0.1:") for port in published["mailpit"])
        assert self.compose["networks"]["back"]["internal"] is True
        for name in ("database", "redis"):
            assert self.services[name]["networks"] == ["back"]
            assert "network_mode" not in self.services[name]

    def test_redis_requires_a_password_that_no_command_line_shows(self):
        command = self.services["redis"]["command"][-1]
        assert "requirepass %s" in command
        assert '"$$REDIS_PASSWORD" | exec redis-server -' in command
        assert self.services["redis"]["environment"]["REDIS_PASSWORD"] == "${REDIS_PASSWORD}"
        assert ":${REDIS_PASSWORD:?" in self.services["web"]["environment"]["REDIS_URL"]

    def test_only_migrations_run_as_the_owner_of_the_tables(self):
        roles = {
            name: service["environment"]["DATABASE_URL"].partition("//")[2].partition(":")[0]
            for name, service in self.services.items()
            if "DATABASE_URL" in service.get("environment", {})
        }
        assert roles == {"web": "portail_app", "worker": "portail_app", "beat": "portail_app", "migrate": "portail"}
        assert any("roles.sh:/docker-entrypoint-initdb.d/" in volume for volume in self.services["database"]["volumes"])

    def test_containers_cannot_write_to_themselves_nor_gain_rights(self):
        """All but PostgreSQL, which gives up root by itself."""
        hardened = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
        for name, service in self.services.items():
            assert not {"privileged", "devices", "pid", "ipc"} & set(service), name
            assert "docker.sock" not in str(service.get("volumes")), name
            assert name == "database" or hardened.items() <= service.items(), name
        assert {name for name, service in self.services.items() if "cap_add" in service} == {"proxy"}
