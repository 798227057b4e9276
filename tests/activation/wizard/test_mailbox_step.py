"""Steps 4 and 5: where the mail goes, and the verification of an address that is not the recovery address."""

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account
from core.email_addresses import canonical_address, is_university_address
from journal.events import Event
from mailrouting.forms import MailboxForm
from mailrouting.models import Redirection
from outbox.enums import Status
from outbox.models import Message
from tests.activation.wizard.client import MAILBOX, PASSWORD, VERIFICATION, answer, answered_until, begin, forward_to
from tests.factories import pending_account
from tests.mailrouting.forwarding import ELSEWHERE, redirection_of, verification_mails

pytestmark = pytest.mark.django_db

RESEND, STATE = "activation-verification-resend", "activation-verification-state"
TYPO = "camille@gmial.com"


@pytest.fixture
def person() -> Account:
    person = pending_account(recovery_address="camille.durand@exemple.net")
    answered_until(person, MAILBOX)
    return person


@pytest.fixture
def browser(client, person) -> Client:
    begin(client, person)
    return client


def read(browser: Client, step: str = VERIFICATION, query: str = "") -> str:
    return browser.get(reverse(step) + query).content.decode().replace("\N{NO-BREAK SPACE}", " ")


def form_of(browser: Client) -> dict[str, object]:
    return browser.get(reverse(MAILBOX)).context["form"].initial


def verify(link: str) -> HttpResponse:
    """Open the link on another device and press its button."""
    phone = Client()
    assert "Confirmer cette adresse" in phone.get(link, follow=True).content.decode()
    return phone.post(reverse("redirection"))


def test_the_form_offers_the_recovery_address_and_a_copy_and_chooses_nothing(browser, person):
    """FWD-04: an empty form is a no; what is not wanted is not checked; the choice is shown again."""
    assert form_of(browser) == {"forward": False, "target": person.recovery_address, "keep_copy": True}
    for typed in ({}, {"target": "n'importe quoi"}):
        assert answer(browser, MAILBOX, typed)["Location"] == reverse(PASSWORD)
    assert (redirection_of(person).is_wanted, redirection_of(person).keep_copy) == (False, True)
    assert person.journal.filter(event=Event.REDIRECTION_DECLINED).count() == 1
    for keep_copy in (True, False):
        answer(browser, MAILBOX, forward_to(ELSEWHERE, keep_copy=keep_copy))
        assert redirection_of(person).keep_copy is keep_copy
        assert form_of(browser) == {"forward": True, "target": ELSEWHERE, "keep_copy": keep_copy}


def test_forwarding_to_the_recovery_address_needs_no_mail(browser, person):
    """FWD-01: it is verified by the link of the activation; step 5 is skipped."""
    for spelling in ["camille.durand@exemple.net", " camille.durand@EXEMPLE.NET "]:
        assert answer(browser, MAILBOX, forward_to(spelling))["Location"] == reverse(PASSWORD)
        assert (redirection_of(person).is_waiting, verification_mails(person)) == (False, 0)
        assert browser.get(reverse(VERIFICATION))["Location"] == reverse(PASSWORD)


def test_any_other_address_has_to_be_confirmed(browser, person):
    """FWD-01: another case, a dot less or a tag is another address."""
    others = ("Camille.durand@exemple.net", "camilledurand@exemple.net", "camille.durand+fac@exemple.net", ELSEWHERE)
    for mails, target in enumerate(others, start=1):
        assert answer(browser, MAILBOX, forward_to(target))["Location"] == reverse(VERIFICATION)
        assert (redirection_of(person).is_waiting, verification_mails(person)) == (True, min(mails, 4))
    assert not Redirection.objects.in_force().exists()


def test_an_address_that_is_missing_or_of_the_university_is_refused(browser, person):
    """FWD-02: the field is the one of the account's own page."""
    assert "ou décochez la redirection" in answer(browser, MAILBOX, forward_to("  ")).content.decode()
    assert answer(browser, MAILBOX, forward_to("x@univ-exemple.fr")).context["form"].errors["target"]
    assert not Redirection.objects.filter(account=person).exists()


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(max_size=40) | st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=20)))
def test_any_text_is_refused_or_a_canonical_address(typed):
    """FWD-02"""
    form = MailboxForm({"forward": "on", "target": typed}, account=Account())
    if form.is_valid():
        assert form.cleaned_data["target"] == canonical_address(form.cleaned_data["target"])
        assert not is_university_address(form.cleaned_data["target"])
    else:
        assert form.errors["target"]


