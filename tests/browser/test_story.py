"""One password opens everything: the directory, the mailbox and CAS, on real servers, from activation to unlocking."""

import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from accounts.models import Account
from devtools.ldap.demonstration import settings_for
from devtools.ldap.dovecot import BIND_DN, BIND_PASSWORD, Dovecot
from devtools.ldap.slapd import PEOPLE, Slapd
from devtools.processes import wait_until
from journal.models import JournalEntry
from tests.accounts.auth.sso.providers.browser import fields_of, run_provider
from tests.agents.signed_in import an_agent
from tests.browser.visitor import ANOTHER_PASSWORD, NEEDS_BROWSER, link_in, mail_to
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.project import PROJECT
from tests.provisioning.conftest import ldap, slapd  # noqa: F401
from tests.stack import SECURITY_KEY, Stack

pytestmark = NEEDS_BROWSER

LAST_PASSWORD = "phare-noisette-violon-2077"
EVERYWHERE, NOWHERE = {"LDAP", "IMAP", "CAS"}, set()
#: For a person at a busy machine; the goal of one second is measured by `make bench`.
SECONDS_TO_OPEN = 20.0


class LinkedPortal(Stack):
    """The portal's processes, linked to a directory."""

    slapd: Slapd

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, **settings_for(self.slapd)}


class Doors:
    """Whatever asks the directory for a password."""

    def __init__(self, portal: LinkedPortal, dovecot: Dovecot, cas: str) -> None:
        self.portal, self.dovecot, self.cas = portal, dovecot, cas

    def that_open(self, person: Account, password: str) -> set[str]:
        opened = {
            "LDAP": self.portal.slapd.accepts(person.uid, password),
            "IMAP": self.dovecot.accepts(person.login, password),
            "CAS": self.name_at_cas(person.uid, password) == person.uid,
        }
        return {name for name, is_open in opened.items() if is_open}

    def wait_until(self, person: Account, password: str, opened: set[str]) -> None:
        wait_until(
            lambda: self.that_open(person, password) == opened, self.portal.log("worker"), seconds=SECONDS_TO_OPEN
        )

    def name_at_cas(self, uid: str, password: str) -> str:
        """Sign in at the CAS server and validate the ticket, as an application does; empty when it is refused."""
        service = {"service": f"{self.portal.url}/connexion/retour/?"}
        with requests.Session() as browser:
            form = browser.get(f"{self.cas}/cas/login", params=service, timeout=20)
            fields = fields_of(form.text) | {"username": uid, "password": password}
            answer = browser.post(form.url, fields, allow_redirects=False, timeout=20)
            if answer.status_code != 302:
                return ""
            [ticket] = parse_qs(urlsplit(urljoin(form.url, answer.headers["Location"])).query)["ticket"]
            proof = browser.get(f"{self.cas}/cas/serviceValidate", params={**service, "ticket": ticket}, timeout=20)
        found = re.search(r"<cas:user>(.+)</cas:user>", proof.text)
        assert found, proof.text
        return found[1]


@pytest.fixture
def stack(ldap, mail_server, transactional_db) -> Iterator[LinkedPortal]:  # noqa: F811
    with tempfile.TemporaryDirectory(prefix="portal-linked-") as directory:
        running = LinkedPortal(mail_server, Path(directory))
        running.slapd = ldap
        try:
            running.start_all()
            yield running
            running.rest()
        finally:
            running.close()


@pytest.fixture
def doors(stack) -> Iterator[Doors]:
    directory = {"CAS_LDAP_SERVER": stack.slapd.url, "CAS_LDAP_BASE_DN": PEOPLE}
    directory |= {"CAS_LDAP_USER": BIND_DN, "CAS_LDAP_PASSWORD": BIND_PASSWORD}
    with Dovecot(stack.slapd) as dovecot, run_provider("cas", stack.url, **directory) as cas:
        yield Doors(stack, dovecot, cas.url)


def lock(stack: Stack, person: Account) -> None:
    """As the university's security system does."""
    body = {"accounts": [person.login], "reason": "phishing", "comment": "Vague du 3 octobre."}
    headers = {"Authorization": f"Bearer {SECURITY_KEY}", "Content-Type": "application/json"}
    call = urllib.request.Request(f"{stack.url}/api/blocages/", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(call, timeout=10) as answer:
        assert json.load(answer)["accounts"][0]["answer"] == "locked"


def unlock(stack: Stack, person: Account, agent: Account) -> None:
    changes = [str(pk) for pk in JournalEntry.objects.filter(account=person).values_list("pk", flat=True)]
    command = [sys.executable, "manage.py", "release_account", person.login, "--agent", agent.login]
    command += ["--reason", "phishing-over", "--proof", "in-person", "--report", "Vue au guichet, carte d’identité."]
    done = subprocess.run(
        [*command, "--reviewed", *changes], cwd=PROJECT, env=stack.env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_password_opens_everything_until_the_account_is_locked(stack, doors, new_visitor):
    person = pending_account(uid="zpetit", institutional_address="zoe.petit@univ-exemple.fr")
    owner = new_visitor()
    owner.begin_until_the_mailbox(person)
    owner.press("Suivant")
    assert doors.that_open(person, A_GOOD_PASSWORD) == NOWHERE
    owner.choose_a_password()
    owner.sees("Votre compte est activé")
    doors.wait_until(person, A_GOOD_PASSWORD, EVERYWHERE)
    doors.dovecot.deliver(person.login, "Bienvenue")

    owner.open("/compte/mot-de-passe/")
    owner.sign_in(person)
    owner.type("Mot de passe actuel", A_GOOD_PASSWORD)
    owner.type_new_password("Nouveau mot de passe", ANOTHER_PASSWORD)
    owner.press("Changer le mot de passe")
    owner.sees("Votre compte informatique")
    doors.wait_until(person, ANOTHER_PASSWORD, EVERYWHERE)
    assert doors.that_open(person, A_GOOD_PASSWORD) == NOWHERE

    lock(stack, person)
    doors.wait_until(person, ANOTHER_PASSWORD, NOWHERE)
    doors.dovecot.deliver(person.login, "Pendant le blocage")

    unlock(stack, person, an_agent())
    owner.open(link_in(mail_to(stack, person.recovery_address, "Votre compte informatique est débloqué")))
    assert doors.that_open(person, ANOTHER_PASSWORD) == NOWHERE
    owner.type("Choisissez un mot de passe", LAST_PASSWORD)
    owner.press("Réactiver mon compte")
    owner.sees("Votre compte est réactivé")
    doors.wait_until(person, LAST_PASSWORD, EVERYWHERE)
    assert doors.that_open(person, ANOTHER_PASSWORD) == NOWHERE
    assert doors.dovecot.subjects(person.login, LAST_PASSWORD) == ["Bienvenue", "Pendant le blocage"]
