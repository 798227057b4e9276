"""Whatever visitors, HR and agents have typed, nothing of it runs in an agent's browser (INP-05).

Pages are made here and shown in a browser at their address, with their headers. Each state of each page is shown with
rows full of hostile text, past every check of the forms, and with hostile text typed into its own form. Then one agent
walks over all pages, after everybody has typed such things into every form that they have.
"""

import json
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve
from playwright.sync_api import Browser, Dialog

from accounts.models import Session
from assistance.agents import urls
from tests.assistance.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.browser.test_every_page import PORTAL, Screen
from tests.browser.visitor import IN_BROWSER
from tests.hostile import COMPUTED, N
from tests.memory import forget_limits
from tests.pages import Ask, Page

pytestmark = [*IN_BROWSER, pytest.mark.django_db]

ALL = {**AGENT_PAGES, **AGENT_REFUSALS}
SCRIPTS = [N[name] for name in ("N09", "N10", "N11", "N12", "N13", "N14", "N15")]
EVERYTHING = " ".join(SCRIPTS)
#: What only tags would bring into a page of ours: pictures from elsewhere, handlers, scripts and links that run.
BROUGHT_IN = """() => [...document.querySelectorAll("*")].filter(element =>
    [...element.attributes].some(({name, value}) => name.startsWith("on") || /^\\s*(javascript:|vbscript:|data:(?!text.plain))/i.test(value)) ||
    element.matches("script:not([src]), iframe, object, embed, base, style, img:not([src^='/static/'])")
).map(element => element.outerHTML.slice(0, 200))"""
#: What agents and systems may have written into the details of an entry of the journal.
DETAILS = {"reason": EVERYTHING, "system": SCRIPTS[0], "comment": SCRIPTS[1]}
#: Text that decides what a row is, instead of being shown.
MEANINGFUL = {"password", "source"}
APPS = ("accounts", "activation", "assistance", "directory", "mailrouting", "outbox")


class Guarded(Screen):
    """A screen that notes each dialog, each breach of the policy, and what a page would hold of somebody else's tags."""

    def opens(self, address: str, answer: HttpResponse) -> list[str]:
        """What there is to complain about the page; nothing for a file or a redirect, which no browser shows."""
        assert answer.status_code < 500
        if answer.status_code in (301, 302, 303):
            return []
        if answer.streaming or "attachment" in answer.get("Content-Disposition", ""):
            assert answer["X-Content-Type-Options"] == "nosniff"
            return []
        self.show(address, answer)
        self.page.locator("h1").first.wait_for()
        self.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        brought_in: list[str] = self.page.evaluate(BROUGHT_IN)
        assert COMPUTED not in self.page.inner_text("body")
        troubles, self.troubles = self.troubles, []
        return [*troubles, *brought_in]

    def note_dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="module")
def screen(chromium: Browser) -> Iterator[Guarded]:
    context = chromium.new_context(base_url=PORTAL, reduced_motion="reduce")
    shown = Guarded(context, PORTAL, has_scripts=True)
    context.on("dialog", shown.note_dialog)
    shown.page.route("**/*", shown.serve)
    yield shown
    context.close()


def spoil() -> None:
    """Fill whatever rows there are with hostile text, past every check but those of the database itself."""
    values = cycle(SCRIPTS)
    with connection.cursor() as cursor:
        # What may never change would refuse to.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in apps.get_models():
            if model._meta.app_label in APPS and model is not Session:
                for field in model._meta.concrete_fields:
                    if is_free_text(field):
                        spoil_column(model, field, values)
        cursor.execute("UPDATE accounts_journalentry SET details = details || %s", [json.dumps(DETAILS)])
        cursor.execute("SET LOCAL session_replication_role = origin")


def is_free_text(field: Any) -> bool:
    is_text = isinstance(field, models.CharField | models.TextField)
    return is_text and not field.choices and not field.unique and field.name not in MEANINGFUL


def spoil_column(model: type[models.Model], field: Any, values: Iterator[str]) -> None:
    longest = field.max_length or 10_000
    value = EVERYTHING if len(EVERYTHING) <= longest else next(values)
    try:
        with transaction.atomic():
            model._base_manager.update(**{field.name: value[:longest]})
    except IntegrityError:
        # The database knows better than to hold it.
        return


def prepared(page: Page) -> tuple[Client, Ask]:
    forget_limits()
    browser = Client()
    return browser, page(browser)


@pytest.mark.parametrize("name", ALL)
def test_a_page_shows_hostile_text_as_text(name: str, screen: Guarded):
    browser, ask = prepared(ALL[name])
    spoil()
    assert screen.opens(ask.path, ask.by(browser)) == []
    if ask.sent:
        typed = {field: EVERYTHING if isinstance(value, str) else value for field, value in ask.sent.items()}
        assert screen.opens(ask.path, browser.post(ask.path, typed)) == []


def test_every_address_has_been_shown():
    """A page is looked at from the day it appears: add it to `tests/assistance/agents/pages.py`."""
    shown = {resolve(prepared(page)[1].path.partition("?")[0]).url_name for page in ALL.values()}
    assert {pattern.name for pattern in urls.urlpatterns} - shown == set()


@pytest.mark.parametrize("value", SCRIPTS[:3])
def test_what_would_not_be_escaped_would_be_noticed(value: str, screen: Guarded):
    browser, ask = prepared(AGENT_PAGES["accounts"])
    answer = ask.by(browser)
    answer.content = answer.content.replace(b"<main", value.encode() + b"<main")
    assert screen.opens(ask.path, answer) != []
