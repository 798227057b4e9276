"""Where the university lets its people forward to: two lists, one switch, no code (FWD-06)."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import Account
from config.env import checked_domains
from core.email_addresses import InvalidAddress
from mailrouting.domains import forwarding_address, may_receive, suggested_target
from mailrouting.forms import answer_of
from mailrouting.models import Redirection
from mailrouting.services import ForwardingNotAllowed, resend_verification
from outbox.models import Message
from tests.activation.wizard.client import MAILBOX, answer, answered_until, begin, forward_to
from tests.factories import active_account, pending_account
from tests.mailrouting.forwarding import change, link_of, redirection_of, verify
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

PAGE, TYPO = "account-redirection", "camille@gmial.com"
IN_A_LIST = ("x@exemple.org", "X@EXEMPLE.ORG", "x@mail.exemple.org", "x@a.b.exemple.org", "x@exemple。org")
NOT_IN_IT = ("x@exemple.net", "x@monexemple.org", "x@exemple.org.net", "exemple.org@exemple.net", "x@org.net")


@pytest.fixture
def person() -> Account:
    return active_account()


@pytest.fixture
def browser(person: Account) -> Client:
    return log_in(Client(), person)


class TestLists:
    def test_they_hold_a_domain_and_what_is_below_it_and_the_deny_list_wins(self, settings, person):
        settings.FORWARDING_ALLOWED_DOMAINS = ["exemple.org", "exemple.fr"]
        for address in IN_A_LIST:
            assert may_receive(address), address
        for address in NOT_IN_IT:
            with pytest.raises(InvalidAddress, match=r"exemple.org, exemple.fr"):
                forwarding_address(address)
        settings.FORWARDING_DENIED_DOMAINS = ["mail.exemple.org"]
        assert (may_receive("x@exemple.org"), may_receive("x@mail.exemple.org")) == (True, False)
        settings.FORWARDING_ALLOWED_DOMAINS, settings.FORWARDING_DENIED_DOMAINS = [], ["exemple.org"]
        for address in IN_A_LIST:
            with pytest.raises(InvalidAddress, match="exemple"):
                forwarding_address(address)
        for address in NOT_IN_IT:
            assert forwarding_address(address) == address
        settings.FORWARDING_DENIED_DOMAINS = ["gmail.com", "exemple.net"]
        assert (suggested_target(TYPO), answer_of(person, None)["target"]) == (None, "")

    def test_no_list_can_allow_the_university_itself(self, settings):
        """FWD-02"""
        settings.FORWARDING_ALLOWED_DOMAINS = ["univ-exemple.fr"]
        assert not may_receive("x@univ-exemple.fr")

    def test_settings_are_read_in_the_spelling_of_addresses_and_what_would_match_nothing_is_refused(self, settings):
        """INP-03"""
        typed = [" Exemple.ORG", "Université.FR", "exemple.fr."]
        settings.FORWARDING_DENIED_DOMAINS = checked_domains("X", typed)
        assert settings.FORWARDING_DENIED_DOMAINS == ["exemple.org", "xn--universit-j4a.fr", "exemple.fr"]
        for address in ("x@université.fr", "x@UNIVERSITÉ.fr", "x@mail.xn--universit-j4a.fr"):
            assert not may_receive(address), address
        for domain in ("*.exemple.org", ".exemple.org", "@exemple.org", "https://exemple.org", "a b", "a_b.fr"):
            with pytest.raises(ImproperlyConfigured, match="FORWARDING_DENIED_DOMAINS"):
                checked_domains("FORWARDING_DENIED_DOMAINS", [domain])


class TestForms:
    def test_a_refused_domain_is_named_beside_the_field_and_a_spelling_is_no_way_around(
        self, settings, browser, person
    ):
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

    def test_the_wizard_refuses_them_too(self, settings, client):
        settings.FORWARDING_ALLOWED_DOMAINS = ["exemple.fr"]
        person = pending_account()
        answered_until(person, MAILBOX)
        begin(client, person)
        assert client.get(reverse(MAILBOX)).context["form"].initial["target"] == ""
        assert "que vers ces domaines" in answer(client, MAILBOX, forward_to("x@exemple.org")).content.decode()
        assert not Redirection.objects.filter(account=person).exists()


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

    def test_a_refused_address_gets_no_mail_and_its_link_opens_nothing(self, settings, person):
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

    def test_switched_off_nothing_is_in_force_and_what_is_there_can_be_removed(self, settings, browser, person):
        """FWD-06"""
        verify(change(person, "x@exemple.org"))
        settings.FORWARDING_ALLOWED = False
        for method in (browser.get, browser.post):
            assert method(reverse(PAGE), {"target": "y@exemple.org"}).status_code == 404
        assert list(Redirection.objects.in_force()) == []
        account = browser.get(reverse("account")).content.decode()
        assert "L’université ne permet plus de rediriger les messages." in account
        assert reverse(PAGE) + '"' not in account
        browser.post(reverse("account-redirection-stop"))
        assert not redirection_of(person).is_wanted
