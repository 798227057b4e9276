"""A real Postfix on loopback that looks people up in the directory. Its master has to be root."""

import os
import secrets
import shutil
import signal
import smtplib
from pathlib import Path

from devtools import postgresql_files as files
from devtools.ldap import debian
from devtools.ldap.dovecot import BIND_DN, BIND_PASSWORD, Dovecot
from devtools.ldap.slapd import PEOPLE, POSTFIX
from devtools.processes import LOOPBACK
from devtools.servers import Server

LIBRARIES = "usr/lib/postfix"
#: Two users and a group that every Debian has; Postfix wants some of its own.
OWNER, GROUP = "uucp", "news"
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")
LEFT_OUT = """
*****************************************************************************************
**  Postfix starts for root only, when apt could bring it: FORWARDING IS NOT TESTED      **
*****************************************************************************************
"""
MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/spool
data_directory = {directory}/data
daemon_directory = {root}/usr/lib/postfix/sbin
command_directory = {root}/usr/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {directory}
mail_owner = {owner}
setgid_group = {group}
maillog_file = /dev/stdout
import_environment = MAIL_CONFIG={directory} LD_LIBRARY_PATH={libraries}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.univ-exemple.fr
smtpd_banner = {greeting}
mydestination =
mynetworks = 127.0.0.0/8
local_recipient_maps =
alias_maps =
alias_database =
relayhost = [127.0.0.1]:{outside_port}
smtp_dns_support_level = disabled
smtp_tls_security_level = none
virtual_mailbox_domains = univ-exemple.fr
virtual_mailbox_maps = ldap:{directory}/mailboxes.cf
virtual_alias_maps = ldap:{directory}/forwarding.cf
virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
smtpd_recipient_restrictions = permit_mynetworks, reject
"""
MASTER = """
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
LOOKUP = f"""
server_host = {{url}}
bind = yes
bind_dn = {BIND_DN}
bind_pw = {BIND_PASSWORD}
version = 3
search_base = {PEOPLE}
scope = one
"""
#: With the own address among its values when a copy is kept.
FORWARDING = """
query_filter = (&(objectClass=supannPerson)(mail=%s)(mailForwardingAddress=*))
result_attribute = mailForwardingAddress
"""
MAILBOXES = """
query_filter = (&(objectClass=supannPerson)(mail=%s)(|(supannRessourceEtat={MAIL}A)(supannRessourceEtat={MAIL}A:*)))
result_attribute = uid
"""
DICTIONARY = "ldap postfix-ldap.so dict_ldap_open\n"


def can_start() -> bool:
    return os.geteuid() == 0 and debian.unpacked(POSTFIX) is not None


class Postfix(Server):
    """Delivers to the mailboxes of Dovecot; sends what is for others to `outside_port`."""

    title = "Postfix"
    stop_signal = signal.SIGTERM

    def __init__(self, dovecot: Dovecot, *, outside_port: int) -> None:
        self.scratch = files.scratch_directory()
        super().__init__(self.scratch.path)
        self.dovecot, self.outside_port = dovecot, outside_port
        self._greeting = f"mx.univ-exemple.fr ESMTP {secrets.token_hex(16)}"
        self._make_directories()

    def command(self) -> list[str | Path]:
        self._configure()
        program = ["/usr/bin/env", f"LD_LIBRARY_PATH={self._libraries}", f"MAIL_CONFIG={self.directory}"]
        return [*program, debian.ROOT / POSTFIX, "-s", "-c", self.directory]

    def answers(self) -> bool:
        try:
            with smtplib.SMTP(timeout=10) as client:
                return self._greeting.encode() in client.connect(LOOPBACK, self.port)[1]
        except (OSError, smtplib.SMTPException):
            return False

    def close(self) -> None:
        super().close()
        self.scratch.remove()

    def send(self, address: str, subject: str) -> None:
        """Raises smtplib.SMTPException."""
        with smtplib.SMTP(LOOPBACK, self.port, timeout=10) as client:
            client.sendmail("expediteur@exemple.net", [address], f"Subject: {subject}\r\n\r\nBonjour\r\n")

    @property
    def _libraries(self) -> str:
        return f"{debian.ROOT / LIBRARIES}:{debian.environment()['LD_LIBRARY_PATH']}"

    def _make_directories(self) -> None:
        spool = self.directory / "spool"
        for name in ("pid", "public", "maildrop", *QUEUES):
            (spool / name).mkdir(parents=True, mode=0o755 if name == "pid" else 0o700)
            if name != "pid":
                shutil.chown(spool / name, user=OWNER, group=GROUP if name in ("public", "maildrop") else None)
        (spool / "public").chmod(0o2710)
        (spool / "maildrop").chmod(0o1730)
        (self.directory / "data").mkdir(mode=0o700)
        shutil.chown(self.directory / "data", user=OWNER)

    def _configure(self) -> None:
        names = {
            "directory": self.directory,
            "root": debian.ROOT,
            "owner": OWNER,
            "group": GROUP,
            "libraries": self._libraries,
            "greeting": self._greeting,
            "outside_port": self.outside_port,
            "lmtp_port": self.dovecot.lmtp_port,
        }
        lookup = LOOKUP.format(url=self.dovecot.slapd.url)
        content = {
            "main.cf": MAIN.format(**names),
            "master.cf": MASTER.format(port=self.port),
            "dynamicmaps.cf": DICTIONARY,
            "forwarding.cf": lookup + FORWARDING,
            "mailboxes.cf": lookup + MAILBOXES,
        }
        for name, text in content.items():
            (self.directory / name).write_text(text)
