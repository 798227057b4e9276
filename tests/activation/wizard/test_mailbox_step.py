"""Step 4 and 5: where the mail goes, and the proof of an address that is not the recovery address."""

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
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.activation.wizard.client import MAILBOX, PASSWORD, VERIFICATION, answer, answered_until, begin, forward_to
from tests.factories import pending_account

pytestmark = pytest.mark.django_db

ELSEWHERE = "ailleurs@exemple.org"
NON_BREAKING = "\N{NO-BREAK SPACE}"


@pytest.fixture
def person() -> Account:
    person = pending_account(recovery_address="camille.durand@exemple.net")
    answered_until(person, MAILBOX)
    return person


@pytest.fixture
def browser(client, person) -> Client:
    begin(client, person)
    return client


def redirection_of(person: Account) -> Redirection:
    return Redirection.objects.get(account=person)


def verification_mails(person: Account) -> int:
    return Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count()


def click_in(mail_link: str) -> HttpResponse:
    """The person opens the mail on another device and presses the button."""
    phone = Client()
    shown = phone.get(mail_link, follow=True)
    assert "Confirmer cette adresse" in shown.content.decode()
    return phone.post(reverse("redirection"))


def test_no_forwarding_is_the_answer_of_an_empty_form(browser, person):
    assert answer(browser, MAILBOX, {})["Location"] == reverse(PASSWORD)

    assert not redirection_of(person).is_wanted
    assert redirection_of(person).keep_copy
    assert verification_mails(person) == 0
    assert person.journal.filter(event=Event.REDIRECTION_DECLINED).count() == 1


def test_the_form_offers_the_recovery_address_and_a_copy_and_chooses_nothing(browser, person):
    """FWD-04: the copy is ticked beforehand; forwarding is not."""
    form = browser.get(reverse(MAILBOX)).context["form"]

    assert form.initial == {"forward": False, "target": person.recovery_address, "keep_copy": True}


def test_forwarding_to_the_recovery_address_needs_no_mail(browser, person):
    """FWD-01: it is proven by the link itself; step 5 is left out."""
    for spelling in ["camille.durand@exemple.net", "camille.durand@EXEMPLE.NET", " camille.durand@exemple.net "]:
        response = answer(browser, MAILBOX, forward_to(spelling))

        assert response["Location"] == reverse(PASSWORD)
        assert redirection_of(person).verified_at is not None
        assert verification_mails(person) == 0
        assert browser.get(reverse(VERIFICATION))["Location"] == reverse(PASSWORD)


@pytest.mark.parametrize(
    "target", ["Camille.durand@exemple.net", "camilledurand@exemple.net", "camille.durand+fac@exemple.net", ELSEWHERE]
)
def test_any_other_address_has_to_be_confirmed(browser, person, target):
    """FWD-01: another case, a dot less or a tag is another address."""
    response = answer(browser, MAILBOX, forward_to(target))

    assert response["Location"] == reverse(VERIFICATION)
    assert redirection_of(person).verified_at is None
    assert verification_mails(person) == 1
    assert not Redirection.objects.in_force().exists()


def test_an_address_of_the_university_is_refused(browser, person):
    """FWD-02: the field is the one of the account's own page, which takes the whole address pack."""
    response = answer(browser, MAILBOX, forward_to("x@univ-exemple.fr"))

    assert response.context["form"].errors["target"]
    assert not Redirection.objects.filter(account=person).exists()
    assert verification_mails(person) == 0


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(max_size=40) | st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=20)))
def test_whatever_is_typed_is_refused_or_canonical(typed):
    """FWD-02."""
    form = MailboxForm({"forward": "on", "target": typed}, account=Account())

    if form.is_valid():
        assert form.cleaned_data["target"] == canonical_address(form.cleaned_data["target"])
        assert not is_university_address(form.cleaned_data["target"])
    else:
        assert form.errors["target"]


def test_an_address_is_not_looked_at_when_it_is_not_wanted(browser, person):
    response = answer(browser, MAILBOX, {"target": "n'importe quoi"})

    assert response["Location"] == reverse(PASSWORD)
    assert not redirection_of(person).is_wanted


def test_forwarding_nowhere_is_asked_again(browser):
    response = answer(browser, MAILBOX, forward_to("  "))

    assert response.status_code == 200
    assert "ou décochez la redirection" in response.content.decode()


def test_only_a_ticked_box_forwards(browser, person):
    """F8."""
    for value in ["true", "1", "yes", "On", "0", "false", "off"]:
        answer(browser, MAILBOX, {"forward": value, "target": ELSEWHERE})

        assert not redirection_of(person).is_wanted


def test_a_copy_is_kept_when_its_box_is_ticked(browser, person):
    """FWD-04, F8."""
    for box, kept in [({"keep_copy": "on"}, True), ({"keep_copy": "true"}, False), ({}, False)]:
        answer(browser, MAILBOX, {"forward": "on", "target": ELSEWHERE, **box})

        assert redirection_of(person).keep_copy is kept


def test_a_slip_in_the_address_is_asked_about(browser, person):
    """Warn but allow: nothing is stored before the person has chosen a spelling."""
    page = answer(browser, MAILBOX, forward_to("camille@gmial.com"))

    html = page.content.decode()
    assert f"Avez-vous voulu écrire camille@gmail.com{NON_BREAKING}?" in html
    assert html.count('name="spelling"') == 2
    assert 'value="camille@gmial.com"' in html
    assert not Redirection.objects.filter(account=person).exists()


