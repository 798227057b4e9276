"""SES-02: the steps come one after the other, and the same answers given twice, or in two places, make one state."""

from datetime import timedelta
from itertools import product

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.models import Charter, CharterAcceptance
from activation.services import ActivationIncomplete, AlreadyActivated, accept_charter, complete_activation
from directory.models import DirectoryConsent
from directory.services import record_directory_consent
from journal.events import Event
from mailrouting.models import Redirection
from mailrouting.services import choose_redirection, decline_redirection, postpone_verification
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    STEPS,
    VERIFICATION,
    answer,
    answered_until,
    begin,
    begun_until,
    everything_about,
    forward_to,
    good_answer,
    link_to,
)
from tests.factories import A_GOOD_PASSWORD, pending_account

pytestmark = pytest.mark.django_db

MAILBOX_ANSWERS = ("none", "declined", "recovery address", "waiting", "postponed")


def give_mailbox_answer(person: Account, kind: str) -> None:
    if kind == "declined":
        decline_redirection(account=person)
    elif kind == "recovery address":
        choose_redirection(account=person, target=person.recovery_address, keep_copy=True)
    elif kind in ("waiting", "postponed"):
        choose_redirection(account=person, target="ailleurs@exemple.net", keep_copy=True)
    if kind == "postponed":
        postpone_verification(account=person)


def first_missing(*, charter: bool, directory: bool, mailbox: str) -> str:
    if not charter:
        return CHARTER
    if not directory:
        return DIRECTORY
    return {"none": MAILBOX, "waiting": VERIFICATION}.get(mailbox, PASSWORD)


ANSWERED = list(product([True, False], [True, False], MAILBOX_ANSWERS))


def test_a_later_step_posted_directly_goes_back_to_the_first_missing_one(client):
    """SES-02: whatever has been answered, no step after the first missing one can be written."""
    for charter, directory, mailbox in ANSWERED:
        person = pending_account()
        begin(client, person)
        if charter:
            accept_charter(account=person, charter=Charter.objects.in_force())
        if directory:
            record_directory_consent(account=person, listed=False, wording="?")
        give_mailbox_answer(person, mailbox)
        missing = first_missing(charter=charter, directory=directory, mailbox=mailbox)
        before = everything_about(person)

        for later in STEPS[STEPS.index(missing) + 1 :]:
            assert answer(client, later)["Location"] == reverse(missing), later
            assert client.get(reverse(later))["Location"] == reverse(missing), later

        assert everything_about(person) == before
        assert client.get(reverse(missing)).status_code == 200


def test_nothing_is_written_before_the_first_page_was_left(client):
    """SES-02: the click on « Commencer » comes first."""
    for step in STEPS:
        person = pending_account()
        client.get(link_to(person))
        before = everything_about(person)

        response = answer(client, step)

        assert response["Location"] == reverse("activation")
        assert everything_about(person) == before


def test_nothing_is_written_without_a_journey(client):
    for step in STEPS:
        response = answer(client, step)

        assert response.status_code == 410
        assert "Vos réponses sont gardées" in response.content.decode()
        assert client.get(reverse(step)).status_code == 410


def test_the_service_itself_refuses_an_incomplete_activation():
    """SES-02: active only after charter, directory and mailbox."""
    for missing in ["charter", "directory", "mailbox"]:
        person = pending_account()
        if missing != "charter":
            accept_charter(account=person, charter=Charter.objects.in_force())
        if missing != "directory":
            record_directory_consent(account=person, listed=True, wording="?")
        if missing != "mailbox":
            decline_redirection(account=person)
        before = everything_about(person)

        with pytest.raises(ActivationIncomplete):
            complete_activation(account=person, password=A_GOOD_PASSWORD)

        assert everything_about(person) == before


def test_the_service_itself_activates_only_who_is_waiting_for_it():
    """TOK-07, HLP-01: not twice, not locked, not departed, whatever page called it."""
    for facts in [{"activated_at": timezone.now()}, {"end_date": timezone.localdate() - timedelta(days=1)}, "locked"]:
        person = pending_account()
        answered_until(person, PASSWORD)
        if facts == "locked":
            lock_account(account=person, reason=LockReason.PHISHING)
        else:
            Account.objects.filter(pk=person.pk).update(**facts)
        before = everything_about(person)

        with pytest.raises(AlreadyActivated):
            complete_activation(account=person, password=A_GOOD_PASSWORD)

        assert everything_about(person) == before


def test_an_answer_sent_twice_is_recorded_once(client):
    """SES-02: double click."""
    for step in [CHARTER, DIRECTORY, MAILBOX]:
        person = pending_account()
        begun_until(client, person, step)

        first = answer(client, step)
        before = everything_about(person)
        second = answer(client, step)

        assert everything_about(person) == before
        assert second["Location"] == first["Location"]


