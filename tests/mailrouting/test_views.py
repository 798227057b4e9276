"""The pages on which the account owner changes and stops forwarding."""

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.models import Charter
from core.email_addresses import canonical_address, is_university_address
from journal.events import Event
from mailrouting.models import Mailbox, Redirection
from outbox.enums import Status
from outbox.models import Message
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import EMAIL
from tests.mail_delivery import link_in
from tests.mailrouting.forwarding import (
    ELSEWHERE,
    FURTHER,
    change,
    change_and_verify,
    redirection_of,
    verification_mails,
)
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

PAGE, STOP, RESEND = "account-redirection", "account-redirection-stop", "redirection-verification-resend"
NON_BREAKING = "\N{NO-BREAK SPACE}"
OURS = [(value.replace("univ-x", "univ-exemple").replace("UNIV-X", "UNIV-EXEMPLE"), wanted) for value, wanted in EMAIL]


@pytest.fixture
def person() -> Account:
    return active_account()


@pytest.fixture
def browser(person: Account) -> Client:
    return log_in(Client(), person)


@pytest.fixture
def stolen(person: Account) -> Client:
    """The cookie without the password."""
    client = Client()
    client.force_login(person)
    return client


def save(browser: Client, target: str = ELSEWHERE, *, keep_copy: bool = True, **more: str) -> HttpResponse:
    return browser.post(reverse(PAGE), {"target": target, **({"keep_copy": "on"} if keep_copy else {}), **more})


def seen(browser: Client, name: str = PAGE) -> str:
    page = browser.get(reverse(name))
    assert page.status_code == 200
    return " ".join(page.content.decode().split())


def test_the_form_offers_the_recovery_address_and_a_copy(browser, person):
    """FWD-04"""
    page = browser.get(reverse(PAGE))
    assert page.context["form"].initial == {"target": person.recovery_address, "keep_copy": True}
    assert "Sans copie, un message refusé par votre fournisseur est perdu" in page.content.decode()

    answer = browser.post(reverse(PAGE), {"target": person.recovery_address, "keep_copy": "on"}, follow=True)

    assert answer.redirect_chain == [(reverse("account"), 302)]
    assert f"Vos messages sont maintenant redirigés vers {person.recovery_address}." in answer.content.decode()


def test_another_address_waits_for_the_click_in_its_mail(browser, person, mail_delivery):
    """FWD-01, FWD-03: the page says until when, and what happens meanwhile."""
    answer = browser.post(reverse(PAGE), {"target": ELSEWHERE}, follow=True).content.decode()
    assert "quand vous aurez ouvert le lien envoyé à ailleurs@exemple.org" in answer
    assert not redirection_of(person).keep_copy
    [verification] = [mail for mail in mail_delivery.deliver() if mail["To"] == ELSEWHERE]
    page = seen(browser)
    assert "attend votre clic" in page
    assert ELSEWHERE in page
    assert "23 h 59" in page
    assert "En attendant, vos messages n’arrivent que dans votre boîte universitaire." in page

    phone = Client()
    phone.get(link_in(verification))
    phone.post(reverse("redirection"))

    assert Redirection.objects.in_force().get().target == ELSEWHERE
    assert "attend votre clic" not in seen(browser)


def test_an_expired_link_is_replaced_from_the_page(browser, person, mail_delivery, time_machine):
    """FWD-03, ENU-05"""
    save(browser)
    assert "Un e-mail est déjà parti" in browser.post(reverse(RESEND), follow=True).content.decode()
    [old] = [link_in(mail) for mail in mail_delivery.deliver() if mail["To"] == ELSEWHERE]
    time_machine.move_to(timezone.now() + timedelta(days=3), tick=False)
    later = log_in(Client(), person)
    assert Client().get(old, follow=True).status_code == 410
    assert "Demandez un nouvel e-mail." in seen(later)
    assert "Renvoyer l’e-mail de vérification" in seen(later, "account")

    assert "Un nouvel e-mail vient de partir" in later.post(reverse(RESEND), follow=True).content.decode()

    phone = Client()
    phone.get(link_in(mail_delivery.last_mail()))
    assert "Ouvrez le lien que nous y avons envoyé" in seen(later)
    phone.post(reverse("redirection"))
    assert redirection_of(person).verified_at is not None
    assert "Aucune adresse n’attend de vérification." in later.post(reverse(RESEND), follow=True).content.decode()
    assert verification_mails(person) == 2


def test_the_page_says_when_the_quota_is_reached_or_a_mail_bounced(browser, person):
    """ENU-05: the choice is kept, the earliest time of the next mail shown."""
    for _ in range(3):
        change(active_account())
    assert "Vous pourrez en demander un autre à" in (
        browser.post(reverse(PAGE), {"target": ELSEWHERE}, follow=True).content.decode()
    )
    assert verification_mails(person) == 0
    assert "Plusieurs e-mails de vérification sont déjà partis" in seen(browser)
    save(browser, FURTHER)
    for status in (Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP):
        Message.objects.filter(address=FURTHER).update(status=status)
        assert "n’a pas pu être remis" in seen(browser), status


def test_a_typo_is_asked_about_and_the_user_decides():
    for spelling, target in (("corrected", "camille@gmail.com"), ("kept", "camille@gmial.com")):
        person = active_account()
        browser = Client()
        browser.force_login(person)
        page = save(browser, "camille@gmial.com", current_password=A_GOOD_PASSWORD)
        assert f"Avez-vous voulu écrire camille@gmail.com{NON_BREAKING}?" in page.content.decode()
        assert not redirection_of(person).is_wanted
        # The password was right: it is not asked again.
        save(browser, "camille@gmial.com", spelling=spelling)
        assert redirection_of(person).target == target


