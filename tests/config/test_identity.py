"""What makes the portal the university's own, and the announcement on top of its pages."""

import re
from html import unescape

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from agents import announcement
from agents.models import Announcement
from config import identity
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.services import queue_email
from tests.agents.signed_in import verified_agent
from tests.factories import active_account
from tests.mail_delivery import html_of, text_of
from tests.signing_in import browser_of

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8H0z"/></svg>'
FRENCH, ENGLISH = "Messagerie <b>en panne</b> jusqu’à 20\N{NO-BREAK SPACE}h.", "Mail is down until 8 p.m."


@pytest.fixture
def own(settings, tmp_path, monkeypatch) -> None:
    """With a logo, a colour, contacts and a documentation."""
    (tmp_path / "logo.svg").write_text(SVG)
    monkeypatch.setenv("UNIVERSITY_LOGO", str(tmp_path / "logo.svg"))
    settings.UNIVERSITY_LOGO, settings.UNIVERSITY_COLOUR = identity.logo("UNIVERSITY_LOGO"), "#8a1538"
    settings.HR_CONTACT, settings.REGISTRY_CONTACT = "drh@univ-exemple.fr", "https://univ-exemple.fr/scolarite"
    settings.DOCUMENTATION_URL = "https://doc.univ-exemple.fr/"


@pytest.mark.django_db
@pytest.mark.usefixtures("own")
def test_logo_and_colour_are_on_every_page_and_served_by_the_portal_itself(settings):
    """HDR-01: the policy of the pages allows no other host."""
    browser = Client(raise_request_exception=False)
    _agent, inside = verified_agent()
    for page in (browser.get("/"), browser.get("/en/aide/"), browser.get("/introuvable"), inside.get("/admin/")):
        html = page.content.decode()
        [(address, alt)] = re.findall(r'<img class="brand__logo" src="([^"]+)" alt="([^"]*)">', html)
        assert alt == settings.UNIVERSITY_NAME
        logo, colours = browser.get(address), browser.get(re.search(r'href="([^"]+couleurs[^"]+)"', html)[1])
        assert (logo.content.decode(), logo["Content-Type"]) == (SVG, "image/svg+xml")
        assert colours.content.decode() == ":root { --identity: #8a1538; --on-identity: #fff; }\n"
        for served in (logo, colours):
            assert "max-age=31536000" in served["Cache-Control"]
            assert "default-src 'none'" in served["Content-Security-Policy"], "an SVG that is opened runs no script"
    settings.UNIVERSITY_LOGO, settings.UNIVERSITY_COLOUR = None, ""
    assert [browser.get(reverse(name)).status_code for name in ("logo", "colours")] == [404, 404]
    assert "brand__mark" in browser.get("/").content.decode()


@pytest.mark.django_db
def test_contacts_and_documentation_are_where_they_are_needed_once_set(request, mail_delivery):
    contacts = ("drh@univ-exemple.fr", "https://univ-exemple.fr/scolarite")
    places = {
        "/": ["https://doc.univ-exemple.fr/"],
        **dict.fromkeys(("/en/aide/", "/premiere-connexion/", "/compte/donnees/"), contacts),
    }
    person = active_account()
    browser = browser_of(person)
    for is_set in (False, True):
        for path, wanted in places.items():
            html = browser.get(path).content.decode()
            assert {f'href="{one}"' in html or f'href="mailto:{one}"' in html for one in wanted} == {is_set}, path
        queue_email(kind=Kind.ACCOUNT_ACTIVATED, person=person, address=person.recovery_address, language="fr")
        mail = mail_delivery.last_mail()
        assert ("doc.univ" in text_of(mail), "doc.univ" in html_of(mail), "#8a1538" in html_of(mail)) == (is_set,) * 3
        if not is_set:
            request.getfixturevalue("own")


def test_contrast_is_that_of_wcag():
    found = {colour: round(identity.contrast_with_white(colour), 2) for colour in ("#ffffff", "#000000", "#767676")}
    assert found == {"#ffffff": 1.0, "#000000": 21.0, "#767676": 4.54}


@pytest.mark.django_db
class TestAnnouncement:
    def test_is_on_every_page_in_its_language_without_a_restart_until_removed(self, monkeypatch, capsys):
        """INP-05, LOG-01: as text, and who reads the journal finds it."""
        monkeypatch.setattr(announcement, "CHECK_EVERY", 0)
        announcement.last_read.due_at = 0
        browser = Client(raise_request_exception=False)
        _agent, inside = verified_agent()

        def shown() -> list[str]:
            pages = (browser.get("/"), browser.get("/en/"), browser.get("/en/nowhere"), inside.get("/admin/"))
            found = (re.search(r'<p lang="(..)" dir="auto">(.+?)</p>', page.content.decode()) for page in pages)
            return [" ".join(one.groups()) if one else "" for one in found]

        assert shown() == [""] * 4
        call_command("banner", FRENCH, en=ENGLISH)
        french = f"fr {FRENCH.replace('<', '&lt;').replace('>', '&gt;')}"
        assert shown() == [french, f"en {ENGLISH}", f"en {ENGLISH}", french]
        call_command("banner", "Tout marche.")
        assert shown() == ["fr Tout marche."] * 4
        call_command("banner")
        assert "Tout marche." in capsys.readouterr().out
        for wrong in ({"en": "Only English"}, {"text": "x" * 501}, {"text": "a\nb"}, {"text": "a", "remove": True}):
            with pytest.raises(CommandError):
                call_command("banner", *filter(None, [wrong.pop("text", "")]), **wrong)
        call_command("banner", remove=True)
        assert (shown(), Announcement.objects.count()) == ([""] * 4, 0)
        entries = JournalEntry.objects.filter(event=Event.ANNOUNCEMENT_CHANGED).order_by("pk")
        assert [entry.details["announcement"] for entry in entries] == [f"{FRENCH} / {ENGLISH}", "Tout marche.", ""]
        assert "Tout marche." in unescape(inside.get("/admin/journal/").content.decode())

    def test_the_last_known_stays_while_the_database_cannot_be_read(self, monkeypatch):
        """AVL-06: and it is not asked at each page."""
        monkeypatch.setattr(announcement, "last_read", announcement.LastRead(Announcement(text_fr="Panne.")))
        asked = []

        def fail(*_args: object) -> None:
            asked.append(1)
            raise DatabaseError

        monkeypatch.setattr(Announcement.objects.__class__, "first", fail)
        assert {announcement.current_announcement("en").text for _ in range(3)} == {"Panne."}
        assert len(asked) == 1
