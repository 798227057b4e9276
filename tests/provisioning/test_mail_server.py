"""A mail server that asks the directory: what is forwarded, what stays, what arrives while an account is locked."""

import smtplib
from collections.abc import Iterator

import pytest
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from devtools.ldap.dovecot import Dovecot
from devtools.mailcatcher import MailCatcher
from devtools.processes import wait_until
from mailrouting.models import Redirection
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.provisioning.postfix import LEFT_OUT, Postfix, can_start
from tests.provisioning.writing import write

pytestmark = [pytest.mark.django_db, pytest.mark.processes, pytest.mark.xdist_group("ldap")]

ELSEWHERE = "zoe@ailleurs.example"


@pytest.fixture
def postfix(ldap, mail_server) -> Iterator[Postfix]:
    if not can_start():
        pytest.skip(LEFT_OUT)
    with Dovecot(ldap) as dovecot, Postfix(dovecot, outside_port=mail_server.port) as server:
        yield server


def forward(person: Account, *, keep_copy: bool) -> None:
    """As confirmed by its reader."""
    facts = {"target": ELSEWHERE, "keep_copy": keep_copy, "verified_at": timezone.now()}
    Redirection.objects.filter(account=person).update(**facts)
    write()


def test_mail_is_forwarded_with_and_without_a_copy_and_stays_while_the_account_is_locked(postfix, mail_server):
    person = active_account(uid="zpetit", institutional_address="zoe.petit@univ-exemple.fr")
    write()

    def arrived(server: MailCatcher) -> list[str]:
        return [mail["Subject"] for mail in server.messages]

    def in_mailbox() -> list[str]:
        return postfix.dovecot.subjects(person.uid, A_GOOD_PASSWORD)

    postfix.send(person.login, "chez soi")
    wait_until(lambda: in_mailbox() == ["chez soi"], postfix.log, seconds=20)
    forward(person, keep_copy=True)
    postfix.send(person.login, "avec copie")
    wait_until(lambda: arrived(mail_server) == ["avec copie"], postfix.log, seconds=20)
    wait_until(lambda: in_mailbox() == ["chez soi", "avec copie"], postfix.log, seconds=20)
    forward(person, keep_copy=False)
    postfix.send(person.login, "sans copie")
    wait_until(lambda: arrived(mail_server) == ["avec copie", "sans copie"], postfix.log, seconds=20)

    lock_account(account=person, reason=LockReason.PHISHING)
    write()
    postfix.send(person.login, "pendant le blocage")
    box = postfix.dovecot.directory / "mail" / person.uid / "Maildir" / "new"
    wait_until(lambda: any("pendant" in file.read_text() for file in box.iterdir()), postfix.log, seconds=20)
    assert not postfix.dovecot.accepts(person.uid, A_GOOD_PASSWORD)
    assert arrived(mail_server) == ["avec copie", "sans copie"]
    assert not any("sans copie" in file.read_text() for file in (*box.iterdir(), *(box.parent / "cur").iterdir()))


def test_an_address_without_a_mailbox_is_unknown(postfix):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        postfix.send(pending_account().login, "personne")