@pytest.mark.parametrize(("spelling", "target"), [("corrected", "camille@gmail.com"), ("kept", "camille@gmial.com")])
def test_the_person_says_which_spelling_is_right(browser, person, spelling, target):
    response = answer(browser, MAILBOX, {**forward_to("camille@gmial.com"), "spelling": spelling})

    assert response["Location"] == reverse(VERIFICATION)
    assert redirection_of(person).target == target
    assert Message.objects.get(person=person).address == target


def test_a_slip_that_makes_no_address_can_be_corrected_but_not_kept(browser, person):
    typed = "camille@gmailcom"
    page = answer(browser, MAILBOX, forward_to(typed)).content.decode()
    kept = answer(browser, MAILBOX, {**forward_to(typed), "spelling": "kept"})
    corrected = answer(browser, MAILBOX, {**forward_to(typed), "spelling": "corrected"})

    assert page.count('name="spelling"') == 1
    assert kept.status_code == 200
    assert corrected["Location"] == reverse(VERIFICATION)
    assert redirection_of(person).target == "camille@gmail.com"


def test_a_made_up_correction_changes_nothing(browser, person):
    answer(browser, MAILBOX, {**forward_to(ELSEWHERE), "spelling": "corrected"})

    assert redirection_of(person).target == ELSEWHERE


def test_the_waiting_page_says_where_the_mail_went_and_until_when_it_is_good(browser, person, mail_delivery):
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    mail_delivery.deliver()

    page = browser.get(reverse(VERIFICATION)).content.decode()

    assert ELSEWHERE in page
    assert "23 h 59" in page.replace(NON_BREAKING, " ")
    assert "Dernier envoi à" in page
    assert "n’a pas pu être remis" not in page
    assert browser.get(reverse("activation-verification-state")).json() == {"verified": False}


def test_the_mail_is_clicked_on_another_device_and_the_waiting_page_goes_on(browser, person, mail_delivery):
    """FWD-01, design §4: no link needs the session in which it was asked for."""
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    mail = mail_delivery.last_mail()

    confirmed = click_in(mail_delivery.last_link())

    assert mail["To"] == ELSEWHERE
    assert confirmed.status_code == 200
    assert person.full_name not in confirmed.content.decode()
    assert person.login not in confirmed.content.decode()
    assert redirection_of(person).verified_at is not None
    assert browser.get(reverse("activation-verification-state")).json() == {"verified": True}
    assert "Adresse vérifiée" in browser.get(reverse(VERIFICATION)).content.decode()
    assert answer(browser, PASSWORD)["Location"] == reverse("activation-done")
    assert Redirection.objects.in_force().get().account_id == person.pk


def test_one_may_go_on_without_waiting(browser, person, mail_delivery):
    """FWD-03: the account is active, forwarding is not; it starts with the click, even days later in the same mail's life."""
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    link = mail_delivery.last_link()

    assert answer(browser, VERIFICATION)["Location"] == reverse(PASSWORD)
    assert "En attente de vérification" in answer_and_read_the_end(browser)

    assert Account.objects.get(pk=person.pk).is_active
    assert not Redirection.objects.in_force().exists()
    click_in(link)
    assert Redirection.objects.in_force().get().target == ELSEWHERE


def answer_and_read_the_end(browser: Client) -> str:
    answer(browser, PASSWORD)
    return browser.get(reverse("activation-done")).content.decode()


def test_saying_one_has_clicked_too_early_is_answered_kindly(browser):
    answer(browser, MAILBOX, forward_to(ELSEWHERE))

    page = browser.get(reverse(VERIFICATION), {"verifie": ""}).content.decode()

    assert "n’est pas encore vérifiée" in page


def test_many_accounts_aiming_at_one_address_send_it_three_mails(mail_delivery):
    """ENU-05: nobody's mailbox is flooded; the person whose mail was not sent is told, and not to click."""
    pages = []
    for _ in range(5):
        one = pending_account()
        answered_until(one, MAILBOX)
        begin(client := Client(), one)
        pages.append(client.post(reverse(MAILBOX), forward_to(ELSEWHERE), follow=True).content.decode())

    assert len(mail_delivery.deliver()) == 3
    assert "Nous avons envoyé un e-mail" in pages[0]
    assert "Nous avons envoyé un e-mail" not in pages[4]
    assert ["J’ai cliqué sur le lien" in page for page in pages] == [True, True, True, False, False]
    assert ELSEWHERE in pages[4]


def test_a_mail_that_came_back_is_told_on_the_waiting_page(browser, person):
    for status in [Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP]:
        answer(browser, MAILBOX, forward_to(ELSEWHERE))
        Message.objects.filter(person=person).update(status=status)

        page = browser.get(reverse(VERIFICATION)).content.decode()

        assert "n’a pas pu être remis" in page


def test_resending_needs_an_address_that_waits(browser):
    response = browser.post(reverse("activation-verification-resend"))

    assert response["Location"] == reverse(MAILBOX)
    assert browser.get(reverse("activation-verification-resend")).status_code == 405
    assert browser.get(reverse("activation-verification-state")).json() == {"verified": False}


def test_the_choice_made_before_is_shown_again(browser, person):
    answer(browser, MAILBOX, forward_to(ELSEWHERE, keep_copy=False))

    form = browser.get(reverse(MAILBOX)).context["form"]

    assert form.initial == {"forward": True, "target": ELSEWHERE, "keep_copy": False}


def test_the_verification_is_resent_within_the_quota(browser, person, time_machine):
    """ENU-05: the page says so, or from when."""
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    for minutes, words in ((0.5, "Vous pourrez en demander un autre à"), (1.5, "Un nouvel e-mail vient de partir")):
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        assert words in browser.post(reverse("activation-verification-resend"), follow=True).content.decode()
    assert verification_mails(person) == 2
