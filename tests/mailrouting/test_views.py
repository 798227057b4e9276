"""The pages of forwarding, the link that verifies an address, and the settings that restrict it (FWD-06)."""

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.services import AccountNotActive
from activation.models import Charter
from core.email_addresses import InvalidAddress
from journal.events import Event
from mailrouting.domains import forwarding_address, may_receive, suggested_target
from mailrouting.forms import answer_of
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import ForwardingNotAllowed, resend_verification, stop_redirection
from outbox.models import Message
from tests.activation import states
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.mail_delivery import link_in
from tests.mailrouting.forwarding import ELSEWHERE, FURTHER, change, link_of, redirection_of, verification_mails, verify
from tests.signing_in import log_in, stolen_cookie_of, submit_login

pytestmark = pytest.mark.django_db

PAGE, STOP, RESEND = "account-redirection", "account-redirection-stop", "redirection-verification-resend"
LINK_PAGE, TYPO = "redirection", "camille@gmial.com"
IN_A_LIST = ("x@exemple.org", "X@EXEMPLE.ORG", "x@mail.exemple.org", "x@a.b.exemple.org", "x@exemple。org")
NOT_IN_IT = ("x@exemple.net", "x@monexemple.org", "x@exemple.org.net", "exemple.org@exemple.net", "x@org.net")


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
        offered = browser.get(reverse(PAGE)).context["form"].initial
        assert offered == {"target": person.recovery_address, "keep_copy": True}
        done = browser.post(reverse(PAGE), {"target": person.recovery_address, "keep_copy": "on"}, follow=True)
        assert done.redirect_chain == [(reverse("account"), 302)]
        assert f"sont maintenant redirigés vers {person.recovery_address}." in done.content.decode()
        answer = browser.post(reverse(PAGE), {"target": ELSEWHERE}, follow=True).content.decode()
        assert "quand vous aurez confirmé l’adresse ailleurs@exemple.org" in answer
        assert not redirection_of(person).keep_copy
        [verification] = [mail for mail in mail_delivery.deliver() if mail["To"] == ELSEWHERE]
        for words in ("est à confirmer", ELSEWHERE, "23 h 59", "que dans votre boîte universitaire."):
            assert words in seen(browser)
        phone = Client()
        phone.get(link_in(verification))
        phone.post(reverse(LINK_PAGE))
        assert Redirection.objects.in_force().get().target == ELSEWHERE
        assert "est à confirmer" not in seen(browser)

    def test_an_expired_link_is_replaced_from_the_page(self, browser, person, mail_delivery, time_machine):
        """FWD-03, ENU-05, TOK-03: its page does not show the address; pressed too late, the button does nothing."""
        save(browser)
        assert "Nous avons déjà envoyé un e-mail" in browser.post(reverse(RESEND), follow=True).content.decode()
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
        assert "Nous venons d’envoyer un nouvel e-mail" in later.post(reverse(RESEND), follow=True).content.decode()
        phone = Client()
        phone.get(link_in(mail_delivery.last_mail()))
        assert "Ouvrez le lien que nous y avons envoyé" in seen(later)
        assert redirection_of(person).verified_at is None
        phone.post(reverse(LINK_PAGE))
        assert redirection_of(person).verified_at is not None
        assert "Aucune adresse n’attend de vérification." in later.post(reverse(RESEND), follow=True).content.decode()
        assert verification_mails(person) == 2

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


def test_a_stolen_cookie_alone_changes_nothing(person):
    """SES-08: what was typed is kept, except the password; wrong ones count with those of the login page (ENU-07)."""
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
    assert Redirection.objects.filter(account=person).values().get() == before
    assert Message.objects.count() == mails
    recorded = person.journal.order_by("pk").values_list("event", flat=True)[entries:]
    assert list(recorded) == [Event.SIGN_IN_FAILED] * 5


def test_without_a_mailbox_or_with_a_locked_account_there_is_no_such_page(browser, person):
    """HLP-01"""
    other = active_account()
    for category in (Category.HOSTED, Category.STUDENT):
        outsider = log_in(Client(), active_account(category=category))
        for name in (PAGE, STOP):
            assert outsider.get(reverse(name)).status_code == 404
            assert outsider.post(reverse(name), {"target": ELSEWHERE}).status_code == 404
    Mailbox.objects.filter(account=other).delete()
    assert log_in(Client(), other).get(reverse(PAGE)).status_code == 404
    lock_account(account=person, reason=LockReason.PHISHING)
    assert save(browser)["Location"].startswith(reverse("login"))
    assert not redirection_of(person).is_wanted


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
        other, stop = (lambda person: change(person, FURTHER)), (lambda person: stop_redirection(account=person))
        for event in (other, stop, states.lock, states.lock_and_release, states.leave):
            person, opened = active_account(), Client()
            link = link_of(change(person))
            opened.get(link)
            event(person)
            assert opened.post(reverse(LINK_PAGE)).status_code in {404, 410}, event
            assert Client().get(link, follow=True).status_code in {404, 410}, event
            assert redirection_of(person).verified_at is None, event


