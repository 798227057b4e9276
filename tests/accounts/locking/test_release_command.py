"""`manage.py release_account`: what agents unlock with until they have pages for it (HLP-03, HLP-05, HLP-06)."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.locking.unlock import changes_to_review
from accounts.models import Account
from accounts.passwords.services import change_password
from outbox.models import Message
from tests.factories import active_account
from tests.locking import REPORT, an_agent, fresh, locked_person

pytestmark = pytest.mark.django_db


def run(person: Account, agent: Account, **changed: Any) -> str:
    """What the command says; raises CommandError with what is missing."""
    output = StringIO()
    asked = {"reason": "phishing-over", "proof": "in-person", "report": REPORT, **changed}
    call_command("release_account", person.login, agent=agent.login, stdout=output, **asked)
    return output.getvalue()


def test_an_agent_who_checked_releases_and_the_link_leaves_for_the_address_on_file():
    person = locked_person()

    assert "débloqué" in run(person, an_agent())
    assert fresh(person).state == State.TO_REACTIVATE
    assert Message.objects.latest("pk").address == person.recovery_address


def test_the_changes_to_look_at_are_listed_and_nothing_happens_before_each_is_ticked():
    """HLP-06"""
    person = active_account()
    change_password(account=person, password="un-autre-mot-de-passe-long")
    lock_account(account=person, reason=LockReason.PHISHING)
    [entry] = changes_to_review(person)
    agent = an_agent()

    with pytest.raises(CommandError, match=rf"{entry.pk}  .*Mot de passe changé"):
        run(person, agent)
    assert fresh(person).state == State.LOCKED
    assert "débloqué" in run(person, agent, reviewed=[entry.pk])


def test_neither_a_stranger_nor_the_person_releases():
    """ADM-05"""
    person = locked_person()

    for nobody in (active_account(), person):
        with pytest.raises(CommandError, match="Seul un agent"):
            run(person, nobody)
    assert fresh(person).state == State.LOCKED


@pytest.mark.parametrize(
    ("changed", "said"), [({"report": "vu"}, "10 caractères"), ({"proof": "call-back"}, "aucun numéro")]
)
def test_a_weak_proof_releases_nothing(changed, said):
    """HLP-03, HLP-04"""
    person = locked_person()

    with pytest.raises(CommandError, match=said):
        run(person, an_agent(), **changed)
    assert fresh(person).state == State.LOCKED


def test_an_unknown_name_is_told():
    with pytest.raises(CommandError, match="Aucun compte"):
        call_command(
            "release_account", "personne", agent="personne", reason="phishing-over", proof="in-person", report=REPORT
        )
