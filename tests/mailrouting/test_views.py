"""The pages on which the account owner changes and stops forwarding, and the link that verifies an address."""

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
from mailrouting import views
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import stop_redirection, verify_redirection
from outbox.enums import Status
from outbox.models import Message
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import EMAIL
from tests.locking import UNLOCK_REASONS
from tests.mail_delivery import link_in
from tests.mailrouting.forwarding import (
    ELSEWHERE,
    FURTHER,
    change,
    link_of,
    redirection_of,
    verification_mails,
    verify,
)
from tests.signing_in import log_in, stolen_cookie_of, submit_login

pytestmark = pytest.mark.django_db

PAGE, STOP, RESEND = "account-redirection", "account-redirection-stop", "redirection-verification-resend"
LINK_PAGE = "redirection"
NON_BREAKING = "\N{NO-BREAK SPACE}"
OURS = [(value.replace("univ-x", "univ-exemple").replace("UNIV-X", "UNIV-EXEMPLE"), wanted) for value, wanted in EMAIL]


@pytest.fixture
def person() -> Account:
    return active_account()


@pytest.fixture
def browser(person: Account) -> Client:
    return log_in(Client(), person)


def save(browser: Client, target: str = ELSEWHERE, *, keep_copy: bool = True, **more: str) -> HttpResponse:
    return browser.post(reverse(PAGE), {"target": target, **({"keep_copy": "on"} if keep_copy else {}), **more})


def seen(browser: Client, name: str = PAGE) -> str:
    return " ".join(browser.get(reverse(name), follow=True).content.decode().split())


class TestChanging:
    def test_the_form_offers_the_recovery_address_and_another_waits_for_its_click(self, browser, person, mail_delivery):
        """FWD-01, FWD-03, FWD-04: the page says until when, and what happens meanwhile."""
        assert browser.get(reverse(PAGE)).context["form"].initial == {
            "target": person.recovery_address,
            "keep_copy": True,
        }
        done = browser.post(reverse(PAGE), {"target": person.recovery_address, "keep_copy": "on"}, follow=True)
        assert done.redirect_chain == [(reverse("account"), 302)]
        assert f"sont maintenant redirigés vers {person.recovery_address}." in done.content.decode()

        answer = browser.post(reverse(PAGE), {"target": ELSEWHERE}, follow=True).content.decode()
        assert "quand vous aurez ouvert le lien envoyé à ailleurs@exemple.org" in answer
        assert not redirection_of(person).keep_copy
        [verification] = [mail for mail in mail_delivery.deliver() if mail["To"] == ELSEWHERE]
        for words in ("attend votre clic", ELSEWHERE, "23 h 59", "que dans votre boîte universitaire."):
            assert words in seen(browser)
        phone = Client()
        phone.get(link_in(verification))
        phone.post(reverse(LINK_PAGE))
        assert Redirection.objects.in_force().get().target == ELSEWHERE
        assert "attend votre clic" not in seen(browser)

    def test_an_expired_link_is_replaced_from_the_page(self, browser, person, mail_delivery, time_machine):
        """FWD-03, ENU-05, TOK-03: its page does not show the address; pressed too late, the button does nothing."""
        save(browser)
        assert "Un e-mail est déjà parti" in browser.post(reverse(RESEND), follow=True).content.decode()
        [old] = [link_in(mail) for mail in mail_delivery.deliver() if mail["To"] == ELSEWHERE]
        opened = Client()
        opened.get(old)
        time_machine.move_to(timezone.now() + timedelta(days=3), tick=False)
        expired = Client().get(old, follow=True)
        assert (expired.status_code, ELSEWHERE in expired.content.decode()) == (410, False)
        assert opened.post(reverse(LINK_PAGE)).status_code in {404, 410}
        later = log_in(Client(), person)
        assert "Demandez un nouvel e-mail." in seen(later)
        assert "Renvoyer l’e-mail de vérification" in seen(later, "account")

        assert "Un nouvel e-mail vient de partir" in later.post(reverse(RESEND), follow=True).content.decode()

        phone = Client()
        phone.get(link_in(mail_delivery.last_mail()))
        assert "Ouvrez le lien que nous y avons envoyé" in seen(later)
        assert redirection_of(person).verified_at is None
        phone.post(reverse(LINK_PAGE))
        assert redirection_of(person).verified_at is not None
        assert "Aucune adresse n’attend de vérification." in later.post(reverse(RESEND), follow=True).content.decode()
        assert verification_mails(person) == 2

    def test_the_page_says_when_the_quota_is_reached_or_a_mail_bounced(self, browser, person):
        """ENU-05: the choice is kept, the earliest time of the next mail shown."""
        for _ in range(3):
            change(active_account())
        answer = browser.post(reverse(PAGE), {"target": ELSEWHERE}, follow=True).content.decode()
        assert "Vous pourrez en demander un autre à" in answer
        assert verification_mails(person) == 0
        assert "Plusieurs e-mails de vérification sont déjà partis" in seen(browser)
        save(browser, FURTHER)
        for status in (Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP):
            Message.objects.filter(address=FURTHER).update(status=status)
            assert "n’a pas pu être remis" in seen(browser), status

    def test_a_typo_is_asked_about_and_the_user_decides(self):
        for spelling, target in (("corrected", "camille@gmail.com"), ("kept", "camille@gmial.com")):
            person = active_account()
            browser = stolen_cookie_of(person)
            page = save(browser, "camille@gmial.com", current_password=A_GOOD_PASSWORD)
            assert f"Avez-vous voulu écrire camille@gmail.com{NON_BREAKING}?" in page.content.decode()
            assert not redirection_of(person).is_wanted
            # The password was right: it is not asked again.
            save(browser, "camille@gmial.com", spelling=spelling)
            assert redirection_of(person).target == target

    def test_stopping_is_confirmed_by_one_post_also_while_a_charter_waits(self, browser, person):
        """FWD-04, TOK-06, PRV-01: an intruder's forwarding can be stopped at any time; changing it waits."""
        assert "Vous n’avez pas de redirection." in seen(browser, STOP)
        change(person)
        assert "n’est pas encore vérifiée" in seen(browser, STOP)
        verify(redirection_of(person))
        Charter.objects.create(version="2027-01", published_at=timezone.now(), **dict.fromkeys(Charter.TEXTS, "a"))
        browser = log_in(Client(), person)
        assert save(browser, FURTHER)["Location"].startswith(reverse("account-charter"))
        assert all(text in seen(browser, STOP) for text in ("Supprimer la redirection ?", ELSEWHERE))
        assert redirection_of(person).target == ELSEWHERE
        for _ in range(2):
            assert browser.post(reverse(STOP))["Location"] == reverse("account")
        assert not redirection_of(person).is_wanted


