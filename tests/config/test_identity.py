"""What makes the portal the university's own, and the announcement on top of its pages."""

import re
from unittest.mock import Mock

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
    """HDR-01: the policy of the pages allows no other host, and an SVG that is opened runs no script."""
    browser = Client(raise_request_exception=False)
    for page in (browser.get("/"), browser.get("/introuvable"), verified_agent()[1].get("/admin/")):
        html = page.content.decode()
        [(address, alt)] = re.findall(r'<img class="brand__logo" src="([^"]+)" alt="([^"]*)">', html)
        logo, colours = browser.get(address), browser.get(re.search(r'href="([^"]+couleurs[^"]+)"', html)[1])
        assert (alt, logo.content.decode(), logo["Content-Type"]) == (settings.UNIVERSITY_NAME, SVG, "image/svg+xml")
        assert colours.content.decode() == ":root { --identity: #8a1538; --on-identity: #fff; }\n"
        assert "max-age=31536000" in logo["Cache-Control"]
        assert "default-src 'none'" in logo["Content-Security-Policy"]
    settings.UNIVERSITY_LOGO, settings.UNIVERSITY_COLOUR = None, ""
    assert [browser.get(reverse(name)).status_code for name in ("logo", "colours")] == [404, 404]


@pytest.mark.django_db
def test_contacts_and_documentation_are_where_they_are_needed_once_set(request, mail_delivery):
    person = active_account()
    browser, shown = browser_of(person), []
    for is_set in (False, True):
        for path in ("/en/aide/", "/premiere-connexion/", "/compte/donnees/"):
            html = browser.get(path).content.decode()
            shown += ['href="mailto:drh@' in html, 'href="https://univ-exemple.fr/scolarite"' in html]
        queue_email(kind=Kind.ACCOUNT_ACTIVATED, person=person, address=person.recovery_address, language="fr")
        mail = mail_delivery.last_mail()
        shown += [
            "doc.univ" in browser.get("/").content.decode(),
            "doc.univ" in text_of(mail),
            "#8a1538" in html_of(mail),
        ]
        assert shown == [is_set] * 9
        shown.clear()
        if not is_set:
            request.getfixturevalue("own")


@pytest.mark.django_db
def test_an_announcement_is_on_every_page_in_its_language_without_a_restart_until_removed(monkeypatch, capsys):
    """INP-05, LOG-01, AVL-06: as text; the last known one stays while the database cannot be read."""
    monkeypatch.setattr(announcement, "CHECK_EVERY", 0)
    announcement.last_read.due_at = 0
    browser, (_agent, inside) = Client(raise_request_exception=False), verified_agent()

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
    for words, options in (([], {"en": "Only"}), (["x" * 501], {}), (["a\nb"], {}), (["a"], {"remove": True})):
        with pytest.raises(CommandError):
            call_command("banner", *words, **options)
    call_command("banner", remove=True)
    assert (shown(), Announcement.objects.count()) == ([""] * 4, 0)
    entries = JournalEntry.objects.filter(event=Event.ANNOUNCEMENT_CHANGED).order_by("pk")
    assert [entry.details["announcement"] for entry in entries] == [f"{FRENCH} / {ENGLISH}", "Tout marche.", ""]
    assert "Tout marche." in inside.get("/admin/journal/").content.decode()
    announcement.last_read.announcement = Announcement(text_fr="Panne.")
    monkeypatch.setattr(type(Announcement.objects), "first", Mock(side_effect=DatabaseError))
    assert shown() == ["fr Panne."] * 4
    assert Announcement.objects.first.call_count == 1, "not at each page"
