"""No text of visitors, HR or agents runs in an agent's browser (INP-05); right-to-left text is isolated (INP-02).

First each state of each page with hostile text in every row, past the forms' checks, or in its own form. Then every
address of the agents' area, after hostile text was sent through every form.
"""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import cycle
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, models, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Dialog

from accounts.models import Account, Session
from agents import urls
from agents.roles import Role
from assistance.models import AssistanceRequest
from tests.accounts.recovery.recovering import proposed
from tests.agents.charter_drafts import the_draft
from tests.agents.hr_imports import imported, previewed
from tests.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import form_data
from tests.browser.screens import Screen, open_screen
from tests.browser.visitor import IN_BROWSER
from tests.factories import active_account
from tests.fuzz import COMPUTED, N
from tests.hr_feed.hr_files import another, text_of
from tests.memory import clear_redis
from tests.pages import Page, PageRequest

pytestmark = [*IN_BROWSER, pytest.mark.django_db]

ALL = {**AGENT_PAGES, **AGENT_REFUSALS}
SCRIPTS = [N[name] for name in ("N09", "N10", "N11", "N12", "N13", "N14", "N15")]
EVERYTHING = " ".join(SCRIPTS)
#: Elements and attributes that no template has: foreign images, handlers, scripts, links that run.
INJECTED = """() => [...document.querySelectorAll("*")].filter(element =>
    [...element.attributes].some(({name, value}) =>
        name.startsWith("on") || /^\\s*(javascript:|vbscript:|data:(?!text.plain))/i.test(value)) ||
    element.matches("script:not([src]), iframe, object, embed, base, style, img:not([src^='/static/'])")
).map(element => element.outerHTML.slice(0, 200))"""
#: Hebrew outside an element that isolates it (HTML: bdi).
NOT_ISOLATED = """() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (texts.nextNode()) {
        const {data, parentElement} = texts.currentNode;
        if (/[\\u0590-\\u05ff]/.test(data) && !parentElement.closest("bdi, [dir=auto], option, textarea")) found.push(data);
    }
    return found.map(text => `not isolated: ${text.trim().slice(0, 200)}`);
}"""
#: What Chromium writes when a calendar is given something else to show.
NO_DATE = "The specified value "
APPS = ("accounts", "activation", "agents", "assistance", "directory", "hr_feed", "journal", "mailrouting", "outbox")
#: Text that decides what a row is, or what is compared with it, instead of being shown.
MEANINGFUL = {"password", "source", "contact_address"}
#: Names, and what people write in sentences; it begins with a letter that is read from the right.
IN_ANY_ALPHABET = {"given_name", "family_name", "employer", "description", "availability"}
IN_ANY_ALPHABET |= {"note", "report", "comment", "file_name"}
ALEF = "\u05d0"
#: What agents and systems may have written into the details of an entry of the journal.
DETAILS = {"reason": ALEF + EVERYTHING, "system": SCRIPTS[0], "comment": ALEF + SCRIPTS[1]}


class Guarded(Screen):
    """Notes dialogs, policy violations and injected elements."""

    def opens(self, address: str, answer: HttpResponse) -> list[str]:
        """What there is to complain about the page; nothing for a file or a redirect, which no browser shows."""
        assert answer.status_code < 500
        assert answer["X-Content-Type-Options"] == "nosniff"
        # Read to its end, which is what closes a file.
        is_page = answer["Content-Type"].startswith("text/html") and answer.status_code not in (302, 405)
        if not answer.getvalue() or not is_page:
            return []
        self.show(address, answer)
        self.page.locator("h1").first.wait_for()
        self.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        injected: list[str] = self.page.evaluate(INJECTED)
        computed = [COMPUTED] if COMPUTED in self.page.inner_text("body") else []
        troubles, self.troubles = [one for one in self.troubles if not one.startswith(NO_DATE)], []
        return [*troubles, *injected, *computed, *self.page.evaluate(NOT_ISOLATED)]

    def note_dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="module")