def test_the_address_pack(browser, person):
    """FWD-02, INP-03: canonical and outside the university, or refused beside the field without any mail."""
    for value, wanted in OURS:
        Redirection.objects.filter(account=person).update(target="", verified_at=None, keep_copy=True)
        Message.objects.all().delete()
        response = save(browser, value)
        accepted = response.status_code == 302
        assert response.status_code in (200, 302), value
        if " or " not in wanted and not wanted.startswith(("same canonical", "punycode")):
            assert accepted == wanted.startswith("accept"), value
        if accepted:
            assert redirection_of(person).target == canonical_address(value), value
            assert not is_university_address(redirection_of(person).target), value
        else:
            assert response.context["form"].errors["target"], value
            assert not redirection_of(person).is_wanted, value
            assert not Message.objects.exists(), value


def test_stopping_is_confirmed_by_one_post_also_while_a_charter_waits(browser, person):
    """FWD-04, TOK-06, PRV-01: an intruder's forwarding can be stopped at any time; changing it waits."""
    assert "Vous n’avez pas de redirection." in browser.get(reverse(STOP), follow=True).content.decode()
    change(person)
    assert "n’est pas encore vérifiée" in seen(browser, STOP)
    change_and_verify(person)
    Charter.objects.create(version="2027-01", published_at=timezone.now(), **dict.fromkeys(Charter.TEXTS, "a"))
    browser = log_in(Client(), person)
    assert save(browser, FURTHER)["Location"].startswith(reverse("account-charter"))
    page = seen(browser, STOP)
    assert all(text in page for text in ("Supprimer la redirection ?", ELSEWHERE))
    assert redirection_of(person).target == ELSEWHERE
    for _ in range(2):
        assert browser.post(reverse(STOP))["Location"] == reverse("account")
    assert not redirection_of(person).is_wanted


def test_a_stolen_cookie_alone_changes_nothing(stolen, person):
    """SES-08: what was typed is kept, except the password."""
    change_and_verify(person)
    before, mails = Redirection.objects.filter(account=person).values().get(), Message.objects.count()
    entries = person.journal.count()
    for name in (PAGE, STOP):
        for typed in ({}, {"current_password": ""}, {"current_password": "faux"}):
            answer = stolen.post(reverse(name), {"target": FURTHER, **typed})
            assert answer.context["form"].errors["current_password"], (name, typed)
    html = save(stolen, FURTHER, keep_copy=False, current_password="faux").content.decode()
    assert f'value="{FURTHER}"' in html
    assert " checked" not in html
    assert "faux" not in html
    assert Redirection.objects.filter(account=person).values().get() == before
    assert Message.objects.count() == mails
    assert set(person.journal.order_by("pk")[entries:].values_list("event", flat=True)) == {Event.SIGN_IN_FAILED}


def test_wrong_passwords_count_with_those_of_the_login_page(stolen, person):
    """SES-08, ENU-07"""
    for _ in range(5):
        assert save(stolen, current_password="faux").status_code == 200
    slowed = save(stolen, current_password=A_GOOD_PASSWORD)
    assert (slowed.status_code, redirection_of(person).is_wanted) == (429, False)
    assert int(slowed["Retry-After"]) > 0
    login = {"login": person.login, "password": A_GOOD_PASSWORD}
    assert Client().post(reverse("login"), login).status_code == 429
    assert person.journal.filter(event=Event.SIGN_IN_FAILED).count() == 5


def test_the_password_is_asked_again_after_five_minutes(person, time_machine):
    """SES-08"""
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    browser = log_in(Client(), person)
    time_machine.move_to(start + timedelta(minutes=4, seconds=59), tick=False)
    assert "current_password" not in browser.get(reverse(PAGE)).context["form"].fields
    time_machine.move_to(start + timedelta(minutes=5, seconds=1), tick=False)
    page = save(browser)
    assert page.context["form"].errors["current_password"]
    assert f'value="{ELSEWHERE}"' in page.content.decode()
    assert save(browser, current_password=A_GOOD_PASSWORD).status_code == 302
    assert browser.post(reverse(STOP)).status_code == 302
    time_machine.move_to(start + timedelta(minutes=10, seconds=2), tick=False)
    assert save(browser).status_code == 200
    assert not redirection_of(person).is_wanted


def test_accounts_without_a_mailbox_have_no_such_page(browser):
    for category in (Category.HOSTED, Category.STUDENT):
        other = log_in(Client(), active_account(category=category))
        for name in (PAGE, STOP):
            assert other.get(reverse(name)).status_code == 404
            assert other.post(reverse(name), {"target": ELSEWHERE}).status_code == 404
    Mailbox.objects.all().delete()
    assert browser.get(reverse(PAGE)).status_code == 404


def test_extra_fields_and_a_locked_account_change_nothing(browser, person):
    """INP-06, HLP-01"""
    other = active_account()
    save(browser, FURTHER, account=str(other.pk), account_id=str(other.pk), verified_at="2026-01-01", pk=str(other.pk))
    assert (redirection_of(person).is_waiting, redirection_of(other).is_wanted) == (True, False)
    lock_account(account=person, reason=LockReason.PHISHING)
    assert save(browser, ELSEWHERE)["Location"].startswith(reverse("login"))
    assert redirection_of(person).target == FURTHER