def test_forwarding_asked_for_twice_mails_once(client):
    """SES-02: one verification mail."""
    person = pending_account()
    begun_until(client, person, MAILBOX)

    first = answer(client, MAILBOX, forward_to("ailleurs@exemple.net"))
    second = answer(client, MAILBOX, forward_to("ailleurs@exemple.net"))

    assert first["Location"] == second["Location"] == reverse(VERIFICATION)
    assert Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count() == 1
    assert person.journal.filter(event=Event.REDIRECTION_CHOSEN).count() == 1


def test_the_last_step_sent_twice_activates_once(client):
    """SES-02, TOK-07: the second click lands on a page that says what to do."""
    person = pending_account()
    begun_until(client, person, PASSWORD)
    other_tab = Client()
    other_tab.get(link_to(person))
    other_tab.post(reverse("activation"))

    first = answer(client, PASSWORD)
    before = everything_about(person)
    second = answer(client, PASSWORD, {"password": "une-autre-phrase-de-passe"})
    elsewhere = answer(other_tab, PASSWORD, {"password": "une-autre-phrase-de-passe"})

    assert first["Location"] == reverse("activation-done")
    assert (second.status_code, elsewhere.status_code) == (410, 410)
    assert "Se connecter" in second.content.decode()
    assert "déjà actif" in elsewhere.content.decode()
    assert everything_about(person) == before


def test_one_may_go_back_and_change_an_answer(client):
    """Back, another answer: both decisions stay on record, the last one counts, and nothing else is asked again."""
    person = pending_account()
    begun_until(client, person, PASSWORD)

    shown = client.get(reverse(DIRECTORY)).content.decode()
    changed = answer(client, DIRECTORY, {"listed": "yes", "understood": "on"})

    assert [tag for tag in shown.split("<input") if 'value="no"' in tag and " checked" in tag.split(">")[0]]
    assert changed["Location"] == reverse(PASSWORD)
    decisions = DirectoryConsent.objects.filter(account=person).order_by("pk")
    assert [decision.listed for decision in decisions] == [False, True]
    assert DirectoryConsent.objects.current(person).listed


def test_two_devices_end_in_one_state(client):
    """SES-02: both open the link, both answer; each goes on from what the other has recorded."""
    person = pending_account()
    phone = Client()
    begin(client, person)
    begin(phone, person)

    answer(client, CHARTER)
    assert answer(phone, CHARTER)["Location"] == reverse(DIRECTORY)
    answer(phone, DIRECTORY, {"listed": "yes", "understood": "on"})
    assert answer(client, DIRECTORY, {"listed": "no", "understood": "on"})["Location"] == reverse(MAILBOX)
    answer(client, MAILBOX, forward_to("ailleurs@exemple.net"))
    answer(phone, MAILBOX, forward_to("ailleurs@exemple.net"))
    answer(phone, VERIFICATION)
    assert answer(phone, PASSWORD)["Location"] == reverse("activation-done")

    assert client.get(reverse(PASSWORD)).status_code == 410
    assert CharterAcceptance.objects.filter(account=person).count() == 1
    assert Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count() == 1
    assert Message.objects.filter(person=person, kind=Kind.ACCOUNT_ACTIVATED).count() == 1
    assert Redirection.objects.get(account=person).target == "ailleurs@exemple.net"


def test_where_forwarding_is_not_allowed_the_step_only_informs(client, settings):
    """FWD-06: nothing typed by hand brings it back."""
    settings.FORWARDING_ALLOWED = False
    person = pending_account()
    begun_until(client, person, MAILBOX)

    page = client.get(reverse(MAILBOX)).content.decode()
    response = answer(client, MAILBOX, forward_to("ailleurs@exemple.net"))

    assert 'name="target"' not in page
    assert "n’est pas autorisée" in page
    assert response["Location"] == reverse(PASSWORD)
    assert not Redirection.objects.get(account=person).is_wanted
    assert not Message.objects.filter(person=person).exists()


def test_extra_parameters_change_nothing(client):
    """INP-06: only the fields of the form are read."""
    for step in STEPS:
        person = pending_account()
        begun_until(client, person, step)
        if step == VERIFICATION:
            answer(client, MAILBOX, forward_to("ailleurs@exemple.net"))
        extra = {
            "is_staff": "1",
            "is_superuser": "1",
            "state": "active",
            "account": "1",
            "user": "1",
            "recovery_address": "a@mechant.example",
            "institutional_address": "chef@univ-exemple.fr",
            "activated_at": "2020-01-01",
            "_connector": "OR 1=1--",
        }

        answer(client, step, {**good_answer(step), **extra})

        fresh = Account.objects.get(pk=person.pk)
        assert not fresh.is_staff
        assert not fresh.is_superuser
        assert fresh.recovery_address == person.recovery_address
        assert fresh.institutional_address == person.institutional_address
        assert (fresh.activated_at is not None) == (step == PASSWORD)


def test_other_methods_write_nothing(client):
    """HDR-05."""
    for step in ["activation", *STEPS]:
        for method in ["put", "delete", "patch", "trace"]:
            person = pending_account()
            begin(client, person)
            before = everything_about(person)

            response = getattr(client, method)(reverse(step))

            assert response.status_code in (302, 405)
            assert everything_about(person) == before