class TestLists:
    """FWD-06"""

    def test_they_hold_a_domain_and_what_is_below_it_and_the_deny_list_wins(self, settings, person):
        """FWD-02, INP-03: in each spelling of a domain; none can allow the university itself."""
        settings.FORWARDING_ALLOWED_DOMAINS = ["exemple.org", "exemple.fr"]
        for address in IN_A_LIST:
            assert may_receive(address), address
        for address in NOT_IN_IT:
            with pytest.raises(InvalidAddress, match=r"exemple.org, exemple.fr"):
                forwarding_address(address)
        settings.FORWARDING_DENIED_DOMAINS = ["mail.exemple.org"]
        assert (may_receive("x@exemple.org"), may_receive("x@mail.exemple.org")) == (True, False)
        settings.FORWARDING_ALLOWED_DOMAINS = ["univ-exemple.fr"]
        assert not may_receive("x@univ-exemple.fr")
        settings.FORWARDING_ALLOWED_DOMAINS, settings.FORWARDING_DENIED_DOMAINS = [], ["exemple.org"]
        for address in IN_A_LIST:
            with pytest.raises(InvalidAddress, match="exemple"):
                forwarding_address(address)
        for address in NOT_IN_IT:
            assert forwarding_address(address) == address
        settings.FORWARDING_DENIED_DOMAINS = ["gmail.com", "exemple.net", "xn--universit-j4a.fr"]
        for address in ("x@université.fr", "x@UNIVERSITÉ.fr", "x@mail.xn--universit-j4a.fr"):
            assert not may_receive(address), address
        assert (suggested_target(TYPO), answer_of(person, None)["target"]) == (None, "")

    def test_a_refused_domain_is_named_and_another_spelling_is_no_way_around(self, settings, browser, person):
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.org", "gmail.com", "gmial.com"]
        for target, spelling in (("x@mail.exemple.org", ""), (TYPO, "corrected"), (TYPO, "kept")):
            form = browser.post(reverse(PAGE), {"target": target, "spelling": spelling}).context["form"]
            [refusal] = form.errors["target"]
            assert f"ne permet pas de rediriger vers {target.partition('@')[2]}." in refusal
        assert not redirection_of(person).is_wanted
        assert not Message.objects.exists()
        settings.FORWARDING_ALLOWED_DOMAINS, settings.FORWARDING_DENIED_DOMAINS = ["gmail.com"], []
        assert browser.post(reverse(PAGE), {"target": TYPO}).content.decode().count('name="spelling"') == 1
        browser.post(reverse(PAGE), {"target": TYPO, "spelling": "corrected"})
        assert redirection_of(person).target == "camille@gmail.com"


class TestWhatWasChosenBefore:
    def test_it_is_suspended_not_deleted(self, settings, browser, person):
        """FWD-05, FWD-06: the page says why; it comes back with the setting."""
        verify(change(person, "x_y@mail.exemple.org"))
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.org"]
        assert list(Redirection.objects.in_force()) == []
        for name in ("account", PAGE):
            page = browser.get(reverse(name)).content.decode()
            assert "L’université ne permet plus de rediriger vers ce domaine." in page
        settings.FORWARDING_DENIED_DOMAINS = []
        assert Redirection.objects.in_force().get().target == "x_y@mail.exemple.org"
        # After a merger of universities, no loop (FWD-02).
        settings.UNIVERSITY_DOMAINS = [*settings.UNIVERSITY_DOMAINS, "exemple.org"]
        assert list(Redirection.objects.in_force()) == []
        assert redirection_of(person).suspension

    def test_queries_and_forms_draw_the_same_line(self, settings, person):
        verify(change(person, "x@exemple.net"))
        for address in NOT_IN_IT:
            Redirection.objects.filter(account=person).update(target=address)
            for allowed, denied in ([[], ["exemple.org"]], [["exemple.org"], []], [["exemple.net"], ["org.net"]]):
                settings.FORWARDING_ALLOWED_DOMAINS, settings.FORWARDING_DENIED_DOMAINS = allowed, denied
                assert Redirection.objects.in_force().exists() == may_receive(address), (address, allowed, denied)

    def test_gets_no_mail_opens_by_no_link_and_switched_off_can_only_be_removed(self, settings, browser, person):
        """FWD-06: the link opens again, in time, once the address is allowed."""
        link = link_of(change(person, "x@exemple.org"))
        mails = Message.objects.count()
        for refusal in ({"FORWARDING_DENIED_DOMAINS": ["exemple.org"]}, {"FORWARDING_ALLOWED": False}):
            with override_settings(**refusal):
                assert Client().get(link).status_code == 404
                with pytest.raises(ForwardingNotAllowed):
                    resend_verification(account=person)
        assert Client().get(link).status_code == 302
        assert Message.objects.count() == mails
        verify(redirection_of(person))
        settings.FORWARDING_ALLOWED = False
        for method in (browser.get, browser.post):
            assert method(reverse(PAGE), {"target": "y@exemple.org"}).status_code == 404
        assert list(Redirection.objects.in_force()) == []
        account = browser.get(reverse("account")).content.decode()
        assert "L’université ne permet plus de rediriger les messages." in account
        assert reverse(PAGE) + '"' not in account
        browser.post(reverse("account-redirection-stop"))
        assert not redirection_of(person).is_wanted


@pytest.mark.parametrize(("page", "service"), [(PAGE, "change_redirection"), (STOP, "stop_redirection")])
def test_a_lock_between_the_form_and_its_answer_leads_to_help(browser, person, monkeypatch, page, service):
    change(person, ELSEWHERE)
    chosen = Redirection.objects.values().get()

    def lock_first(**facts):
        lock_account(account=person, reason=LockReason.OTHER)
        raise AccountNotActive

    monkeypatch.setattr(f"mailrouting.views.{service}", lock_first)
    answer = save(browser, FURTHER) if page == PAGE else browser.post(reverse(page))
    assert (answer.status_code, answer.url) == (302, reverse("locked-help"))
    assert Redirection.objects.values().get() == chosen