def test_a_typo_in_the_address_is_asked_about(browser, person):
    """Warn but allow: an address that cannot work can only be corrected, and one without a typo is taken as typed."""
    for typed, spellings in ((TYPO, 2), ("camille@gmailcom", 1)):
        page = answer(browser, MAILBOX, forward_to(typed)).content.decode().replace("\N{NO-BREAK SPACE}", " ")
        assert "Avez-vous voulu écrire camille@gmail.com ?" in page
        assert (page.count('name="spelling"'), f'value="{typed}"' in page) == (spellings, True)
    assert answer(browser, MAILBOX, {**forward_to("camille@gmailcom"), "spelling": "kept"}).status_code == 200
    assert not Redirection.objects.filter(account=person).exists()
    for typed, spelling, target in (
        ("camille@gmailcom", "corrected", "camille@gmail.com"),
        (TYPO, "kept", TYPO),
        (TYPO, "corrected", "camille@gmail.com"),
        (ELSEWHERE, "corrected", ELSEWHERE),
    ):
        response = answer(browser, MAILBOX, {**forward_to(typed), "spelling": spelling})
        assert (response["Location"], redirection_of(person).target) == (reverse(VERIFICATION), target)


def test_the_link_is_opened_on_another_device_while_the_page_waits(browser, person, mail_delivery):
    """FWD-01: no link needs the session that asked for it, and its pages show nothing of the account."""
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    mail = mail_delivery.last_mail()
    page = read(browser)
    assert mail["To"] == ELSEWHERE
    assert [text for text in (ELSEWHERE, "23 h 59", "Dernier envoi à") if text not in page] == []
    assert "n’a pas pu être remis" not in page
    assert "n’est pas encore vérifiée" in read(browser, query="?verifie=")
    assert browser.get(reverse(STATE)).json() == {"verified": False}
    confirmed = verify(mail_delivery.last_link())
    assert confirmed.status_code == 200
    assert not any(fact in confirmed.content.decode() for fact in (person.full_name, person.login))
    assert browser.get(reverse(STATE)).json() == {"verified": True}
    assert "Adresse vérifiée" in read(browser)
    assert browser.get(reverse(VERIFICATION) + "?verifie=")["Location"] == reverse(PASSWORD)
    assert answer(browser, PASSWORD)["Location"] == reverse("activation-done")
    assert Redirection.objects.in_force().get().account_id == person.pk


def test_the_user_may_continue_without_waiting(browser, person, mail_delivery):
    """FWD-03: the account is active, forwarding is not; it starts with the click on the same mail."""
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    link = mail_delivery.last_link()
    assert answer(browser, VERIFICATION)["Location"] == reverse(PASSWORD)
    answer(browser, PASSWORD)
    assert "En attente de vérification" in read(browser, "activation-done")
    assert Account.objects.get(pk=person.pk).is_active
    assert not Redirection.objects.in_force().exists()
    verify(link)
    assert Redirection.objects.in_force().get().target == ELSEWHERE


def test_many_accounts_aiming_at_one_address_send_it_three_mails(mail_delivery):
    """ENU-05: a user whose mail was not sent learns it, and is not asked to click."""
    pages = []
    for _ in range(5):
        answered_until(person := pending_account(), MAILBOX)
        begin(client := Client(), person)
        pages.append(client.post(reverse(MAILBOX), forward_to(ELSEWHERE), follow=True).content.decode())
    assert len(mail_delivery.deliver()) == 3
    for text in ("Nous avons envoyé un e-mail", "J’ai cliqué sur le lien"):
        assert [text in page for page in pages] == [True, True, True, False, False], text
    assert ELSEWHERE in pages[4]


def test_a_mail_that_bounced_is_reported_and_another_sent_within_the_quota(browser, person, time_machine):
    """ENU-05: the page says so, or from when; without a pending address nothing is sent."""
    assert browser.post(reverse(RESEND))["Location"] == reverse(MAILBOX)
    assert browser.get(reverse(RESEND)).status_code == 405
    assert browser.get(reverse(STATE)).json() == {"verified": False}
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    for status in [Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP]:
        Message.objects.filter(person=person).update(status=status)
        assert "n’a pas pu être remis" in read(browser), status
    for minutes, words in ((0.5, "Vous pourrez en demander un autre à"), (1.5, "Un nouvel e-mail vient de partir")):
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        assert words in browser.post(reverse(RESEND), follow=True).content.decode()
    assert verification_mails(person) == 2
