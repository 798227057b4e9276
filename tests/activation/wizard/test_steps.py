"""SES-02: steps come one after the other, and the same answers given twice, or in two browsers, make one state."""

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
    begin,
    begun_until,
    everything_about,
    forward_to,
    good_answer,
    link_to,
)
from tests.factories import A_GOOD_PASSWORD, pending_account

pytestmark = pytest.mark.django_db

ELSEWHERE = "ailleurs@exemple.net"
#: The step that comes next after each answer about the mailbox.
AFTER_MAILBOX = {
    "none": MAILBOX,
    "declined": PASSWORD,
    "recovery address": PASSWORD,
    "waiting": VERIFICATION,
    "postponed": PASSWORD,
}


def give_answers(person: Account, *, charter: bool = True, directory: bool = True, mailbox: str = "declined") -> None:
    if charter:
        accept_charter(account=person, charter=Charter.objects.in_force())
    if directory:
        record_directory_consent(account=person, listed=False, wording="?")
    if mailbox == "declined":
        decline_redirection(account=person)
    elif mailbox == "recovery address":
        choose_redirection(account=person, target=person.recovery_address, keep_copy=True)
    elif mailbox in ("waiting", "postponed"):
        choose_redirection(account=person, target=ELSEWHERE, keep_copy=True)
    if mailbox == "postponed":
        postpone_verification(account=person)


def test_no_step_after_the_first_missing_one_can_be_read_or_answered(client):
    """SES-02: for every set of answers, before the first page was left, and without a session."""
    for charter, directory, mailbox in product([True, False], [True, False], AFTER_MAILBOX):
        person = pending_account()
        begin(client, person)
        give_answers(person, charter=charter, directory=directory, mailbox=mailbox)
        missing = AFTER_MAILBOX[mailbox] if charter and directory else DIRECTORY if charter else CHARTER
        before = everything_about(person)
        for later in STEPS[STEPS.index(missing) + 1 :]:
            assert answer(client, later)["Location"] == reverse(missing), later
            assert client.get(reverse(later))["Location"] == reverse(missing), later
        assert client.get(reverse(missing)).status_code == 200
        assert everything_about(person) == before
    for step in STEPS:
        person, browser = pending_account(), Client()
        assert (answer(browser, step).status_code, browser.get(reverse(step)).status_code) == (410, 410)
        browser.get(link_to(person))
        before = everything_about(person)
        assert answer(browser, step)["Location"] == reverse("activation")
        assert everything_about(person) == before


def test_the_service_refuses_an_incomplete_activation_and_a_second_one():
    """SES-02, TOK-07, HLP-01: whatever page calls it, only a pending account with all its answers is activated."""
    without = [{"charter": False}, {"directory": False}, {"mailbox": "none"}]
    ended = [{"activated_at": timezone.now()}, {"end_date": timezone.localdate() - timedelta(days=1)}, {}]
    for refused, cases in ((ActivationIncomplete, without), (AlreadyActivated, ended)):
        for case in cases:
            person = pending_account()
            give_answers(person, **(case if cases is without else {}))
            if cases is ended and case:
                Account.objects.filter(pk=person.pk).update(**case)
            elif cases is ended:
                lock_account(account=person, reason=LockReason.PHISHING)
            before = everything_about(person)
            with pytest.raises(refused):
                complete_activation(account=person, password=A_GOOD_PASSWORD)
            assert everything_about(person) == before


def test_an_answer_sent_twice_is_recorded_once(client):
    """SES-02, TOK-07: a double click, and another tab after the end."""
    for step, typed in ((CHARTER, None), (DIRECTORY, None), (MAILBOX, forward_to(ELSEWHERE))):
        person = pending_account()
        begun_until(client, person, step)
        first = answer(client, step, typed)
        before = everything_about(person)
        assert answer(client, step, typed)["Location"] == first["Location"]
        assert everything_about(person) == before
    answer(client, VERIFICATION)
    other_tab, another = Client(), {"password": "une-autre-phrase-de-passe"}
    begin(other_tab, person)
    assert answer(client, PASSWORD)["Location"] == reverse("activation-done")
    before = everything_about(person)
    for late in (answer(client, PASSWORD, another), answer(other_tab, PASSWORD, another)):
        assert (late.status_code, "déjà actif" in late.content.decode()) == (410, True)
    assert everything_about(person) == before
    assert [message["kind"] for message in before["messages"]] == [
        Kind.REDIRECTION_VERIFICATION,
        Kind.ACCOUNT_ACTIVATED,
    ]