def test_the_address_pack(browser, person):
    """FWD-02, INP-03: canonical and outside the university, or refused beside the field without any mail."""
    for value, wanted in OURS:
        Redirection.objects.filter(account=person).update(target="", verified_at=None, keep_copy=True)
        Message.objects.all().delete()
        response = save(browser, value)
        accepted = response.status_code == 302
        if " or " not in wanted and not wanted.startswith(("same canonical", "punycode")):
            assert accepted == wanted.startswith("accept"), value
        target = redirection_of(person).target
        if accepted:
            assert (target, is_university_address(target)) == (canonical_address(value), False), value
        else:
            assert response.context["form"].errors["target"], value
            assert (target, Message.objects.exists()) == ("", False), value


class TestPassword:
    """SES-08"""

    def test_a_stolen_cookie_alone_changes_nothing(self, person):
        """What was typed is kept, except the password; wrong ones count with those of the login page (ENU-07)."""
        verify(change(person))
        before, mails = Redirection.objects.filter(account=person).values().get(), Message.objects.count()
        entries, stolen = person.journal.count(), stolen_cookie_of(person)
        for name in (PAGE, STOP):
            for typed in ({}, {"current_password": ""}, {"current_password": "faux"}):
                answer = stolen.post(reverse(name), {"target": FURTHER, **typed})
                assert answer.context["form"].errors["current_password"], (name, typed)
        for _ in range(3):
            html = save(stolen, FURTHER, keep_copy=False, current_password="faux").content.decode()
        assert [text in html for text in (f'value="{FURTHER}"', " checked", "faux")] == [True, False, False]
        slowed = save(stolen, current_password=A_GOOD_PASSWORD)
        assert slowed.status_code == submit_login(Client(), person).status_code == 429
        assert int(slowed["Retry-After"]) > 0
        assert Redirection.objects.filter(account=person).values().get() == before
        assert Message.objects.count() == mails
        recorded = person.journal.order_by("pk").values_list("event", flat=True)[entries:]
        assert list(recorded) == [Event.SIGN_IN_FAILED] * 5

    def test_it_is_asked_again_after_five_minutes(self, person, time_machine):
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


