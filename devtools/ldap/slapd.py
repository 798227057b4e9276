"""A real OpenLDAP server on loopback: LDAP, LDAPS and StartTLS, a password policy, SupAnn and eduPerson."""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ldap3
import trustme
from ldap3.core.exceptions import LDAPException

from devtools import postgresql_files as files
from devtools.ldap import debian
from devtools.processes import LOOPBACK, free_port
from devtools.servers import Server

HERE = Path(__file__).parent
PROGRAM = "usr/sbin/slapd"
#: With the mail server that asks it.
PROGRAMS = (PROGRAM, "usr/sbin/dovecot")
#: Runs for root only, in tests.
POSTFIX, POSTFIX_PACKAGES = "usr/lib/postfix/sbin/master", ("postfix", "postfix-ldap")
PACKAGES = ("slapd", "slapd-contrib", "ldap-utils", "dovecot-imapd", "dovecot-ldap", "dovecot-lmtpd")
SUFFIX = "dc=univ-exemple,dc=fr"
PEOPLE = f"ou=people,{SUFFIX}"
BIND_DN, BIND_PASSWORD = f"uid=portail,ou=services,{SUFFIX}", "portail-secret"
ADMIN = f"cn=admin,{SUFFIX}"
LEFT_OUT = """
*****************************************************************************************
**  No LDAP server: apt could not bring slapd. THE TESTS OF LINKED SERVICES ARE LEFT OUT **
*****************************************************************************************
"""


class Slapd(Server):
    """Empty but for the accounts of services. `password` is the administrator's."""

    title = "slapd"
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        self.scratch = files.scratch_directory()
        super().__init__(self.scratch.path)
        self.tls_port = free_port()
        self.password = secrets.token_hex(16)
        self.ca_file = self.directory / "ca.pem"
        self._configure()

    @property
    def url(self) -> str:
        return f"ldap://{LOOPBACK}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def start_tls_url(self) -> str:
        return f"ldap+tls://localhost:{self.port}"

    def command(self) -> list[str | Path]:
        program: list[str | Path] = ["env", f"LD_LIBRARY_PATH={self._libraries}", debian.ROOT / PROGRAM]
        addresses = f"ldap://{LOOPBACK}:{self.port} ldaps://{LOOPBACK}:{self.tls_port}"
        return [*program, "-f", self._configuration, "-h", addresses, "-d", "0"]

    def answers(self) -> bool:
        try:
            with self.session() as admin:
                return bool(admin.bound)
        except LDAPException:
            return False

    def close(self) -> None:
        super().close()
        self.scratch.remove()

    @contextmanager
    def session(self, dn: str = ADMIN, password: str = "") -> Iterator[ldap3.Connection]:
        """Bound as the administrator, or as `dn` if the password is right. Raises LDAPException."""
        server = ldap3.Server(LOOPBACK, port=self.port, get_info=ldap3.NONE, connect_timeout=5)
        connection = ldap3.Connection(server, user=dn, password=password or self.password, check_names=False)
        try:
            connection.bind()
            yield connection
            connection.unbind()
        finally:
            # ldap3 leaves it open after a failure.
            if connection.socket:
                connection.socket.close()

    def accepts(self, uid: str, password: str) -> bool:
        """Whether a person can sign in, as CAS and the mail server try."""
        with self.session(f"uid={uid},{PEOPLE}", password) as person:
            return bool(person.bound)

    def entry(self, uid: str) -> dict[str, list[str]]:
        """All attributes, for the administrator; empty without an entry."""
        with self.session() as admin:
            admin.search(PEOPLE, f"(uid={uid})", attributes=["*"])
            found = admin.response
        if not found:
            return {}
        return {name: [value.decode() for value in values] for name, values in found[0]["raw_attributes"].items()}

    @property
    def _configuration(self) -> Path:
        return self.directory / "slapd.conf"

    @property
    def _libraries(self) -> str:
        return debian.environment()["LD_LIBRARY_PATH"]

    def _configure(self) -> None:
        (self.directory / "data").mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(self.directory / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(self.directory / "certificate.pem")
        template = (HERE / "slapd.conf").read_text()
        self._configuration.write_text(
            template.format(root=debian.ROOT, here=HERE, directory=self.directory, password=self.password)
        )
        subprocess.run(
            [debian.ROOT / "usr/sbin/slapadd", "-f", self._configuration, "-l", HERE / "base.ldif"],
            env=debian.environment(),
            check=True,
            capture_output=True,
        )


def are_unpacked() -> bool:
    return all(debian.unpacked(program) for program in PROGRAMS)


def main() -> None:
    if not are_unpacked():
        print("Unpacking an LDAP server and a mail server for the tests of linked services…", flush=True)
        debian.unpack(*PACKAGES)
    if not are_unpacked():
        print(LEFT_OUT, flush=True)
    elif os.geteuid() == 0 and not debian.unpacked(POSTFIX):
        debian.unpack(*POSTFIX_PACKAGES)


if __name__ == "__main__":
    main()
