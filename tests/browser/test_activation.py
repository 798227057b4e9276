"""From a row of the HR file to the page of an active account."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.enums import State
from accounts.models import Account
from activation.models import CharterAcceptance
from devtools.mailcatcher import CaughtMessage
from directory.models import DirectoryConsent
from journal.events import Event
from outbox.tasks import send_due_messages
from tests.browser.visitor import (
    NEEDS_BROWSER,
    Visitor,
    accept_the_charter,
    choose_a_password,
    forward_to,
    link_in,
    say_no_to_the_directory,
    sign_in,
)
from tests.factories import A_GOOD_PASSWORD
from tests.stack import PROJECT, Stack

pytestmark = NEEDS_BROWSER

COLUMNS = "hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date;language"
RECOVERY, OTHER = "zoe.petit@exemple.net", "zoe@ailleurs.example"
WAYS = {
    "on a large screen": ({}, "fr"),
    "on a phone": ({"width": 390, "is_mobile": True, "has_touch": True}, "fr"),
    "without JavaScript": ({"java_script_enabled": False}, "fr"),
    "in English": ({"locale": "en-GB"}, "en"),
}


def import_one_person(stack: Stack, directory: Path, language: str) -> Account:
    today = timezone.localdate()
    feed = directory / "staff.csv"
    row = f"E1;Petit-Nicolas;Zoé;1990-05-17;staff;Université Exemple;{RECOVERY};{today - timedelta(days=3)};{language}"
    feed.write_text(f"{COLUMNS}\n{row}\n")
    command = (sys.executable, "manage.py", "import_staff", str(feed))
    subprocess.run(command, cwd=PROJECT, env=stack.env, check=True, capture_output=True)
    return Account.objects.get(hr_id="E1")


def confirm_the_address_elsewhere(friend: Visitor, mail: CaughtMessage) -> None:
    friend.open(link_in(mail))
    friend.sees(_("Confirmer cette adresse"))
    friend.press(_("Confirmer cette adresse"))
    friend.sees(_("Adresse vérifiée"))


def continue_once_confirmed(visitor: Visitor) -> None:
    if visitor.has_scripts:
        visitor.reads(_("Adresse vérifiée. Vous pouvez continuer."))
    visitor.follow(_("J’ai cliqué sur le lien, continuer"))


def assert_everything_is_recorded(person: Account, language: str) -> None:
    person = Account.objects.get(pk=person.pk)
    assert person.state == State.ACTIVE
    assert person.check_password(A_GOOD_PASSWORD)
    assert CharterAcceptance.objects.get(account=person).language == language
    assert not DirectoryConsent.objects.get(account=person).listed
    assert (person.redirection.target, person.redirection.keep_copy) == (OTHER, True)
    assert person.redirection.verified_at is not None
    assert person.mailbox.address == person.institutional_address
    assert list(person.journal.order_by("pk").values_list("event", flat=True)) == [
        Event.USER_CREATED,
        Event.ACTIVATION_STARTED,
        Event.CHARTER_ACCEPTED,
        Event.DIRECTORY_CONSENT_REFUSED,
        Event.REDIRECTION_CHOSEN,
        Event.REDIRECTION_VERIFICATION_REQUESTED,
        Event.REDIRECTION_VERIFIED,
        Event.MAILBOX_CREATED,
        Event.PASSWORD_SET,
        Event.USER_ACTIVATED,
        Event.SIGNED_IN,
    ]


@pytest.mark.parametrize(("options", "language"), WAYS.values(), ids=WAYS)
def test_an_imported_person_activates_the_account_and_signs_in(
    options: dict[str, Any], language: str, stack: Stack, new_visitor, tmp_path: Path
):
    person = import_one_person(stack, tmp_path, language)
    stack.send(send_due_messages)
    [invitation] = stack.catcher.wait_for(1)
    assert invitation["To"] == RECOVERY
    visitor, friend = new_visitor(**options), new_visitor(**options)
    with override(language):
        visitor.open(link_in(invitation))
        assert ("/en/" in visitor.page.url) == (language == "en")
        visitor.reads(person.login)
        visitor.press(_("Commencer l’activation"))
        accept_the_charter(visitor)
        say_no_to_the_directory(visitor)
        forward_to(visitor, OTHER)
        visitor.sees(_("Vérifiez votre adresse de redirection"))
        _invitation, question = stack.catcher.wait_for(2)
        assert question["To"] == OTHER
        confirm_the_address_elsewhere(friend, question)
        continue_once_confirmed(visitor)
        choose_a_password(visitor)
        visitor.sees(_("Votre compte est activé"))
        visitor.reads(OTHER)
        visitor.follow(_("Se connecter"))
        sign_in(visitor, person)
        visitor.sees(_("Votre compte informatique"))
        visitor.reads(person.login)
    *_earlier, farewell = stack.catcher.wait_for(3)
    assert farewell["To"] == RECOVERY
    assert_everything_is_recorded(person, language)
