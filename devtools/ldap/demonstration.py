"""The directory and the mail server of `make run`, linked to the portal."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from devtools.ldap import debian, dovecot
from devtools.ldap.slapd import BIND_DN, BIND_PASSWORD, PACKAGES, PEOPLE, Slapd, are_unpacked
from devtools.processes import LOOPBACK
from devtools.servers import ServerStartError

#: The account that `make run` proposes to activate.
PERSON = "camille.durand@univ-exemple.fr"
STARTED = f"""
Le compte activé ouvre aussi l’annuaire et la messagerie, avec le mot de passe choisi :
The activated account also opens the directory and the mailbox, with the chosen password:

  {{ldapsearch}}
  (rien avant l’activation / nothing before the activation)

  curl --user {PERSON} imap://{LOOPBACK}:{{imap_port}}/
  (ou un logiciel de messagerie / or a mail program: IMAP, {LOOPBACK}, port {{imap_port}}, sans chiffrement / no TLS)
"""
LEFT_OUT = """
Ni annuaire LDAP ni messagerie : {reason}. Le compte activé n’ouvre que le portail.
No LDAP directory and no mail server: {reason_in_english}. The activated account opens the portal only.
"""


@dataclass(frozen=True, slots=True)
class LinkedServices:
    """`explanation` says how to look at them, or why there are none."""

    explanation: str
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def are_started(self) -> bool:
        return bool(self.settings)


def start_linked_services(everything: ExitStack, say: Callable[[str], None]) -> LinkedServices:
    """Start them where that is possible; `everything` stops them."""
    if os.environ.get("PROVISIONING_LDAP_URL"):
        return LinkedServices("")
    if not are_unpacked():
        say("Téléchargement d’un annuaire et d’une messagerie… / Downloading a directory and a mail server…")
        debian.unpack(*PACKAGES)
    if not are_unpacked():
        return left_out("apt n’a pas pu apporter slapd et Dovecot", "apt could not bring slapd and Dovecot")
    try:
        slapd = everything.enter_context(Slapd())
        mail_server = everything.enter_context(dovecot.Dovecot(slapd))
    except ServerStartError as failure:
        say(str(failure))
        return left_out("ils n’ont pas démarré", "they did not start")
    explanation = STARTED.format(ldapsearch=ldapsearch(slapd), imap_port=mail_server.port)
    return LinkedServices(explanation, settings_for(slapd))


def left_out(reason: str, reason_in_english: str) -> LinkedServices:
    return LinkedServices(LEFT_OUT.format(reason=reason, reason_in_english=reason_in_english))


def settings_for(slapd: Slapd) -> dict[str, str]:
    return {
        "PROVISIONING_LDAP_URL": slapd.tls_url,
        "PROVISIONING_LDAP_CA_FILE": str(slapd.ca_file),
        "PROVISIONING_LDAP_BIND_DN": BIND_DN,
        "PROVISIONING_LDAP_PASSWORD": BIND_PASSWORD,
        "PROVISIONING_LDAP_BASE": PEOPLE,
    }


def ldapsearch(slapd: Slapd) -> str:
    """The command that shows a person's entry, as the mail server reads it."""
    libraries = next((debian.ROOT / "usr/lib").glob("*-linux-gnu"))
    program = f"LD_LIBRARY_PATH={libraries} {debian.ROOT}/usr/bin/ldapsearch -x -LLL -H {slapd.url}"
    return f"{program} -D {dovecot.BIND_DN} -w {dovecot.BIND_PASSWORD} -b {PEOPLE} mail={PERSON}"
