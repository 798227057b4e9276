"""`manage.py create_agent`: how the first Responsable comes to be (ADM-03)."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from agents.models import EnrolmentCode
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.agents.signed_in import browser_of, with_application
from tests.factories import active_account

pytestmark = pytest.mark.django_db

CODE = re.compile(r"[a-z0-9]{4}(?:-[a-z0-9]{4}){3}")


def create_agent(*words: str) -> str:
    out = StringIO()
    call_command("create_agent", *words, stdout=out)
    return out.getvalue()


def test_makes_an_account_an_agent_and_prints_the_code_once():
    """SES-05: whatever was open is signed out."""
    person = active_account()
    browser_of(person)

    printed = create_agent(person.login, "--role", "Assistance")

    now = Account.objects.get(pk=person.pk)
    assert now.is_staff
    assert [group.name for group in now.groups.all()] == ["Assistance"]
    assert len(CODE.findall(printed)) == 1
    assert "http://127.0.0.1:8000/admin/inscription/" in printed
    assert not Session.objects.filter(account=person).exists()
    assert person.journal.get(event=Event.ROLE_GIVEN).details == {
        "role": "Assistance",
        "former": "",
        "reason": "create_agent",
    }
    assert person.messages.filter(kind=Kind.ROLE_CHANGED).count() == 2
    assert not CODE.search(create_agent(person.login, "--role", "Assistance"))
    assert person.journal.filter(event=Event.ROLE_GIVEN).count() == 1


def test_gives_another_code_when_asked():
    person = active_account()
    first = CODE.search(create_agent(person.login, "--role", "Lecture"))[0]
    with_application(person)
    second = CODE.search(create_agent(person.login, "--role", "Lecture", "--new-code"))[0]

    assert first != second
    assert EnrolmentCode.objects.count() == 1
    assert not person.totpdevice_set.exists()
    assert person.messages.filter(kind=Kind.SECOND_FACTOR_CHANGED).count() == 2


def test_another_role_replaces_the_first():
    person = active_account()
    create_agent(person.login, "--role", "Responsables")
    create_agent(person.login, "--role", "Lecture")
    assert [group.name for group in person.groups.all()] == ["Lecture"]


def test_gives_no_role_to_a_locked_account():
    """ADM-05, HLP-01"""
    person = active_account()
    lock_account(account=person, reason=LockReason.PHISHING)
    with pytest.raises(CommandError, match="bloqué"):
        create_agent(person.login, "--role", "Lecture")
    assert not Account.objects.get(pk=person.pk).is_staff


def test_leaves_the_last_responsable_who_can_come_in():
    """ADM-05"""
    person = active_account()
    create_agent(person.login, "--role", "Responsables")
    with_application(person)
    with pytest.raises(CommandError, match="nommez d’abord"):
        create_agent(person.login, "--role", "Lecture")
    assert [group.name for group in person.groups.all()] == ["Responsables"]


def test_makes_an_account_for_somebody_unknown_to_hr():
    words = ("--role", "Responsables", "--name", "Lou Martin-Dupré", "--recovery-address", "lou@exemple.net")
    create_agent("lou.martin", *words)

    lou = Account.objects.get(institutional_address="lou.martin@univ-exemple.fr")
    assert (lou.hr_id, lou.uid, lou.state) == (None, "lmartindupre", State.PENDING)
    assert (lou.given_name, lou.family_name) == ("Lou", "Martin-Dupré")
    assert Message.objects.get(person=lou, kind=Kind.ACTIVATION).address == "lou@exemple.net"


@pytest.mark.parametrize(
    "words",
    [
        ("nulle.personne", "--role", "Lecture"),
        ("nulle.personne", "--role", "Lecture", "--name", "Nulle Personne"),
        ("nulle.personne", "--role", "Lecture", "--name", "Nulle Personne", "--recovery-address", "a@univ-exemple.fr"),
        ("pas une adresse", "--role", "Lecture"),
        ("nulle.personne", "--role", "Chef"),
    ],
)
def test_refuses_what_makes_no_sense(words):
    with pytest.raises(CommandError):
        create_agent(*words)
    assert not Account.objects.exists()
