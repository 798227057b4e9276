"""The history of an account: everything that happened, in plain words, to its owner alone."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.history import SIGN_IN_EVENTS, Topic, history
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.templatetags.accounts import author, detail
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import browser_of, change_to, confirm, link_of, notice_of, report, wish
from tests.factories import active_account
from tests.fuzz import COMPUTED, EMAIL, N
from tests.locking import PROVEN

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture
def browser(person) -> Client:
    return browser_of(person)


def shown(browser: Client, **query: object) -> str:
    answer = browser.get(reverse("account-history"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(html: str) -> list[str]:
    """The text of each line of the table, its cells separated by « | »."""
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        " | ".join(
            " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)
        )
        for line in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def entry(person: Account, event: Event = Event.SIGNED_IN, **details: Any) -> JournalEntry:
    return record_event(account=person, actor=person, event=event, **details)


def many(person: Account, number: int, event: Event = Event.SIGNED_IN) -> None:
    start = timezone.now() - timedelta(days=1)
    JournalEntry.objects.bulk_create(
        JournalEntry(account=person, actor=person, event=event, at=start - timedelta(seconds=n), source="web")
        for n in range(number)
    )


class TestInPlainWords:
    def test_what_happened_when_by_whom_and_on_which_device(self):
        firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
        with time_machine.travel(datetime(2026, 11, 23, 13, 40, tzinfo=UTC)):
            browser = browser_of(active_account())
            browser.defaults["HTTP_USER_AGENT"] = firefox
            browser.post(reverse("account-language"), {"language": "en"})
            browser.post(reverse("account-language"), {"language": "fr"})
            [first, *_others] = rows(shown(browser))

        assert first.startswith("Langue choisie | 23 nov. 2026, 14 h 40 | Vous | Firefox")

    @pytest.mark.parametrize(
        ("event", "actor", "source", "said"),
        [
            (Event.SIGNED_IN, "self", "web", "Vous"),
            (Event.LOCKED, "agent", "web", "DSIN"),
            (Event.USER_UPDATED, None, "command", "Automatique"),
            (Event.SIGN_IN_FAILED, None, "web", "Inconnu"),
            (Event.LINK_REQUESTED, None, "worker", "Inconnu"),
            (Event.RECOVERY_ADDRESS_CHANGED, None, "web", "Lien reçu par e-mail"),
            (Event.CHANGE_DISOWNED, None, "web", "Lien reçu par e-mail"),
            (Event.PASSWORD_RESET, "self", "web", "Lien reçu par e-mail"),
        ],
    )
    def test_by_whom(self, person, event, actor, source, said):
        """Design §7: nobody is called « vous » who only held a link or typed an identifier."""
        actors = {"self": person, "agent": active_account(is_staff=True), None: None}
        written = JournalEntry(account=person, actor=actors[actor], event=event, source=source)

        assert author(written) == said

    @pytest.mark.parametrize(
        ("details", "said"),
        [
            ({}, ""),
            ({"address": "a@exemple.org"}, "a@exemple.org"),
            ({"previous": "a@exemple.org", "address": "b@exemple.org"}, "a@exemple.org → b@exemple.org"),
            ({"previous": "", "address": "b@exemple.org"}, "aucune → b@exemple.org"),
            ({"previous": "a@exemple.org", "target": "a@exemple.org", "keep_copy": True}, "a@exemple.org"),
            ({"previous": "", "target": "b@exemple.org"}, "aucune → b@exemple.org"),
            ({"previous": "a@exemple.org", "previous_proven": True}, "a@exemple.org"),
            ({"old": "a@exemple.org", "new": "b@exemple.org"}, "a@exemple.org → b@exemple.org"),
            ({"proposed": "b@exemple.org"}, "b@exemple.org"),
            ({"fields": ["family_name", "phone", "gone"]}, "nom, téléphone connu des RH, gone"),
            ({"version": "2026-09"}, "2026-09"),
            ({"device": "Firefox (Linux)"}, "Firefox (Linux)"),
            ({"entry": 12, "changed": "recovery_address_changed"}, ""),
            ({"sessions": 3}, ""),
        ],
    )
    def test_what_exactly(self, person, details, said):
        assert detail(JournalEntry(account=person, event=Event.SIGNED_IN, details=details)) == said

    def test_every_event_has_words(self, person, browser):
        for event in Event:
            entry(person, event)
        html = "".join(shown(browser, page=number) for number in range(1, 6))

        for event in Event:
            assert str(event.label) in unescape(html)
            assert f">{event.value}<" not in html

    def test_a_change_taken_back_reads_as_a_story(self, person, browser):
        """HLP-07: each step says who."""
        change = wish(person)
        confirm(link_of(change))
        changed = person.journal.get(event=Event.RECOVERY_ADDRESS_CHANGED)
        report(notice_of(changed))
        person.locks.update(released_at=timezone.now(), **PROVEN)

        story = [line.replace(" | ", "|").split("|") for line in rows(shown(browser_of(person), sujet="changements"))]

        assert [(line[0], line[2]) for line in story[:5]] == [
            ("Compte bloqué", "Lien reçu par e-mail"),
            (f"Ancienne adresse de secours rétablie {person.recovery_address}", "Lien reçu par e-mail"),
            ("Signalement : « ce n’était pas moi »", "Lien reçu par e-mail"),
            (f"Adresse de secours changée {person.recovery_address} → {change.new_address}", "Lien reçu par e-mail"),
            (f"Changement d’adresse de secours demandé {change.new_address}", "Vous"),
        ]


class TestMails:
    @pytest.mark.parametrize("status", Status)
    def test_with_their_fate(self, person, browser, status):
        """Design §7: the person's journal shows the fate of each mail."""
        wish(person)
        Message.objects.update(status=status, leased_until=timezone.now())

        [mail] = rows(shown(browser, sujet="e-mails"))

        assert mail.startswith(
            f"E-mail : Vérification de l’adresse de secours nouvelle@exemple.org · {status.label} | "
        )
        assert "Automatique" in mail

    def test_among_the_events_the_latest_first(self, person):
        with time_machine.travel(timezone.now() + timedelta(minutes=1)) as clock:
            browser = browser_of(person)
            clock.shift(60)
            wish(person)
            clock.shift(60)
            browser.post(reverse("account-language"), {"language": "en"})
            browser.post(reverse("account-language"), {"language": "fr"})
            lines = [line.split(" | ")[0] for line in rows(shown(browser))]

        assert lines[0].startswith("Langue choisie")
        assert any(line.startswith("E-mail") for line in lines[2:4])
        assert lines[4].startswith("Connexion")


