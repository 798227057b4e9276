"""`manage.py create_agent`: creates the first Responsable (ADM-03)."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.enums import State
from accounts.models import Account, Session
from agents.models import EnrolmentCode
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.agents.signed_in import enrol_device, signed_in_browser
from tests.factories import active_account
from tests.locking import locked_account

pytestmark = pytest.mark.django_db

CODE = re.compile(r"[a-z0-9]{4}(?:-[a-z0-9]{4}){3}")


def create_agent(*words: str) -> str:
    out = StringIO()
    call_command("create_agent", *words, stdout=out)
    return out.getvalue()


def roles_of(account: Account) -> list[str]:
    return [group.name for group in account.groups.all()]


def test_gives_a_role_prints_the_code_once_and_ends_sessions():
    """SES-05"""
    account = active_account()
    signed_in_browser(account)

    printed = create_agent(account.login, "--role", "Assistance")

    assert Account.objects.get(pk=account.pk).is_staff
    assert roles_of(account) == ["Assistance"]
    assert len(CODE.findall(printed)) == 1
    assert "http://127.0.0.1:8000/admin/inscription/" in printed
    assert not Session.objects.filter(account=account).exists()
    details = account.journal.get(event=Event.ROLE_GIVEN).details
    assert details == {"role": "Assistance", "former": "", "reason": "create_agent"}
    assert account.messages.filter(kind=Kind.ROLE_CHANGED).count() == 2
    assert not CODE.search(create_agent(account.login, "--role", "Assistance"))
    assert account.journal.filter(event=Event.ROLE_GIVEN).count() == 1


def test_gives_another_code_when_asked():
    account = active_account()
    first = CODE.search(create_agent(account.login, "--role", "Lecture"))[0]
    enrol_device(account)
    second = CODE.search(create_agent(account.login, "--role", "Lecture", "--new-code"))[0]

    assert first != second
    assert EnrolmentCode.objects.count() == 1
    assert not account.totpdevice_set.exists()
    assert account.messages.filter(kind=Kind.SECOND_FACTOR_CHANGED).count() == 2


def test_replaces_a_role_unless_it_is_that_of_the_last_responsable():
    """ADM-05"""
    account = active_account()
    create_agent(account.login, "--role", "Lecture")
    create_agent(account.login, "--role", "Responsables")
    enrol_device(account)
    with pytest.raises(CommandError, match="nommez d’abord"):
        create_agent(account.login, "--role", "Lecture")
    assert roles_of(account) == ["Responsables"]


def test_creates_an_account_that_hr_does_not_know():
    words = ("--role", "Responsables", "--name", "Lou Martin-Dupré", "--recovery-address", "lou@exemple.net")
    create_agent("lou.martin", *words)

    lou = Account.objects.get(institutional_address="lou.martin@univ-exemple.fr")
    assert (lou.hr_id, lou.uid, lou.state) == (None, "lmartindupre", State.PENDING)
    assert (lou.given_name, lou.family_name) == ("Lou", "Martin-Dupré")
    assert Message.objects.get(person=lou, kind=Kind.ACTIVATION).address == "lou@exemple.net"


def test_refuses_locked_accounts_and_invalid_arguments():
    """ADM-05, HLP-01"""
    locked = locked_account()
    with pytest.raises(CommandError, match="bloqué"):
        create_agent(locked.login, "--role", "Lecture")
    assert not Account.objects.get(pk=locked.pk).is_staff
    unknown, name = ("nulle.personne", "--role", "Lecture"), ("--name", "Nulle Personne")
    for words in (
        unknown,
        (*unknown, *name),
        (*unknown, *name, "--recovery-address", "a@univ-exemple.fr"),
        ("pas une adresse", "--role", "Lecture"),
        ("nulle.personne", "--role", "Chef"),
    ):
        with pytest.raises(CommandError):
            create_agent(*words)
    assert Account.objects.count() == 1