def screen(chromium: Browser) -> Iterator[Guarded]:
    for shown in open_screen(chromium, has_scripts=True, kind=Guarded):
        shown.context.on("dialog", shown.note_dialog)
        yield shown


def fill_rows() -> None:
    """Fill whatever rows there are with hostile text, past every check but those of the database itself."""
    values = cycle(SCRIPTS)
    with connection.cursor() as cursor:
        # Without the triggers of append-only tables.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in apps.get_models():
            if model._meta.app_label in APPS and model is not Session and model._base_manager.exists():
                for field in filter(is_free_text, model._meta.concrete_fields):
                    fill_column(model, field, values)
        cursor.execute("UPDATE journal_journalentry SET details = details || %s", [json.dumps(DETAILS)])
        cursor.execute("SET LOCAL session_replication_role = origin")


def is_free_text(field: Any) -> bool:
    is_text = isinstance(field, models.CharField | models.TextField)
    return is_text and not field.choices and not field.unique and field.name not in MEANINGFUL


def fill_column(model: type[models.Model], field: Any, values: Iterator[str]) -> None:
    longest = field.max_length or 10_000
    value = EVERYTHING if len(EVERYTHING) < longest else next(values)
    value = ALEF + value if field.name in IN_ANY_ALPHABET else value
    try:
        with transaction.atomic():
            model._base_manager.update(**{field.name: value[:longest]})
    except IntegrityError:
        # A constraint refuses the value.
        return


def prepared(page: Page) -> tuple[Client, PageRequest]:
    clear_redis()
    browser = Client()
    return browser, page(browser)


def test_each_page_shows_hostile_text_as_text(screen: Guarded):
    """INP-02, INP-05"""
    found = {}
    for name in ALL:
        with transaction.atomic():
            found[name] = complaints_about(name, screen)
            transaction.set_rollback(True)
    assert {name: complaints for name, complaints in found.items() if complaints} == {}


def complaints_about(name: str, screen: Guarded) -> list[str]:
    browser, ask = prepared(ALL[name])
    fill_rows()
    if ask.data:
        typed = {field: EVERYTHING if isinstance(value, str) else value for field, value in ask.data.items()}
        answer = browser.post(ask.path, typed)
    else:
        answer = ask.send(browser)
    return screen.opens(ask.path, answer)


@pytest.mark.parametrize("value", SCRIPTS[:3])
def test_unescaped_text_is_reported(value: str, screen: Guarded):
    browser, ask = prepared(AGENT_PAGES["accounts"])
    answer = ask.send(browser)
    answer.content = answer.content.replace(b"<h1", value.encode() + b"<h1")
    assert screen.opens(ask.path, answer) != []