class TestTopicsAndPages:
    def test_each_topic_shows_its_own(self, person, browser):
        entry(person, Event.LANGUAGE_CHOSEN)
        wish(person)
        count = {topic: len(history(account=person, topic=topic)) for topic in Topic}

        assert count[Topic.ALL] == count[Topic.SIGN_INS] + count[Topic.CHANGES] + count[Topic.MAILS]
        assert all("Connexion" in line for line in rows(shown(browser, sujet="connexions")))
        assert not any(line.startswith(("Connexion", "E-mail")) for line in rows(shown(browser, sujet="changements")))
        assert all(line.startswith("E-mail") for line in rows(shown(browser, sujet="e-mails")))

    def test_every_sign_in_event_is_told_from_a_change(self, person):
        for event in Event:
            entry(person, event)
        found = {line.entry.event for line in history(account=person, topic=Topic.SIGN_INS)[:100]}

        assert found == set(SIGN_IN_EVENTS)

    def test_an_empty_topic_says_so(self, browser):
        assert "Aucun évènement sur cette période." in shown(browser, sujet="e-mails")

    @pytest.mark.parametrize("topic", ["nimporte", "", "CONNEXIONS"])
    def test_an_unknown_topic_is_everything(self, browser, topic):
        """§17: N pack."""
        answer = browser.get(reverse("account-history"), {"sujet": topic})

        assert answer.status_code == 200
        assert re.search(r'<a href="/compte/historique/"\s+aria-current="page">Tout</a>', answer.content.decode())

    def test_twenty_a_page(self, person, browser):
        many(person, 44)
        html = [shown(browser, page=number) for number in (1, 2, 3)]

        total = len(history(account=person, topic=Topic.ALL))
        assert [len(rows(one)) for one in html] == [20, 20, total - 40]
        assert "Page 2 sur 3" in html[1]
        assert 'rel="prev"' in html[1]
        assert 'rel="next"' in html[1]
        found = history(account=person, topic=Topic.ALL)
        assert len({line.entry.pk for start in (0, 20, 40) for line in found[start : start + 20]}) == total

    @pytest.mark.parametrize(
        ("page", "shown_page"),
        [("0", 3), ("-1", 3), ("999", 3), ("9" * 30, 3), ("abc", 1), ("", 1), ("1.5", 1), ("\x00", 1), ("²", 1)],
    )
    def test_an_odd_page_number_shows_a_page(self, person, browser, page, shown_page):
        many(person, 44)

        assert f"Page {shown_page} sur 3" in shown(browser, page=page)

    def test_the_topic_is_kept_from_page_to_page(self, person, browser):
        many(person, 44)

        assert "?sujet=connexions&amp;page=2" in shown(browser, sujet="connexions")


