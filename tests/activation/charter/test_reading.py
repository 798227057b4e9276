"""The charter declined, and read again with its proof (PRV-01)."""

import hashlib
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from activation.models import Charter
from mailrouting.models import Redirection
from tests.activation.charter.due import (
    ACCOUNT,
    FIRST,
    PAGE,
    SECOND,
    accepts,
    before,
    signed_in,
    stopped,
)
from tests.factories import active_account
from tests.fuzz.routes import routes
from tests.pages import publish_another_charter

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Account:
    return active_account()


class TestNotAccepting:
    def test_the_page_says_that_nothing_is_lost_and_what_stays_possible(self, person):
        browser = stopped(person)

        html = browser.get(reverse("account-charter-refused")).content.decode()

        assert "Rien n’est perdu." in html
        assert "vos e-mails continuent d’arriver" in html
        assert f'href="{reverse(PAGE)}"' in html
        assert f'action="{reverse("logout")}"' in html
        assert "mailto:" in html

    def test_whoever_has_no_mailbox_is_told_nothing_about_mail(self):
        browser = stopped(active_account(category=Category.STUDENT))

        assert "continuent d’arriver" not in browser.get(reverse("account-charter-refused")).content.decode()

    def test_not_accepting_takes_nothing_away(self, person):
        """PRV-01: the account stays active, its forwarding and choices as they were; one may come back."""
        browser = stopped(person)
        browser.get(reverse("account-charter-refused"))
        browser.post(reverse("logout"))

        fresh = Account.objects.get(pk=person.pk)
        assert fresh.is_active
        assert signed_in(person).get(reverse(ACCOUNT))["Location"] == before(reverse(ACCOUNT))

    def test_without_anything_to_accept_there_is_nothing_to_refuse(self, person):
        assert signed_in(person).get(reverse("account-charter-refused"))["Location"] == reverse(PAGE)

    def test_help_for_a_compromised_account_is_one_click_away(self, person):
        """D4: with the pages that the portal has."""
        browser = stopped(person)
        for name in [PAGE, "account-charter-refused"]:
            html = browser.get(reverse(name)).content.decode()

            assert "Vous pensez que votre compte est compromis" in html
            for page in {"account-password", "account-sessions", "account-history"} & {
                route.name for route in routes()
            }:
                assert f'href="{reverse(page)}"' in html

    @pytest.mark.parametrize("target", ["intrus@exemple.org", ""])
    def test_forwarding_that_an_intruder_has_set_can_be_stopped_at_once(self, person, target):
        """D4: the link is there for whoever has one."""
        Redirection.objects.filter(account=person).update(target=target)

        html = stopped(person).get(reverse(PAGE)).content.decode()

        assert (f'href="{reverse("account-redirection-stop")}"' in html) is bool(target)


class TestReadingAgain:
    def test_the_text_that_was_accepted_can_be_read_again_with_its_proof(self, person):
        """PRV-01"""
        html = signed_in(person).get(reverse(PAGE)).content.decode()
        proof = person.charter_acceptances.get()

        assert "La charte que vous avez acceptée" in html
        assert html.count("<h3>") >= 12
        assert proof.text_sha256 in html
        assert f"Version {FIRST}, publiée le 1er\N{NO-BREAK SPACE}septembre 2026." in html
        assert f"Acceptée par {person.full_name} le " in html

    def test_the_shown_text_is_the_one_of_the_proof(self, person):
        """PRV-01: what is shown has the fingerprint that was kept."""
        proof = person.charter_acceptances.get()

        assert hashlib.sha256(proof.text.encode()).hexdigest() == proof.text_sha256

    def test_it_is_shown_in_the_language_in_which_it_was_accepted(self):
        """PRV-01: on an English page the French text is marked as French (RGAA 8.7)."""
        browser = signed_in(active_account())

        html = browser.get("/en/compte/charte/").content.decode()

        assert '<html lang="en">' in html
        assert re.search(r'<div class="prose" lang="fr">\s*<p>Cette charte', html)

    def test_earlier_versions_can_be_read_again(self, person):
        """PRV-01: publishing another version takes none away."""
        browser = stopped(person)
        earlier = reverse("account-charter-version", args=[FIRST])
        assert "Cette charte" in browser.get(earlier).content.decode()

        accepts(browser)

        page = browser.get(reverse(PAGE)).content.decode()
        assert "Nouveau texte." in page
        assert f'href="{earlier}"' in page
        html = browser.get(earlier).content.decode()
        assert "Nouveau texte." not in html
        assert "Une version plus récente l’a remplacée." in html
        assert "l’a remplacée" not in page
        assert person.charter_acceptances.get(charter__version=FIRST).text_sha256 in html

    def test_a_version_that_somebody_else_accepted_is_not_there(self, person):
        """ADM-01 (IDOR): neither a later version nor an earlier one that was before one's time."""
        publish_another_charter()
        later = active_account()

        assert signed_in(later).get(reverse("account-charter-version", args=[FIRST])).status_code == 404
        assert signed_in(person).get(reverse("account-charter-version", args=[SECOND])).status_code == 404

    def test_a_version_that_does_not_exist_is_not_there(self, person):
        Charter.objects.create(version="brouillon", text_fr="?", text_en="?")
        for version in ["brouillon", "x" * 5000, "' OR 1=1 --", "../../etc/passwd", "é\u202e", "a/b"]:
            assert signed_in(person).get(reverse("account-charter-version", args=[version])).status_code == 404

    @pytest.mark.parametrize("version", ["2026/11", "2026-11 (révisée)", "v2?#"])
    def test_a_version_may_be_named_freely(self, person, version):
        Charter.objects.create(version=version, text_fr="Texte.", text_en="Text.", published_at=timezone.now())
        browser = signed_in(person)
        accepts(browser, version=version)

        assert browser.get(reverse("account-charter-version", args=[version])).status_code == 200

    def test_hostile_markdown_is_harmless_here_too(self, person):
        """INP-02"""
        Charter.objects.create(
            version=SECOND,
            text_fr="<script>alert(1)</script> [x](javascript:alert(1))",
            text_en="?",
            key_points_fr="<img src=x onerror=alert(1)>",
            published_at=timezone.now(),
        )
        browser = signed_in(person)
        due = browser.get(reverse(PAGE)).content.decode()
        accepts(browser)

        for html in (due, browser.get(reverse(PAGE)).content.decode()):
            assert "<script>alert" not in html
            assert "<img" not in html
            assert 'href="javascript' not in html