class Forms(HTMLParser):
    """The forms of a page that send something, each with its address and a hostile answer to every question."""

    def __init__(self, html: str, address: str) -> None:
        super().__init__()
        self.address = address
        self.forms: list[tuple[str, dict[str, Any]]] = []
        self._select: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((facts.get("action", self.address), {"method": facts.get("method", "get")}))
        elif self.forms and tag == "select":
            self._select = facts["name"]
        elif self.forms and tag == "option" and self._select and facts["value"]:
            self.forms[-1][1].setdefault(self._select, facts["value"])
        elif self.forms and tag in ("input", "textarea") and "name" in facts:
            self._answer(facts["name"], facts.get("type", "text"), facts.get("value", "on"), facts.get("maxlength"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None

    def _answer(self, name: str, kind: str, value: str, longest: str | None) -> None:
        sent = self.forms[-1][1]
        if kind == "hidden":
            sent[name] = value
        elif kind == "radio":
            sent.setdefault(name, value)
        elif kind == "checkbox":
            sent.setdefault(name, []).append(value)
        elif kind == "file":
            sent[name] = hostile_file()
        else:
            is_short = longest is not None and int(longest) < len(EVERYTHING)
            sent[name] = SCRIPTS[0] if is_short or kind in ("search", "date") else EVERYTHING


#: Whose addresses they are, by the first word of their names. A new one has to be added here.
Subjects = dict[str, int | str]
#: Forms that would end the walk: signing out, another charter that everybody has to accept first.
SKIPPED = {"/deconnexion/", "charter-publish"}


def hostile_file() -> SimpleUploadedFile:
    rows = [another(n, family_name=value, employer=value, hr_id=value) for n, value in enumerate(SCRIPTS, 900)]
    good = [another(n, employer=value) for n, value in enumerate(SCRIPTS, 950)]
    return SimpleUploadedFile(f"{SCRIPTS[1]}.csv", text_of(*rows, *good).encode(), content_type="text/csv")


def send_hostile_text(agent: Account) -> Subjects:
    imported(*(another(n, employer=value) for n, value in enumerate(SCRIPTS, 1)), agent=agent)
    person = active_account(employer=Account.objects.get(hr_id="HR1").employer, phone="+33467123456")
    for value in SCRIPTS:
        clear_redis()
        anonymous = Client(headers={"User-Agent": value})
        anonymous.post(reverse("login"), {"login": person.login, "password": value})
        answers = form_data(login=person.login, description=value, availability=value)
        assert anonymous.post(reverse("assistance"), answers).status_code == 302
    assert AssistanceRequest.objects.filter(account=person).count() == len(SCRIPTS)
    refused = [another(n, hr_id=f"Z{n}", given_name=value) for n, value in enumerate(SCRIPTS, 800)]
    return {
        "account": person.pk,
        "request": AssistanceRequest.objects.earliest("pk").reference,
        "agent": an_agent().pk,
        "address": proposed(active_account(), an_agent(Role.RESPONSABLES)).pk,
        "import": previewed(*refused, name=f"{SCRIPTS[1]}.csv").pk,
        "charter": the_draft().pk,
    }


def addresses(subjects: Subjects) -> dict[str, str]:
    found = {}
    for pattern in urls.urlpatterns:
        about = [subjects[pattern.name.partition("-")[0]]] if pattern.pattern.converters else []
        found[pattern.name] = reverse(f"admin:{pattern.name}", args=about)
    return found


def test_hostile_text_sent_through_forms_runs_nowhere(screen: Guarded):
    agent, browser = verified_agent(Role.RESPONSABLES)
    subjects = send_hostile_text(agent)
    complaints: dict[str, list[str]] = {}
    seen: set[str] = set()

    def show(name: str, address: str, answer: HttpResponse) -> None:
        complaints.setdefault(name, []).extend(screen.opens(address, answer))
        if not answer.streaming and "alert(1)" in screen.page.inner_text("body"):
            seen.add(name)

    for name, address in addresses(subjects).items():
        if name not in SKIPPED:
            for target, sent in forms_of(browser, address):
                clear_redis()
                show(name, target, browser.post(target, sent))
    # The agent has lost the role by then, and the draft was thrown away.
    subjects |= {"agent": an_agent().pk, "charter": the_draft().pk}
    for name, address in addresses(subjects).items():
        answer = browser.get(address)
        assert answer.status_code in (200, 302, 405), name
        show(name, address, answer)
    for name in ("accounts", "requests", "journal"):
        asked_for = dict.fromkeys(("q", "etat", "page", "compte", "personne", "profil", "du", "evenement"), EVERYTHING)
        show(name, reverse(f"admin:{name}"), browser.get(reverse(f"admin:{name}"), asked_for))

    assert {name: found for name, found in complaints.items() if found} == {}
    # Or nothing was shown at all.
    assert seen >= {"account", "request", "journal", "import"}


def forms_of(browser: Client, address: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each form of the page, once; those too that come up when another was sent."""
    done: set[str] = set()
    while True:
        answer = browser.get(address)
        if answer.status_code != 200 or answer.streaming:
            return
        waiting = [
            (target, {name: value for name, value in sent.items() if name not in ("method", "csrfmiddlewaretoken")})
            for target, sent in Forms(answer.content.decode(), address).forms
            if sent["method"] == "post" and target not in done | SKIPPED
        ]
        if not waiting:
            return
        done.add(waiting[0][0])
        yield waiting[0]
