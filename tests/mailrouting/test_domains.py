"""Where the university lets its people forward to: two lists, one switch, no code (FWD-06)."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from config.env import checked_domains
from core.email_addresses import InvalidAddress
from mailrouting.domains import forwarding_address, may_receive, suggested_target
from mailrouting.forms import answer_of
from mailrouting.links import redirection_link
from mailrouting.models import Redirection
from mailrouting.services import (
    ForwardingNotAllowed,
    change_redirection,
    choose_redirection,
    resend_verification,
    stop_redirection,
)
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import MAILBOX, answer, answered_until, begin, forward_to
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account

pytestmark = pytest.mark.django_db

IN_A_LIST = ("x@exemple.org", "X@EXEMPLE.ORG", "x@mail.exemple.org", "x@a.b.exemple.org", "x@exemple。org")
NOT_IN_IT = ("x@exemple.net", "x@monexemple.org", "x@exemple.org.net", "exemple.org@exemple.net", "x@org.net")


@pytest.fixture
def person() -> Account:
    return active_account()


@pytest.fixture
def browser(person: Account) -> Client:
    client = Client()
    client.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})
    return client


def in_force(person: Account, target: str) -> None:
    """What was allowed when it was chosen."""
    change_redirection(account=person, target=target, keep_copy=True)
    Redirection.objects.filter(account=person).update(verified_at=timezone.now())


class TestLists:
    def test_the_deny_list_refuses_its_domains_and_what_is_below_them(self, settings):
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.org"]
        for address in IN_A_LIST:
            with pytest.raises(InvalidAddress, match="exemple"):
                forwarding_address(address)
        for address in NOT_IN_IT:
            assert forwarding_address(address) == address

    def test_the_allow_list_refuses_everything_else_and_names_what_it_allows(self, settings):
        settings.FORWARDING_ALLOWED_DOMAINS = ["exemple.org", "exemple.fr"]
        for address in IN_A_LIST:
            assert may_receive(address), address
        for address in NOT_IN_IT:
            with pytest.raises(InvalidAddress, match=r"exemple.org, exemple.fr"):
                forwarding_address(address)

    def test_the_deny_list_wins(self, settings):
        settings.FORWARDING_ALLOWED_DOMAINS = ["exemple.org"]
        settings.FORWARDING_DENIED_DOMAINS = ["mail.exemple.org"]
        assert may_receive("x@exemple.org")
        assert not may_receive("x@mail.exemple.org")

    def test_every_spelling_of_an_international_domain_is_one(self, settings):
        """FWD-02, INP-03"""
        settings.FORWARDING_DENIED_DOMAINS = checked_domains("X", ["Université.FR"])
        for address in ("x@université.fr", "x@UNIVERSITÉ.fr", "x@mail.xn--universit-j4a.fr"):
            assert not may_receive(address), address

    def test_no_list_can_allow_the_university_itself(self, settings):
        """FWD-02"""
        settings.FORWARDING_ALLOWED_DOMAINS = ["univ-exemple.fr"]
        assert not may_receive("x@univ-exemple.fr")

    def test_a_correction_that_would_be_refused_is_not_suggested(self, settings):
        settings.FORWARDING_DENIED_DOMAINS = ["gmail.com"]
        assert suggested_target("camille@gmial.com") is None

    def test_a_refused_recovery_address_is_not_offered(self, settings, person):
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.net"]
        assert answer_of(person, None)["target"] == ""


class TestSettings:
    def test_they_are_read_once_in_the_spelling_of_addresses(self):
        assert checked_domains("X", [" Exemple.ORG", "université.fr", "exemple.fr."]) == [
            "exemple.org",
            "xn--universit-j4a.fr",
            "exemple.fr",
        ]

    def test_what_would_match_nothing_is_refused_by_name(self):
        for domain in ("*.exemple.org", ".exemple.org", "@exemple.org", "https://exemple.org", "a b", "a_b.fr"):
            with pytest.raises(ImproperlyConfigured, match="FORWARDING_DENIED_DOMAINS"):
                checked_domains("FORWARDING_DENIED_DOMAINS", [domain])


class TestForms:
    def test_the_reason_stands_beside_the_field(self, settings, browser, person):
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.org"]
        page = browser.post(reverse("account-redirection"), {"target": "x@mail.exemple.org"})
        assert page.context["form"].errors["target"] == [
            "L’université ne permet pas de rediriger vers mail.exemple.org. Choisissez une autre adresse"
        ]
        assert not Redirection.objects.get(account=person).is_wanted
        assert not Message.objects.exists()

    def test_the_wizard_refuses_them_too(self, settings, client):
        settings.FORWARDING_ALLOWED_DOMAINS = ["exemple.fr"]
        person = pending_account()
        answered_until(person, MAILBOX)
        begin(client, person)
        assert client.get(reverse(MAILBOX)).context["form"].initial["target"] == ""
        page = answer(client, MAILBOX, forward_to("x@exemple.org"))
        assert "que vers ces domaines" in page.content.decode()
        assert not Redirection.objects.filter(account=person).exists()

    def test_the_question_about_the_spelling_is_no_way_around(self, settings, browser, person):
        settings.FORWARDING_DENIED_DOMAINS = ["gmail.com", "gmial.com"]
        for spelling in ("corrected", "kept"):
            page = browser.post(reverse("account-redirection"), {"target": "camille@gmial.com", "spelling": spelling})
            assert "ne permet pas de rediriger vers gmial.com" in page.content.decode()
        assert not Redirection.objects.get(account=person).is_wanted

    def test_a_slip_into_a_refused_domain_can_be_corrected_and_not_kept(self, settings, browser, person):
        settings.FORWARDING_ALLOWED_DOMAINS = ["gmail.com"]
        page = browser.post(reverse("account-redirection"), {"target": "camille@gmial.com"}).content.decode()
        assert page.count('name="spelling"') == 1
        assert browser.post(reverse("account-redirection"), {"target": "camille@gmial.com", "spelling": "corrected"})[
            "Location"
        ] == reverse("account")
        assert Redirection.objects.get(account=person).target == "camille@gmail.com"


class TestWhatWasChosenBefore:
    def test_it_is_suspended_not_deleted(self, settings, browser, person):
        """FWD-05, FWD-06: the page says why; it comes back with the setting."""
        in_force(person, "x_y@mail.exemple.org")
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.org"]
        assert list(Redirection.objects.in_force()) == []
        for name in ("account", "account-redirection"):
            page = browser.get(reverse(name)).content.decode()
            assert "Suspendue" in page
            assert "L’université ne permet plus de rediriger vers ce domaine." in page
        settings.FORWARDING_DENIED_DOMAINS = []
        assert Redirection.objects.in_force().get().target == "x_y@mail.exemple.org"

    def test_queries_and_forms_draw_the_same_line(self, settings, person):
        in_force(person, "x@exemple.net")
        for address in NOT_IN_IT:
            Redirection.objects.filter(account=person).update(target=address)
            for allowed, denied in ([[], ["exemple.org"]], [["exemple.org"], []], [["exemple.net"], ["org.net"]]):
                settings.FORWARDING_ALLOWED_DOMAINS, settings.FORWARDING_DENIED_DOMAINS = allowed, denied
                assert Redirection.objects.in_force().exists() == may_receive(address), (address, allowed, denied)

    def test_a_domain_that_has_become_the_universitys_own_is_left_out(self, settings, person):
        """FWD-02: no loop after a merger."""
        in_force(person, "x@exemple.org")
        settings.UNIVERSITY_DOMAINS = [*settings.UNIVERSITY_DOMAINS, "exemple.org"]
        assert list(Redirection.objects.in_force()) == []
        assert Redirection.objects.get(account=person).suspension

    def test_nobody_is_asked_to_confirm_what_is_refused_now(self, settings, person, mail_delivery):
        choose_redirection(account=person, target="x@exemple.org", keep_copy=True)
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.org"]
        with pytest.raises(ForwardingNotAllowed):
            resend_verification(account=person)
        assert mail_delivery.deliver() == []

    def test_a_link_opens_nothing_while_it_is_refused(self, settings, person):
        """FWD-06: and works again, in time, once it is allowed."""
        redirection = change_redirection(account=person, target="x@exemple.org", keep_copy=True)
        token = redirection_link.token(person, redirection_link.deadline(timezone.now()), redirection.pk)
        address = reverse("redirection-link", args=[token])
        settings.FORWARDING_DENIED_DOMAINS = ["exemple.org"]
        assert Client().get(address).status_code == 404
        settings.FORWARDING_DENIED_DOMAINS, settings.FORWARDING_ALLOWED = [], False
        assert Client().get(address).status_code == 404
        settings.FORWARDING_ALLOWED = True
        assert Client().get(address).status_code == 302


class TestSwitchedOff:
    def test_the_page_is_not_there_and_nothing_is_in_force(self, settings, browser, person):
        """FWD-06"""
        in_force(person, "x@exemple.org")
        settings.FORWARDING_ALLOWED = False
        assert browser.get(reverse("account-redirection")).status_code == 404
        assert browser.post(reverse("account-redirection"), {"target": "y@exemple.org"}).status_code == 404
        assert list(Redirection.objects.in_force()) == []
        account = browser.get(reverse("account")).content.decode()
        assert "L’université ne permet plus de rediriger les messages." in account
        assert reverse("account-redirection") + '"' not in account

    def test_what_is_there_can_still_be_removed(self, settings, browser, person):
        in_force(person, "x@exemple.org")
        settings.FORWARDING_ALLOWED = False
        assert browser.post(reverse("account-redirection-stop"))["Location"] == reverse("account")
        assert not Redirection.objects.get(account=person).is_wanted
        stop_redirection(account=person)

    def test_the_verification_is_not_mailed(self, settings, browser, person):
        choose_redirection(account=person, target="x@exemple.org", keep_copy=True)
        settings.FORWARDING_ALLOWED = False
        answer = browser.post(reverse("redirection-verification-resend"), follow=True)
        assert "Aucune adresse n’attend de vérification." in answer.content.decode()
        assert Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION).count() == 1