class TestNobodyElse:
    def test_nothing_of_anybody_else_is_shown(self, person, browser):
        """ADM-01: IDOR."""
        stranger = active_account(recovery_address="autre@exemple.net")
        change_to(stranger, "secret@exemple.org")
        lock_account(account=stranger, reason=LockReason.PHISHING)

        for topic in Topic:
            html = shown(browser, sujet=topic.value, account=stranger.pk, person=stranger.pk)
            assert "secret@exemple.org" not in html
            assert "Compte bloqué" not in html

    def test_what_the_person_did_to_somebody_else_is_theirs(self, person):
        """An agent's own history holds what happened to their own account."""
        agent = active_account(is_staff=True)
        lock_account(account=person, reason=LockReason.PHISHING, actor=agent)

        assert "Compte bloqué" not in shown(browser_of(agent))

    def test_a_visitor_is_asked_to_sign_in(self):
        """ADM-01"""
        answer = Client().get(reverse("account-history"))

        assert (answer.status_code, answer["Location"]) == (302, "/connexion/?next=/compte/historique/")


class TestHostileValues:
    @pytest.mark.parametrize("value", [v for v in N.values() if isinstance(v, str) and ("<" in v or "{" in v)])
    def test_what_was_stored_earlier_is_shown_as_text(self, person, browser, value):
        """INP-01: an address, a device and a mail of before a rule was made stricter."""
        for key in ("address", "target", "version", "proposed", "fields"):
            entry(person, Event.CHARTER_ACCEPTED, **{key: [value] if key == "fields" else value})
        JournalEntry.objects.create(account=person, event=Event.SIGNED_IN, source="web", device=value[:100])
        Message.objects.create(kind=Kind.ACTIVATION, person=person, address=value[:254])

        html = shown(browser)

        for markup in ("<script>alert", "<img src=x", "<svg/onload"):
            assert markup not in html
        assert COMPUTED not in html

    @pytest.mark.parametrize("address", [one for one, _wanted in EMAIL if "\x00" not in one])
    def test_an_address_is_only_an_address(self, person, browser, address):
        entry(person, Event.RECOVERY_ADDRESS_CHANGED, previous=address, address=address[::-1])

        assert "<script>alert" not in shown(browser)

    @pytest.mark.parametrize(
        "details", [[], "texte", None, 3, {"address": {"a": 1}}, {"fields": "nom"}, {"fields": None}]
    )
    def test_details_of_an_odd_shape_are_no_error(self, person, browser, details):
        JournalEntry.objects.create(account=person, event=Event.SIGNED_IN, source="web", details=details or {})

        assert any("Connexion" in row for row in rows(shown(browser)))


class TestSpeed:
    def test_ten_thousand_events_cost_the_queries_of_one(self, person, browser):
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                shown(browser)
            return len(captured)

        wish(person)
        shown(browser)
        few = queries()
        many(person, 10_000)

        assert queries() == few <= 6

    def test_a_name_that_the_portal_has_is_looked_up_once(self, person, browser):
        """The agents behind twenty lines come with them."""
        agents = [active_account(is_staff=True) for _ in range(5)]
        for agent in agents:
            record_event(account=person, actor=agent, event=Event.LOCKED)
        with CaptureQueriesContext(connection) as captured:
            html = shown(browser)

        assert len(captured) <= 6
        assert not any(agent.full_name in html for agent in agents)


def test_the_origin_of_an_event_is_kept(person):
    """LOG-01"""
    with use_request_context(
        RequestContext(source="web", client_address="203.0.113.9", device="Firefox", request_id="x")
    ):
        written = entry(person)

    assert (written.client_address, written.device) == ("203.0.113.9", "Firefox")
