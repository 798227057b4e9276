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
from tests.fuzz import EMAIL

pytestmark = pytest.mark.django_db

OURS = [(value.replace("univ-x", "univ-exemple").replace("UNIV-X", "UNIV-EXEMPLE"), wanted) for value, wanted in EMAIL]
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


@pytest.mark.parametrize(
    "spelling", ["camille.durand@exemple.net", "camille.durand@EXEMPLE.NET", " camille.durand@exemple.net "]
)
def test_forwarding_to_the_recovery_address_needs_no_mail(browser, person, spelling):
    """FWD-01: it is proven by the link itself; step 5 is left out."""
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


@pytest.mark.parametrize(("value", "wanted"), OURS)
def test_the_address_pack_on_the_form(browser, person, value, wanted):
    """FWD-02, INP-03: what is stored is canonical and outside the university; what is refused mails nobody."""
    response = answer(browser, MAILBOX, forward_to(value))

    accepted = response.status_code == 302
    assert response.status_code in (200, 302)
    if " or " not in wanted and not wanted.startswith(("same canonical", "punycode")):
        assert accepted == wanted.startswith("accept")
    if accepted:
        target = redirection_of(person).target
        assert target == canonical_address(value)
        assert target.isascii()
        assert not is_university_address(target)
    else:
        assert not Redirection.objects.filter(account=person).exists()
        assert verification_mails(person) == 0
        assert response.context["form"].errors["target"]


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


@pytest.mark.parametrize("value", ["true", "1", "yes", "On", "0", "false", "off"])
def test_only_a_ticked_box_forwards(browser, person, value):
    """F8."""
    answer(browser, MAILBOX, {"forward": value, "target": ELSEWHERE})

    assert not redirection_of(person).is_wanted


@pytest.mark.parametrize(("box", "kept"), [({"keep_copy": "on"}, True), ({"keep_copy": "true"}, False), ({}, False)])
def test_a_copy_is_kept_when_its_box_is_ticked(browser, person, box, kept):
    """FWD-04, F8."""
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


def test_the_button_is_what_confirms(browser, person, mail_delivery):
    """TOK-06."""
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    link = mail_delivery.last_link()

    for _ in range(5):
        Client().get(link, follow=True)

    assert redirection_of(person).verified_at is None


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


def test_choosing_another_address_kills_the_link_of_the_first(browser, person, mail_delivery):
    """FWD-01: the link is bound to the exact address."""
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    first = mail_delivery.last_link()

    answer(browser, MAILBOX, forward_to("autre@exemple.org"))

    assert Client().get(first, follow=True).status_code == 404
    assert redirection_of(person).verified_at is None
    click_in(mail_delivery.last_link())
    assert redirection_of(person).target == "autre@exemple.org"
    assert redirection_of(person).verified_at is not None


def test_giving_up_forwarding_kills_the_link(browser, person, mail_delivery):
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    link = mail_delivery.last_link()

    answer(browser, MAILBOX, {})

    assert Client().get(link, follow=True).status_code == 404
    assert not redirection_of(person).is_wanted


def test_another_mail_can_be_asked_for_after_a_minute_three_times_an_hour(browser, person, time_machine):
    """ENU-05: to that address, whoever asks; the page says from when."""
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    answer(browser, MAILBOX, forward_to(ELSEWHERE))

    def resend_after(minutes: float) -> str:
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        return browser.post(reverse("activation-verification-resend"), follow=True).content.decode()

    too_early = resend_after(0.5)
    second, third, fourth = resend_after(1.5), resend_after(3), resend_after(5)
    an_hour_later = resend_after(59.9), resend_after(61)

    assert "Vous pourrez en demander un autre à" in too_early
    assert "Un nouvel e-mail vient de partir" in second
    assert "Un nouvel e-mail vient de partir" in third
    assert "Vous pourrez en demander un autre à" in fourth
    assert "Vous pourrez en demander un autre à" in an_hour_later[0]
    assert "Un nouvel e-mail vient de partir" in an_hour_later[1]
    assert verification_mails(person) == 4


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


@pytest.mark.parametrize("status", [Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP])
def test_a_mail_that_came_back_is_told_on_the_waiting_page(browser, person, status):
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
