"""No text of visitors, HR or agents runs in an agent's browser (INP-05); right-to-left text is isolated (INP-02)."""

import json
from itertools import cycle

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Session
from agents.roles import Role
from tests.agents.hr_imports import imported, previewed
from tests.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.agents.signed_in import verified_agent
from tests.browser.inspection import Screen, check
from tests.browser.visitor import IN_BROWSER
from tests.fuzz import COMPUTED, N
from tests.hr_feed.hr_files import another
from tests.memory import clear_redis

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
APPS = ("accounts", "activation", "agents", "assistance", "directory", "hr_feed", "journal", "mailrouting", "outbox")
#: Text that decides what a row is, or what is compared with it, instead of being shown.
MEANINGFUL = {"password", "source", "contact_address"}
#: Names, and what people write in sentences; it begins with a letter that is read from the right.
IN_ANY_ALPHABET = {"given_name", "family_name", "employer", "description", "availability"}
IN_ANY_ALPHABET |= {"note", "report", "comment", "file_name"}
ALEF = "\u05d0"
#: What agents and systems may have written into the details of an entry of the journal.
DETAILS = {"reason": ALEF + EVERYTHING, "system": SCRIPTS[0], "comment": ALEF + SCRIPTS[1]}
QUESTIONS = ("q", "etat", "page", "compte", "personne", "profil", "du", "evenement")


def complaints(screen: Screen, address: str, answer: HttpResponse) -> list[str]:
    """Dialogs, violations of the policy, injected elements; none about a file or a redirect, which no browser shows."""
    assert answer.status_code < 500
    assert answer["X-Content-Type-Options"] == "nosniff"
    # Read to its end, which is what closes a file.
    if not answer.getvalue() or answer.status_code == 302 or not answer["Content-Type"].startswith("text/html"):
        return []
    screen.show(address, answer)
    screen.page.locator("h1").first.wait_for()
    check(screen.page, "openDetails")
    found = [*screen.page.evaluate(INJECTED), *screen.page.evaluate(NOT_ISOLATED)]
    found += [COMPUTED] if COMPUTED in screen.page.inner_text("body") else []
    troubles, screen.troubles = screen.troubles, []
    # What Chromium writes when a calendar is given another text to show.
    return [*found, *(trouble for trouble in troubles if not trouble.startswith("The specified value "))]


def fill_rows() -> None:
    """Fill whatever rows there are with hostile text, past every check but those of the database itself."""
    values = cycle(SCRIPTS)
    with connection.cursor() as cursor:
        # Without the triggers of append-only tables.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in apps.get_models():
            if model._meta.app_label not in APPS or model is Session or not model._base_manager.exists():
                continue
            for field in model._meta.concrete_fields:
                is_text = isinstance(field, models.CharField | models.TextField)
                if not is_text or field.choices or field.unique or field.name in MEANINGFUL:
                    continue
                longest = field.max_length or 10_000
                value = EVERYTHING if len(EVERYTHING) < longest else next(values)
                value = ALEF + value if field.name in IN_ANY_ALPHABET else value
                try:
                    with transaction.atomic():
                        model._base_manager.update(**{field.name: value[:longest]})
                except IntegrityError:
                    continue
        cursor.execute("UPDATE journal_journalentry SET details = details || %s", [json.dumps(DETAILS)])
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_each_page_shows_hostile_text_as_text(screen):
    """INP-02, INP-05: each state with hostile text in every row, past the forms' checks, or in its own form."""
    found, shown = {}, 0
    for name, page in ALL.items():
        clear_redis()
        with transaction.atomic():
            browser = Client()
            ask = page(browser)
            fill_rows()
            if ask.data:
                typed = {field: EVERYTHING if isinstance(value, str) else value for field, value in ask.data.items()}
                answer = browser.post(ask.path, typed)
            else:
                answer = ask.send(browser)
            found[name] = complaints(screen, ask.path, answer)
            shown += not answer.streaming and b"alert(1)" in answer.content
            transaction.set_rollback(True)
    assert {name: about for name, about in found.items() if about} == {}
    # Or the rows were filled with nothing that a page shows.
    assert shown > len(ALL) / 3


def test_what_a_list_is_asked_for_and_an_hr_file_are_shown_as_text_and_unescaped_text_is_reported(screen):
    _agent, browser = verified_agent(Role.RESPONSABLES)
    imported(*(another(n, employer=value) for n, value in enumerate(SCRIPTS, 1)))
    changed = [another(n, employer=f"{ALEF} {value}") for n, value in enumerate(SCRIPTS, 1)]
    refused = [another(n, hr_id=f"Z{n}", given_name=value) for n, value in enumerate(SCRIPTS, 800)]
    preview = previewed(*changed, *refused, name=f"{SCRIPTS[1]}.csv")
    addresses = [reverse(f"admin:{name}") for name in ("accounts", "requests", "journal")]
    for address in (*addresses, reverse("admin:import", args=[preview.pk])):
        answer = browser.get(address, dict.fromkeys(QUESTIONS, EVERYTHING))
        assert answer.status_code == 200
        assert complaints(screen, address, answer) == [], address
    assert ALEF in answer.content.decode()
    for value in SCRIPTS[:3]:
        answer = browser.get(address)
        answer.content = answer.content.replace(b"<h1", value.encode() + b"<h1")
        assert complaints(screen, address, answer) != [], value
