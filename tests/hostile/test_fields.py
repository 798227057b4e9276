"""Nasty inputs at everything that the pages ask for, found in the pages themselves: INP-01, INP-06, INP-07.

Each state of a page is made once; each value meets it in a savepoint of its own. All values go once into each field of
each form, and a mixture of them into each form of each state. The pages of people and of agents have no form in
common, so that each half stays in one process.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import resolve

from accounts.addresses import AddressRefused, canonical_address
from accounts.models import Account
from outbox.models import Message
from tests.assistance.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.hostile.reading import parameters_read
from tests.hostile.shown import CSRF, Field, Form, forms_of
from tests.hostile.throwing import EXTRA, MIXED, UNSEEN, Thrown, body_of, misshapen, mixed, thrown_at_each_field
from tests.hostile.watching import Done, complaints, cookies_of, give_cookies, watched
from tests.memory import forget_limits
from tests.pages import ACTS, PAGES, REFUSALS, Ask, Page

pytestmark = pytest.mark.django_db

PEOPLE = {**PAGES, **REFUSALS, **ACTS}
AGENTS = {**AGENT_PAGES, **AGENT_REFUSALS}
#: What has been thrown already in this process: views, and fields of views.
thrown_before: set[tuple[str, ...]] = set()


class Besieged:
    """One state of a page, and everything that is wrong with its answers."""

    def __init__(self, name: str, make: Page) -> None:
        forget_limits()
        self.name = name
        self.browser = Client()
        self.ask: Ask = make(self.browser)
        self.cookies = cookies_of(self.browser)
        self.accounts = {row["pk"]: row for row in Account.objects.values("pk", *columns())}
        self.failures: list[str] = []

    def request(self, method: str, path: str, thrown: Thrown, **more: Any) -> tuple[Done, "Effects"]:
        """Send it to the state as it was made, note what is wrong, and forget what it did."""
        forget_limits()
        give_cookies(self.browser, self.cookies)
        with transaction.atomic():
            address = f"{path}{'&' if '?' in path else '?'}{thrown.query}" if thrown.query else path
            done = watched(self.browser, method, address, thrown.body, content_type=thrown.content_type, **more)
            effects = Effects(done, self.accounts)
            self.note(method, path, thrown, complaints(done, *thrown.payloads))
            if done.response.status_code == 302:
                self.follow(done, method, path, thrown)
            transaction.set_rollback(True)
        return done, effects

    def follow(self, done: Done, method: str, path: str, thrown: Thrown) -> None:
        """What was taken is shown on the next page."""
        location = done.response["Location"]
        if location.startswith("/") and "/fournisseur/" not in location:
            self.note(method, path, thrown, complaints(watched(self.browser, "GET", location), *thrown.payloads))

    def note(self, method: str, path: str, thrown: Thrown, wrong: list[str]) -> None:
        self.failures += [f"{self.name} · {method} {path[:60]} · {thrown.name}: {what}" for what in wrong]


def columns() -> list[str]:
    return [field.attname for field in Account._meta.concrete_fields]


class Effects:
    """What one request did to accounts and mailboxes; looked at only where PostgreSQL has seen something written."""

    def __init__(self, done: Done, before: dict[int, dict[str, Any]]) -> None:
        self.tables = done.tables
        self.facts: set[str] = set()
        self.recipients: list[str] = []
        if "accounts_account" in done.written:
            for row in Account.objects.values("pk", *columns()):
                old = before.get(row["pk"], {})
                self.facts |= {name for name, value in row.items() if old.get(name) != value}
        if mails := done.mails():
            self.recipients = list(Message.objects.order_by("-pk").values_list("address", flat=True)[:mails])


def plausibly(form: Form) -> Thrown:
    return Thrown("plausible", (), body_of(list(form.answers().items())))


def attack_form(state: Besieged, form: Form) -> None:
    view = resolve(urlsplit(form.action).path).view_name
    send = partial(state.request, "POST", form.action)
    with parameters_read() as read:
        _done, usual = send(plausibly(form))
    for name in read - set(form.fields) - {"_method"}:
        form.fields[name] = Field(name, "hidden")
    _done, again = send(plausibly(form))
    for thrown in mixed(form):
        check(state, form, thrown, send(thrown)[1], usual)
    fields = {name for name in form.fields if name != CSRF and (view, name) not in thrown_before}
    for thrown in thrown_at_each_field(form, fields):
        check(state, form, thrown, send(thrown)[1], usual)
    thrown_before.update((view, name) for name in fields)
    if (view,) not in thrown_before:
        thrown_before.add((view,))
        attack_shape(state, form, usual)


def check(state: Besieged, form: Form, thrown: Thrown, effects: Effects, usual: Effects) -> None:
    """A value changes no more than a plausible one, and mails nobody else."""
    wrong = [f"writes {table}" for table in effects.tables - usual.tables]
    wrong += [f"changes {fact}" for fact in effects.facts - usual.facts]
    state.note("POST", form.action, thrown, wrong)


def attack_shape(state: Besieged, form: Form, usual: Effects) -> None:
    for thrown in misshapen(form):
        check(state, form, thrown, state.request("POST", form.action, thrown)[1], usual)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group("hostile people")) for n in PEOPLE])
def test_people(name):
    besiege(name, PEOPLE[name])


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group("hostile agents")) for n in AGENTS])
def test_agents(name):
    besiege(name, AGENTS[name])


def besiege(name: str, make: Page) -> None:
    state = Besieged(name, make)
    ask = state.ask
    if ask.sent is None:
        with parameters_read() as read:
            done, _ = state.request("GET", ask.path, Thrown("", (), b""))
        html = done.html
    else:
        forms = [Form(ask.path, "post", {n: Field(n, "hidden", value=str(v)) for n, v in ask.sent.items()})]
        body = body_of([(n, str(v)) for n, v in ask.sent.items()])
        done, _ = state.request("POST", ask.path, Thrown("as asked", (), body))
        html = done.html
        attack_form(state, forms[0])
    for form in forms_of(html, ask.path):
        if form.method == "post":
            attack_form(state, form)
    assert not state.failures, "\n" + "\n".join(dict.fromkeys(state.failures))