def test_without_a_mailbox_or_with_a_locked_account_there_is_no_such_page_and_extra_fields_are_ignored(browser, person):
    """INP-06, HLP-01"""
    other = active_account()
    save(browser, FURTHER, account=str(other.pk), account_id=str(other.pk), verified_at="2026-01-01", pk=str(other.pk))
    assert (redirection_of(person).is_waiting, redirection_of(other).is_wanted) == (True, False)
    for category in (Category.HOSTED, Category.STUDENT):
        outsider = log_in(Client(), active_account(category=category))
        for name in (PAGE, STOP):
            assert outsider.get(reverse(name)).status_code == 404
            assert outsider.post(reverse(name), {"target": ELSEWHERE}).status_code == 404
    Mailbox.objects.filter(account=other).delete()
    assert log_in(Client(), other).get(reverse(PAGE)).status_code == 404
    lock_account(account=person, reason=LockReason.PHISHING)
    assert save(browser)["Location"].startswith(reverse("login"))
    assert redirection_of(person).target == FURTHER


class TestLink:
    """FWD-01"""

    def test_only_the_button_verifies_once_and_the_pages_show_nothing_of_the_account(self, person):
        """TOK-06: scanners may open the link; the mailbox may belong to another person."""
        link = link_of(change(person))
        for _ in range(5):
            Client().get(link, follow=True)
            Client().head(link, follow=True)
            Client().options(link)
        assert redirection_of(person).is_waiting
        browser = Client()
        shown = browser.get(link, follow=True).content.decode()
        assert ELSEWHERE in shown
        for words in ("Adresse vérifiée", "déjà vérifiée", "déjà vérifiée"):
            done = browser.post(reverse(LINK_PAGE)).content.decode()
            assert words in done
            private = (person.family_name, person.given_name, person.login, person.uid, person.recovery_address)
            assert not any(fact in shown + done for fact in private)
        assert "déjà vérifiée" in Client().get(link, follow=True).content.decode()
        assert person.journal.filter(event=Event.REDIRECTION_VERIFIED).count() == 1
        assert browser.get(reverse("account")).status_code == 302
        for method in ("get", "post", "head"):
            assert getattr(Client(), method)(reverse(LINK_PAGE)).status_code == 404

    def test_what_revokes_the_link(self):
        """TOK-07, HLP-01: before it is opened, and while its page is open."""

        def lock_and_release(person: Account) -> None:
            lock_account(account=person, reason=LockReason.PHISHING)
            person.locks.update(released_at=timezone.now(), **UNLOCK_REASONS)

        yesterday = timezone.localdate() - timedelta(days=1)
        for event in (
            lambda person: change(person, FURTHER),
            lambda person: stop_redirection(account=person),
            lambda person: lock_account(account=person, reason=LockReason.PHISHING),
            lock_and_release,
            lambda person: Account.objects.filter(pk=person.pk).update(end_date=yesterday),
        ):
            person, opened = active_account(), Client()
            link = link_of(change(person))
            opened.get(link)
            event(person)
            assert opened.post(reverse(LINK_PAGE)).status_code in {404, 410}, event
            assert Client().get(link, follow=True).status_code in {404, 410}, event
            assert redirection_of(person).verified_at is None, event

    def test_another_address_chosen_between_check_and_act_is_not_verified(self, person, monkeypatch):
        """TOK-07"""
        browser = Client()
        browser.get(link_of(change(person)))

        def choose_another_first(**asked: object) -> bool:
            change(person, FURTHER)
            return verify_redirection(**asked)

        monkeypatch.setattr(views, "verify_redirection", choose_another_first)
        assert browser.post(reverse(LINK_PAGE)).status_code == 404
        assert redirection_of(person).verified_at is None