def test_the_user_may_go_back_and_change_an_answer(client):
    """Both decisions stay on record, the last one counts, and no other step is asked again."""
    person = pending_account()
    begun_until(client, person, PASSWORD)
    shown = client.get(reverse(DIRECTORY)).content.decode()
    assert [tag for tag in shown.split("<input") if 'value="no"' in tag and " checked" in tag.split(">")[0]]
    assert answer(client, DIRECTORY, {"listed": "yes", "understood": "on"})["Location"] == reverse(PASSWORD)
    decisions = DirectoryConsent.objects.filter(account=person).order_by("pk")
    assert [decision.listed for decision in decisions] == [False, True]


def test_two_devices_end_in_one_state(client):
    """SES-02: each continues from what the other has recorded."""
    person, phone = pending_account(), Client()
    for browser in (client, phone):
        begin(browser, person)
    answer(client, CHARTER)
    assert answer(phone, CHARTER)["Location"] == reverse(DIRECTORY)
    answer(phone, DIRECTORY, {"listed": "yes", "understood": "on"})
    assert answer(client, DIRECTORY)["Location"] == reverse(MAILBOX)
    answer(client, MAILBOX, forward_to(ELSEWHERE))
    answer(phone, VERIFICATION)
    assert answer(phone, PASSWORD)["Location"] == reverse("activation-done")
    assert client.get(reverse(PASSWORD)).status_code == 410
    assert CharterAcceptance.objects.filter(account=person).count() == 1
    assert Redirection.objects.get(account=person).target == ELSEWHERE
    assert person.journal.filter(event=Event.USER_ACTIVATED).count() == 1


def test_where_forwarding_is_not_allowed_the_step_only_informs(client, settings):
    """FWD-06"""
    settings.FORWARDING_ALLOWED = False
    person = pending_account()
    begun_until(client, person, MAILBOX)
    page = client.get(reverse(MAILBOX)).content.decode()
    assert ('name="target"' in page, "n’est pas autorisée" in page) == (False, True)
    assert answer(client, MAILBOX, forward_to(ELSEWHERE))["Location"] == reverse(PASSWORD)
    assert not Redirection.objects.get(account=person).is_wanted
    assert not Message.objects.filter(person=person).exists()


def test_extra_parameters_change_nothing(client):
    """INP-06: only the fields of the form are read."""
    extra = {"is_staff": "1", "is_superuser": "1", "state": "active", "account": "1", "activated_at": "2020-01-01"}
    extra |= {"recovery_address": "a@mechant.example", "institutional_address": "chef@univ-exemple.fr"}
    names = ("is_staff", "is_superuser", "recovery_address", "institutional_address")
    for step in STEPS:
        person = pending_account()
        begun_until(client, person, step)
        if step == VERIFICATION:
            answer(client, MAILBOX, forward_to(ELSEWHERE))
        answer(client, step, {**good_answer(step), **extra})
        fresh = Account.objects.get(pk=person.pk)
        assert [getattr(fresh, name) for name in names] == [getattr(person, name) for name in names]
        assert (fresh.activated_at is not None) == (step == PASSWORD)


def test_other_methods_write_nothing(client):
    """HDR-05"""
    person = pending_account()
    begin(client, person)
    before = everything_about(person)
    for step, method in product(["activation", *STEPS], ["put", "delete", "patch", "trace"]):
        assert getattr(client, method)(reverse(step)).status_code in (302, 405)
    assert everything_about(person) == before
