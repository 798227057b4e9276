"""`make run`: the whole portal on this machine, with demonstration data and every mail caught.

Starts PostgreSQL and Redis (or uses those of DATABASE_URL and REDIS_URL), an LDAP directory and a mail server that asks
it (unless PROVISIONING_LDAP_URL names another), the web server, the worker, beat, and a page that shows the mails.
Data, mails and logs are in `.local/demo`; a second demonstration at the same time takes the next free ports and
`.local/demo-2`.
"""

import fcntl
import os
import secrets
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import NoReturn

from devtools.environment import PROJECT, local_environment
from devtools.ldap.demonstration import start_linked_services
from devtools.mailcatcher import MailCatcher
from devtools.mailpages import serve
from devtools.postgresql_files import UnsafeDirectoryError
from devtools.processes import LOOPBACK, free_port, listen, tail
from devtools.servers import PostgreSQL, Redis, ServerStartError
from devtools.services import ServiceFailedError, Services

WEB_PORT = 8000
MAIL_PORT = 8025
SECONDS_TO_START = 90.0

WELCOME = """
Le portail est prêt.                The portal is ready.

  Portail / Portal                  {portal}/
  E-mails retenus / Caught mails    {mails}/
  Journaux / Logs                   {logs}

Pour essayer : activez le compte de Camille Durand (camille.durand@univ-exemple.fr) ;
son e-mail d’activation est parmi les e-mails retenus.
To try it: activate the account of Camille Durand; her activation mail is among the caught mails.

Compte déjà actif / Account that is active:  nadia.lefevre    demonstration seulement 2026

Espace agents / Agents’ area:  {portal}/admin/    hugo.lefebvre    demonstration seulement 2026
{agent}
{linked}
Une demande d’assistance y attend : celle de Sami Haddad, dont le compte est bloqué.
A request for assistance waits there: that of Sami Haddad, whose account is locked.
Arrêter / Stop: Ctrl-C
"""


def main() -> int:
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    signal.signal(signal.SIGINT, leave)
    say("Démarrage… / Starting…")
    try:
        with ExitStack() as everything:
            services = start_everything(everything)
            while True:
                services.check()
                time.sleep(0.5)
    except (ServiceFailedError, ServerStartError, UnsafeDirectoryError) as failure:
        say(str(failure))
        return 1


def leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Exit through the `with` blocks, which stop the processes; a second Ctrl-C must not interrupt them."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    say("Arrêt… / Stopping…")
    sys.exit(0)


def say(text: str) -> None:
    """Print and flush, for pipes."""
    print(text, flush=True)


def start_everything(everything: ExitStack) -> Services:
    """Start everything; `everything` stops it when it closes."""
    home = everything.enter_context(own_directory())
    logs, mails = home / "log", home / "mails"
    logs.mkdir(exist_ok=True)
    mails.mkdir(exist_ok=True)
    web = everything.enter_context(listen(WEB_PORT))
    catcher = everything.enter_context(MailCatcher(directory=mails))
    mail_port = free_port(MAIL_PORT)
    everything.enter_context(serve(catcher, mail_port))
    urls = server_urls(everything, home)
    linked = start_linked_services(everything, say)
    environment = portal_environment(home, web, EMAIL_URL=catcher.url, **urls, **linked.settings)
    services = Services(environment, logs)
    everything.callback(services.stop_all)
    start_portal(services, home, web)
    if linked.are_started:
        # The directory is empty at each start; the demonstration's data are not.
        services.run("provision", sys.executable, "manage.py", "provision", "--all", "--target", "ldap")
    wait_until_ready(services, web)
    portal, agent = environment["PORTAL_URL"], code_in(services.log("agent"))
    mails_page = f"http://{LOOPBACK}:{mail_port}"
    say(WELCOME.format(portal=portal, mails=mails_page, logs=logs, agent=agent, linked=linked.explanation))
    return services


def code_in(log: Path) -> str:
    """The line with the agent's enrolment code; printed at the first start and after it has expired."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("Code d’enrôlement"))


@contextmanager
def own_directory() -> Iterator[Path]:
    """The first directory that no running demonstration uses, locked until the block ends."""
    for number in count(1):
        home = PROJECT / ".local" / ("demo" if number == 1 else f"demo-{number}")
        home.mkdir(parents=True, exist_ok=True)
        with (home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield home
            return


def server_urls(everything: ExitStack, home: Path) -> dict[str, str]:
    urls = {}
    if not os.environ.get("DATABASE_URL"):
        urls["DATABASE_URL"] = everything.enter_context(PostgreSQL(home / "postgresql-18")).url
    if not os.environ.get("REDIS_URL"):
        urls["REDIS_URL"] = everything.enter_context(Redis()).url
    return urls


def portal_environment(home: Path, web: socket.socket, **settings: str) -> dict[str, str]:
    """The settings of the demonstration; the secret key is kept, so links and sessions survive a restart."""
    port = web.getsockname()[1]
    if port != WEB_PORT:
        say(f"Le port {WEB_PORT} est pris : ce sera {port}. / Port {WEB_PORT} is taken: using {port}.")
    defaults = {
        "PORTAL_URL": f"http://{LOOPBACK}:{port}",
        "SECRET_KEY": persistent_secret(home / "secret-key"),
        "WEB_CONCURRENCY": "2",
        "WEB_THREADS": "4",
        "PYTHONUNBUFFERED": "1",
    }
    unset = {name: value for name, value in defaults.items() if name not in os.environ}
    return local_environment(**unset, **settings)


def persistent_secret(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(64))
    return file.read_text()


def start_portal(services: Services, home: Path, web: socket.socket) -> None:
    """Migrate, start the processes, load the demonstration."""
    services.run("migrate", sys.executable, "manage.py", "migrate", "--no-input")
    bind = f"fd://{web.fileno()}"
    services.start("web", "gunicorn", "config.wsgi", "--bind", bind, pass_fds=[web.fileno()])
    celery = ("celery", "--app", "config")
    services.start("worker", *celery, "worker", "--loglevel", "INFO", "--concurrency", "2")
    services.start("beat", *celery, "beat", "--pidfile", "", "--schedule", str(home / "beat-schedule"))
    services.run("load_demo", sys.executable, "manage.py", "load_demo")
    services.run("agent", sys.executable, "manage.py", "create_agent", "hugo.lefebvre", "--role", "Responsables")


def wait_until_ready(services: Services, web: socket.socket) -> None:
    """Wait for the first 200. Raises ServiceFailedError."""
    address = f"http://{LOOPBACK}:{web.getsockname()[1]}/sante/pret"
    deadline = time.monotonic() + SECONDS_TO_START
    while not answers(address):
        services.check()
        if time.monotonic() > deadline:
            raise ServiceFailedError(f"{address} ne répond pas. / does not answer.\n{tail(services.log('web'))}")
        time.sleep(0.2)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
