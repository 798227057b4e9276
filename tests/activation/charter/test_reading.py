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
    REFUSED,
    SECOND,
    accept,
    charter_before,
    logged_in,
    read,
    stopped,
)
from tests.factories import active_account
from tests.pages import publish_another_charter

pytestmark = pytest.mark.django_db

VERSION = "account-charter-version"


@pytest.fixture
def person() -> Account:
    return active_account()


class TestDeclining:
    def test_takes_nothing_away_and_can_be_undone(self, person):
        """PRV-01: the account stays active; help for a compromised account is one click away."""
        assert logged_in(person).get(reverse(REFUSED))["Location"] == reverse(PAGE)
        browser = stopped(person)
        html = read(browser, REFUSED)
        links = [f'href="{reverse(PAGE)}"', f'action="{reverse("logout")}"', "mailto:"]
        texts = ["Rien n’est perdu.", "vos e-mails continuent d’arriver", *links]
        assert [text for text in texts if text not in html] == []
        for page in (html, read(browser)):
            assert "Vous pensez que votre compte est compromis" in page
            for name in ("account-password", "account-sessions", "account-history"):
                assert f'href="{reverse(name)}"' in page
        browser.post(reverse("logout"))
        assert Account.objects.get(pk=person.pk).is_active
        assert logged_in(person).get(reverse(ACCOUNT))["Location"] == charter_before(reverse(ACCOUNT))
        student = logged_in(active_account(category=Category.STUDENT))
        publish_another_charter("2026-12")
        assert "continuent d’arriver" not in read(student, REFUSED)

    @pytest.mark.parametrize("target", ["intrus@exemple.org", ""])
    def test_a_forwarding_that_an_intruder_has_set_can_be_stopped_at_once(self, person, target):
        Redirection.objects.filter(account=person).update(target=target)
        assert (f'href="{reverse("account-redirection-stop")}"' in read(stopped(person))) is bool(target)


class TestReadingAgain:
    def test_the_accepted_text_is_shown_with_its_proof_in_its_language(self, person):
        """PRV-01: the digest kept is that of the text shown; on an English page it is marked as French (RGAA 8.7)."""
        browser, proof = logged_in(person), person.charter_acceptances.get()
        html = read(browser)
        assert html.count("<h3>") >= 12
        published = f"Version {FIRST}, publiée le 1er\N{NO-BREAK SPACE}septembre 2026."
        texts = (
            "La charte que vous avez acceptée",
            proof.text_sha256,
            published,
            f"Acceptée par {person.full_name} le ",
        )
        assert [text for text in texts if text not in html] == []
        assert hashlib.sha256(proof.text.encode()).hexdigest() == proof.text_sha256
        english = browser.get("/en/compte/charte/").content.decode()
        assert re.search(r'<div class="prose" lang="fr">\s*<p>Cette charte', english)

    def test_earlier_versions_can_be_read_again(self, person):
        """PRV-01: publishing another version takes none away."""
        browser = stopped(person)
        assert "Cette charte" in read(browser, VERSION, FIRST)
        accept(browser)
        latest, earlier, replaced = read(browser), read(browser, VERSION, FIRST), "l’a remplacée"
        assert ("Nouveau texte." in latest, replaced in latest) == (True, False)
        assert f'href="{reverse(VERSION, args=[FIRST])}"' in latest
        assert ("Nouveau texte." in earlier, replaced in earlier) == (False, True)
        assert person.charter_acceptances.get(charter__version=FIRST).text_sha256 in earlier

    def test_only_the_versions_that_the_user_accepted_are_there_whatever_their_name(self, person):
        """ADM-01 (IDOR): neither a later version nor one from before the account."""
        browser = logged_in(person)
        publish_another_charter()
        assert logged_in(active_account()).get(reverse(VERSION, args=[FIRST])).status_code == 404
        for version in (SECOND, "brouillon", "x" * 5000, "' OR 1=1 --", "../../etc/passwd", "é\u202e", "a/b"):
            assert browser.get(reverse(VERSION, args=[version])).status_code == 404, version
        for version in ("2026/11", "2026-11 (révisée)", "v2?#"):
            Charter.objects.create(version=version, text_fr="Texte.", text_en="Text.", published_at=timezone.now())
            accept(browser, version=version)
            assert browser.get(reverse(VERSION, args=[version])).status_code == 200, version

    def test_hostile_markdown_is_harmless_here_too(self, person):
        """INP-02"""
        Charter.objects.create(
            version=SECOND,
            text_fr="<script>alert(1)</script> [x](javascript:alert(1))",
            text_en="?",
            key_points_fr="<img src=x onerror=alert(1)>",
            published_at=timezone.now(),
        )
        browser = logged_in(person)
        pages = [read(browser)]
        accept(browser)
        for html in (*pages, read(browser)):
            assert not any(text in html for text in ("<script>alert", "<img", 'href="javascript'))
