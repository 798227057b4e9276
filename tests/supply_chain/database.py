"""A database made as in production, and commands on it."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from devtools.environment import local_environment
from tests.project import PROJECT

SERVER = os.environ["DATABASE_URL"].rsplit("/", 1)[0]


@contextmanager
def portal_database() -> Iterator[str]:
    """The address, for the portal's role, of one made by `deploy/roles.sh` and `manage.py migrate`."""
    password = secrets.token_hex(8)
    # The role belongs to the whole server, and another run may be using it at the same time.
    name, role = f"roles_{secrets.token_hex(4)}", f"portail_app_{secrets.token_hex(4)}"
    sql = (PROJECT / "deploy/roles.sh").read_text().partition("<<'SQL'\n")[2].partition("\nSQL\n")[0]
    sql = sql.replace("portail_app", role).replace(":'password'", f"'{password}'")
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(f"{SERVER}/{name}", autocommit=True) as inside:
                inside.execute(sql)
            manage("migrate", "--no-input", "-v", "0", url=f"{SERVER}/{name}")
            yield re.sub(r"//[^@]+@", f"//{role}:{password}@", f"{SERVER}/{name}")
        finally:
            # Also what a restored backup replaced.
            found = owner.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}%"]).fetchall()
            for (each,) in found:
                owner.execute(f"DROP DATABASE {each} WITH (FORCE)")
            owner.execute(f"DROP ROLE IF EXISTS {role}")


def manage(*command: str, url: str) -> str:
    line = [sys.executable, "-W", "ignore", "manage.py", *command]
    environment = local_environment(DATABASE_URL=url, DATABASE_POOL_SIZE="0")
    done = subprocess.run(line, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr
