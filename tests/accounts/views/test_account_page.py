"""« Votre compte informatique », its language and history; no private page is about another account (ADM-01)."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import zip_longest

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.enums import Category, LockReason
from accounts.history import SIGN_IN_EVENTS, Topic, history
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressChange, Session
from accounts.templatetags.accounts import author, detail
from activation.models import Charter
from core.request_context import RequestContext, use_request_context
from devtools.messages import read_catalogue
from directory.services import record_directory_consent
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to, wish
from tests.activation.wizard.client import everything_about
from tests.factories import active_account, reloaded
from tests.fuzz import COMPUTED, N
from tests.fuzz.routes import routes
from tests.signing_in import browser_of, submit_login

pytestmark = pytest.mark.django_db

BY_LINK = "Lien reçu par e-mail"
MARKUP = ("<script>alert", "<img src=x", "<svg/onload", COMPUTED)


def missing(browser: Client, *texts: str) -> list[str]:
    html = browser.get(reverse("account")).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    return [text for text in texts if text not in html]


class TestThePage:
    def test_shows_what_is_in_force_and_what_is_pending(self, person, browser):
        known = (person.full_name, person.login, person.recovery_address, person.mailbox.address, "Vérifiée")
        assert not missing(browser, *known, "Vous n’y figurez pas", "Français")
        assert missing(browser, "est à confirmer")
        wish(person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        recovery = ("Votre nouvelle adresse de secours est à confirmer", "nouvelle@exemple.org", known[2])
        redirection = ("Votre redirection n’est pas encore active", reverse("redirection-verification-resend"))
        assert not missing(browser, *recovery, *redirection)
        change_to(person, "seconde@exemple.org")
        change_redirection(account=reloaded(person), target="seconde@exemple.org", keep_copy=False)
        record_directory_consent(account=person, listed=True, wording="?")
        Account.objects.filter(pk=person.pk).update(language="en", recovery_address="seconde@exemple.org")
        changed = ("seconde@exemple.org", "Vous y figurez", "Sans copie dans votre boîte universitaire.", "English")
        assert not missing(browser, *changed)

    def test_shows_what_suits_the_account(self):
        mailbox, agents = ("Boîte universitaire", "Redirection", "Messagerie"), f'href="{reverse("admin:index")}"'
        for category in (Category.STUDENT, Category.HOSTED):
            student = browser_of(active_account(category=category, recovery_address=""))
            assert missing(student, *mailbox, agents) == [*mailbox, agents], category
            assert not missing(student, "Ajoutez une adresse de secours", "Manquante")
        assert not missing(browser_of(active_account(is_staff=True)), agents)

    def test_shows_the_login_before_this_one(self, time_machine):
        """LOG-04: a login at night is seen in the morning; the first one says since when the account is active."""
        time_machine.move_to(datetime(2026, 11, 23, 2, 12, tzinfo=UTC))
        person = active_account()
        assert missing(browser_of(person), "Actif depuis le", "Connexion précédente") == ["Connexion précédente"]
        time_machine.move_to(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
        assert not missing(browser_of(person), "Connexion précédente", "23 novembre 2026 à 3 h 12")


class TestTheLanguage:
    def test_is_that_of_pages_and_mails(self, person, browser, mail_delivery):
        """SES-07, INP-01: the same choice again, an invalid one or a GET write nothing to the journal."""
        french = ("/compte/", "Nos pages et nos e-mails seront en français.")
        english = ("/en/compte/", '<html lang="en">')
        for language, (wanted, text) in (("en", english), ("en", english), ("fr", french), ("en", english)):
            answer = browser.post(reverse("account-language"), {"language": language}, follow=True)
            assert answer.redirect_chain == [(wanted, 302)]
            assert text in answer.content.decode()
            assert reloaded(person).language == language
        wish(person)
        assert mail_delivery.last_mail()["Content-Language"] == "en"
        browser.get("/compte/")
        browser.get(reverse("account-language"), {"language": "fr"})
        for value in ("", "de", "FR", "fr ", "fr\x00"):
            assert browser.post(reverse("account-language"), {"language": value}).status_code in (200, 400), value
        assert reloaded(person).language == "en"
        entries = person.journal.filter(event=Event.LANGUAGE_CHOSEN).order_by("pk")
        assert [entry.details["language"] for entry in entries] == ["en", "fr", "en"]
        assert {entry.actor for entry in entries} == {person}

    def test_is_that_of_the_pages_after_the_next_login_unless_english_ones_were_chosen(self, person):
        for language, requested, destination in (
            ("en", "", "/en/compte/"),
            ("en", "/compte/historique/?sujet=e-mails&page=2", "/en/compte/historique/?sujet=e-mails&page=2"),
            ("fr", "/en/compte/donnees/", "/en/compte/donnees/"),
            ("fr", "https://evil.example/", "/compte/"),
        ):
            Account.objects.filter(pk=person.pk).update(language=language)
            with translation.override("en" if requested.startswith("/en/") else "fr"):
                assert submit_login(Client(), person, next=requested)["Location"] == destination, requested


def history_page(browser: Client, **query: object) -> str:
    answer = browser.get(reverse("account-history"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(html: str) -> list[str]:
    """The text of each line of the table, its cells separated by « | »."""
    body = re.sub(r"</t[hd]>\s*<t[hd][^>]*>", " | ", html.partition("<tbody>")[2].partition("</tbody>")[0])
    lines = (unescape(re.sub(r"<[^>]+>", " ", line)) for line in body.split("</tr>")[:-1])
    return [" ".join(line.split()) for line in lines]


class TestTheHistory:
    def test_says_what_happened_when_by_whom_and_on_which_device(self, time_machine):
        """LOG-01, HLP-07: newest first, events and mails."""
        time_machine.move_to(datetime(2026, 11, 23, 13, 40, tzinfo=UTC))
        person = active_account()
        browser = browser_of(person)
        time_machine.shift(60)
        change_to(person)
        time_machine.shift(60)
        with use_request_context(RequestContext("web", client_address="203.0.113.9", device="Firefox", request_id="x")):
            record_event(account=person, actor=person, event=Event.LANGUAGE_CHOSEN)
        lines = rows(history_page(browser))
        assert lines[0].startswith("Langue choisie | 23 nov. 2026, 14 h 42 | Vous | Firefox")
        change = f"Adresse de secours changée {person.recovery_address} → nouvelle@exemple.org"
        assert any(line.startswith(change) for line in lines[1:5])
        assert any(line.startswith("E-mail") for line in lines[1:5])
        assert any(line.startswith("Connexion") for line in lines[-5:])

    def test_names_the_author_and_shows_the_details_of_an_entry(self, person):
        """« Vous » is a session of the account, not a link or a typed login."""
        agent = active_account(is_staff=True)
        for event, actor, source, details, shown in (
            (Event.SIGNED_IN, person, "web", {"device": "Firefox (Linux)"}, ("Vous", "Firefox (Linux)")),
            (Event.LOCKED, agent, "web", {"entry": 12, "changed": "address", "sessions": 3}, ("DSIN", "")),
            (Event.USER_UPDATED, None, "command", {"fields": ["family_name", "gone"]}, ("Automatique", "nom, gone")),
            (Event.SIGN_IN_FAILED, None, "web", {"version": "2026-09"}, ("Inconnu", "2026-09")),
            (Event.LINK_REQUESTED, None, "worker", {"previous": "", "address": "b@x"}, ("Inconnu", "aucune → b@x")),
            (Event.CHANGE_DISOWNED, None, "web", {"previous": "a@x", "target": "a@x"}, (BY_LINK, "a@x")),
            (Event.PASSWORD_RESET, person, "web", {"old": "a@x", "new": "b@x"}, (BY_LINK, "a@x → b@x")),
        ):
            entry = JournalEntry(account=person, actor=actor, event=event, source=source, details=details)
            assert (author(entry), detail(entry)) == shown, event

    def test_is_text_whatever_was_stored(self, person, browser):
        """INP-01: values stored before a rule was made stricter, and details of an unexpected shape."""
        values = [value for value in N.values() if isinstance(value, str) and ("<" in value or "{" in value)]
        for value in values:
            for key in ("address", "previous", "target", "version", "proposed", "fields"):
                details = {key: [value] if key == "fields" else value}
                record_event(account=person, event=Event.CHARTER_ACCEPTED, **details)
            JournalEntry.objects.create(account=person, event=Event.SIGNED_IN, source="web", device=value[:100])
            Message.objects.create(kind="activation", person=person, address=value[:254])
        for details in ("texte", 3, {"address": {"a": 1}}, {"fields": "nom"}, {"fields": None}):
            JournalEntry.objects.create(account=person, event=Event.SIGNED_IN, source="web", details=details)
        for number in range(1, len(history(account=person, topic=Topic.ALL)) // 20 + 2):
            html = history_page(browser, page=number)
            assert not any(markup in html for markup in MARKUP), number
        for value in values:
            Account.objects.filter(pk=person.pk).update(given_name=value[:100], recovery_address=value[:254])
            assert missing(browser, *MARKUP) == list(MARKUP), value

    def test_has_words_for_every_event_and_every_status_of_a_mail_and_filters_by_topic(self, person, browser):
        assert "Aucun évènement sur cette période." in history_page(browser, sujet="e-mails")
        for event in Event:
            record_event(account=person, actor=person, event=event)
        wish(person)
        html = unescape("".join(history_page(browser, page=number) for number in range(1, 6)))
        assert [event for event in Event if str(event.label) not in html or f">{event.value}<" in html] == []
        for status in Status:
            Message.objects.update(status=status, leased_until=timezone.now())
            [mail] = rows(history_page(browser, sujet="e-mails"))
            subject = "E-mail : Vérification de l’adresse de secours nouvelle@exemple.org"
            assert mail.startswith(f"{subject} · {status.label} | "), status
        shown = {topic: history(account=person, topic=topic)[:200] for topic in Topic}
        assert {line.entry.event for line in shown[Topic.SIGN_INS]} == set(SIGN_IN_EVENTS)
        assert not {line.entry.event for line in shown[Topic.CHANGES]} & set(SIGN_IN_EVENTS)
        assert len(shown[Topic.ALL]) == sum(len(shown[topic]) for topic in (Topic.SIGN_INS, Topic.CHANGES, Topic.MAILS))

    def test_has_no_french_word_in_english(self, person, browser):
        fields = [field.name for field in Account._meta.fields]
        for event in Event:
            for actor, source in ((person, "web"), (None, "web"), (None, "worker"), (active_account(), "web")):
                details = {"fields": fields} if actor else {"previous": "", "address": "a@exemple.net"}
                JournalEntry.objects.create(account=person, actor=actor, event=event, source=source, details=details)
        for kind, status in zip_longest(Kind, Status, fillvalue=Status.QUEUED):
            lease = timezone.now() if status == Status.SENDING else None
            Message.objects.create(kind=kind, status=status, person=person, address="a@exemple.net", leased_until=lease)
        french = {each.id for each in read_catalogue() if each.id and each.string != each.id}
        address, count = f"/en{reverse('account-history')}", len(history(account=person, topic=Topic.ALL))
        for page in range(1, count // 20 + 2):
            html = unescape(browser.get(address, {"page": page}).content.decode())
            words = {" ".join(part.split()) for part in re.split(r"<[^>]+>|, | · | → |: ", html)}
            assert words & (french - {"Français"}) == set()

    def test_has_twenty_entries_and_keeps_the_topic_from_page_to_page(self, person, browser):
        moments = [timezone.now() - timedelta(days=1, seconds=number) for number in range(44)]
        entries = (JournalEntry(account=person, event=Event.SIGNED_IN, at=moment, source="web") for moment in moments)
        JournalEntry.objects.bulk_create(entries)
        found = history(account=person, topic=Topic.ALL)
        assert [len(rows(history_page(browser, page=page))) for page in (1, 2, 3)] == [20, 20, len(found) - 40]
        second = history_page(browser, sujet="connexions", page=2)
        for text in ("Page 2 sur 3", 'rel="prev"', 'rel="next"', "?sujet=connexions&amp;page=3"):
            assert text in second


def rows_of(account: Account) -> list[object]:
    more = (model.objects.filter(account=account).order_by("pk") for model in (RecoveryAddressChange, Session))
    return [everything_about(account), *(list(rows.values()) for rows in more)]


class TestOwnership:
    """ADM-01: on every private page of the URLconf."""

    @pytest.fixture
    def other(self) -> Account:
        """An account with one row of everything."""
        names = {"given_name": "Zébulon", "family_name": "Quetzalcoatl", "recovery_address": "zebulon@exemple.net"}
        address = "zebulon.quetzalcoatl@univ-exemple.fr"
        account = active_account(**names, institutional_address=address, phone="+33611223344", ine="0123456789A")
        change_to(account, "seconde-de-zebulon@exemple.org")
        wish(account, "attente-de-zebulon@exemple.org")
        change_redirection(account=reloaded(account), target="redirige-de-zebulon@exemple.org", keep_copy=True)
        browser_of(account)
        return reloaded(account)

    def test_no_page_shows_anything_of_another_account(self, other, browser):
        agent = active_account(is_staff=True)
        lock_account(account=other, reason=LockReason.PHISHING, actor=agent)
        assert "Compte bloqué" not in history_page(browser_of(agent))
        secrets = ("Compte bloqué", "Zébulon", "Quetzalcoatl", "-de-zebulon@", other.login, other.uid, other.phone)
        secrets += (other.ine,)
        # The agents' site has tests of its own.
        private = [route for route in routes() if route.is_closed and not route.arguments and ":" not in route.name]
        views = {reverse(route.name): getattr(route.pattern.callback, "view_class", None) for route in private}
        pages = [path for path, view in views.items() if "get" in getattr(view, "http_method_names", ["get"])]
        assert len(pages) >= 12
        query = f"?account={other.pk}&id={other.pk}&pk={other.pk}&login={other.login}&uid={other.uid}"
        for address in pages:
            for tried in ("", query):
                html = browser.get(address + tried, follow=True).content.decode()
                html = html.replace(tried.partition("?")[2].replace("&", "&amp;"), "")
                assert not [secret for secret in secrets if secret in html and secret not in tried], address
        # A charter that was accepted by others only.
        texts = dict.fromkeys(("text_fr", "text_en", "key_points_fr", "key_points_en"), "x")
        Charter.objects.create(version="secrète", published_at=timezone.now(), **texts)
        assert browser.get(reverse("account-charter-version", args=["secrète"])).status_code == 404

    def test_no_form_changes_anything_of_another_account(self, other, person):
        before, named = rows_of(other), {"account": other.pk, "pk": other.pk, "id": other.pk, "login": other.login}
        for name, fields in {
            "account-recovery": {"address": "intrus@exemple.org"},
            "account-recovery-resend": {},
            "account-recovery-cancel": {},
            "account-language": {"language": "en"},
            "account-directory": {"listed": "yes", "understood": "on"},
            "account-redirection": {"target": "intrus@exemple.org"},
            "account-redirection-stop": {},
            "redirection-verification-resend": {},
            "account-sessions-end-others": {},
            "account-sessions-end-all": {},
            "account-data-copy": {},
        }.items():
            browser_of(person).post(reverse(name), {**fields, **named})
            assert rows_of(other) == before, name
