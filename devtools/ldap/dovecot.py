"""A real Dovecot on loopback, IMAP and LMTP, that asks the directory for each password; not as root."""

import grp
import imaplib
import os
import pwd
import re
import secrets
import signal
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools import postgresql_files as files
from devtools.ldap import debian
from devtools.ldap.slapd import PEOPLE, SUFFIX, Slapd
from devtools.processes import LOOPBACK, free_port
from devtools.servers import Server

HERE = Path(__file__).parent
PROGRAM, READER, LIBRARIES = "usr/sbin/dovecot", "usr/bin/doveconf", "usr/lib/dovecot"
BIND_DN, BIND_PASSWORD = f"uid=dovecot,ou=services,{SUFFIX}", "dovecot-secret"
#: Debian's build looks for its modules there; copies of these two look in the folder where they run.
MODULES = re.compile(rb"/usr/lib/dovecot/(modules[^\0:]*)\0")
RELOCATED = ("auth", "libdovecot.so.0")
SECONDS_TO_ANSWER = 10


class Dovecot(Server):
    """Mailboxes of the people in a directory, empty at the start."""

    title = "Dovecot"
    stop_signal = signal.SIGTERM

    def __init__(self, directory: Slapd) -> None:
        self.scratch = files.scratch_directory()
        super().__init__(self.scratch.path)
        self.slapd = directory
        self.runs_as = files.server_user()
        self.lmtp_port = 0
        self._greeting = secrets.token_hex(16)

    @property
    def url(self) -> str:
        return f"imap://{LOOPBACK}:{self.port}"

    def command(self) -> list[str | Path]:
        if not self.has_answered:
            self.lmtp_port = free_port()
        self._configure()
        configuration = self.directory / "dovecot.conf"
        return [
            *("/usr/bin/env", f"LD_LIBRARY_PATH={self._libraries}"),
            # Dovecot would run its reader of the configuration itself, from /usr/bin.
            *(debian.ROOT / READER, "-c", configuration, "-f", "service=master", "-m", "master", "-p", "-e"),
            *(debian.ROOT / PROGRAM, "-F", "-c", configuration),
        ]

    def answers(self) -> bool:
        """Whether this server answers: another one may have taken the port."""
        try:
            with imaplib.IMAP4(LOOPBACK, self.port, timeout=SECONDS_TO_ANSWER) as client:
                return self._greeting.encode() in client.welcome
        except (OSError, imaplib.IMAP4.error):
            return False

    def close(self) -> None:
        super().close()
        self.scratch.remove()

    @contextmanager
    def mailbox(self, name: str, password: str) -> Iterator[imaplib.IMAP4]:
        """Signed in; `name` is an address or a uid. Raises imaplib.IMAP4.error."""
        with imaplib.IMAP4(LOOPBACK, self.port, timeout=SECONDS_TO_ANSWER) as client:
            # The command LOGIN takes ASCII only.
            client.authenticate("PLAIN", lambda _challenge: f"\0{name}\0{password}".encode())
            yield client

    def accepts(self, name: str, password: str) -> bool:
        """Whether a person can open the mailbox."""
        try:
            with self.mailbox(name, password):
                return True
        except imaplib.IMAP4.error:
            return False

    def subjects(self, name: str, password: str) -> list[str]:
        """Of the mails in the mailbox, in the order of their arrival."""
        with self.mailbox(name, password) as client:
            _status, number = client.select(readonly=True)
            if number == [b"0"]:
                return []
            _status, found = client.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")
        headers = [part[1].decode() for part in found if isinstance(part, tuple)]
        return [header.partition(":")[2].strip() for header in headers]

    def deliver(self, address: str, subject: str) -> None:
        """Deliver a mail, as a mail server does. Raises smtplib.SMTPException."""
        with smtplib.LMTP(LOOPBACK, self.lmtp_port) as client:
            client.sendmail("expediteur@exemple.net", [address], f"Subject: {subject}\r\n\r\nBonjour\r\n")

    @property
    def _libraries(self) -> str:
        return f"{self.directory}:{debian.environment()['LD_LIBRARY_PATH']}"

    def _configure(self) -> None:
        owner = pwd.getpwnam(self.runs_as) if self.runs_as else pwd.getpwuid(os.geteuid())
        for name in ("run", "state", "mail"):
            self._directory(name)
        modules = self.directory / "run" / "modules"
        if not modules.is_symlink():
            modules.symlink_to(debian.ROOT / LIBRARIES / "modules")
        for name in RELOCATED:
            self._file(name, relocated((debian.ROOT / LIBRARIES / name).read_bytes()), mode=0o700)
        names = {
            "root": debian.ROOT,
            "directory": self.directory,
            "libraries": self._libraries,
            "greeting": self._greeting,
            "user": owner.pw_name,
            "group": grp.getgrgid(owner.pw_gid).gr_name,
            "port": self.port,
            "lmtp_port": self.lmtp_port,
            "url": self.slapd.url,
            "bind_dn": BIND_DN,
            "password": BIND_PASSWORD,
            "people": PEOPLE,
        }
        for template in ("dovecot.conf", "dovecot-ldap.conf.ext"):
            self._file(template, (HERE / template).read_text().format(**names).encode(), mode=0o600)

    def _directory(self, name: str) -> None:
        path = self.directory / name
        path.mkdir(exist_ok=True)
        files.give_to_the_server(path)

    def _file(self, name: str, content: bytes, *, mode: int) -> None:
        path = self.directory / name
        path.touch(mode=mode)
        path.write_bytes(content)
        files.give_to_the_server(path)


def relocated(program: bytes) -> bytes:
    """With the paths of its modules relative, and as long as before."""
    return MODULES.sub(lambda found: found[1].ljust(len(found[0]), b"\0"), program)
