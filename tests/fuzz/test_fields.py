"""Nasty inputs at everything that the pages ask for, found in the pages themselves: INP-01, INP-06, INP-07, SES-07; and
the headers and cookies of every answer on the way: HDR-02, HDR-03, HDR-04, SES-06.
Each answer has the headers and cookies of HDR-02 to HDR-04 and SES-06, each form is ours alone (SES-07).

Every state of `tests/pages.py` and of the agents' pages is made once. A mixture of nasty values goes into each query and
each form of each state; every value of the packs goes once into each parameter and each field of each address, and each
form is sent once in every way in which a browser would not. What a page reads without showing it is found as well. The
pages of people and those of agents have no form in common, so that each half stays in one process. Every other state of
a page of people is in English, which is the same page with other words around what was typed.
"""

from functools import partial
from itertools import cycle
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.urls import resolve
from django.utils import translation

from core.email_addresses import InvalidAddress, canonical_address
from tests.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.fuzz.fuzzing import JOURNAL, Effects, FuzzedPage
from tests.fuzz.reading import parameters_read
from tests.fuzz.requests import (
    EXTRA,
    PACKS,
    Payload,
    as_another_site,
    body_of,
    in_the_query,
    misshapen,
    mixed,
    thrown_at_each_field,
    unreadable,
)
from tests.fuzz.shown import CHOICES, CSRF, Field, Form, Inline, forms_of
from tests.pages import ACTIONS, PAGES, REFUSALS, Page

pytestmark = pytest.mark.django_db

PEOPLE = {**PAGES, **REFUSALS, **ACTIONS}
AGENTS = {**AGENT_PAGES, **AGENT_REFUSALS}
AGENTS_AREA = "/admin/"
NOTHING = Payload("as asked", (), b"")
#: What has been thrown already in this process: addresses, and their fields and parameters.
thrown_before: set[tuple[str, ...]] = set()


@pytest.mark.parametrize(
    ("name", "language"),
    [
        pytest.param(*one, marks=pytest.mark.xdist_group("hostile people"))
        for one in zip(PEOPLE, cycle(("fr", "en")), strict=False)
    ],
)
def test_nothing_that_is_typed_harms_a_page_of_the_portal(name, language):
    with translation.override(language):
        besiege(name, PEOPLE[name])


@pytest.mark.parametrize("name", [pytest.param(one, marks=pytest.mark.xdist_group("hostile agents")) for one in AGENTS])
def test_nothing_that_is_typed_harms_a_page_of_the_agents(name):
    besiege(name, AGENTS[name])


def besiege(name: str, make: Page) -> None:
    state = FuzzedPage(name, make)
    path, sent = state.ask.path, as_text(state.ask.data or {})
    html = attack_query(state, path) if state.ask.data is None else as_asked(state, path, sent)
    if name in ACTIONS and sent:
        attack_form(state, Form(path, "post", {field: Field(field, "hidden", value=sent[field]) for field in sent}))
    for form in forms_of(html, path):
        if form.method == "post":
            attack_form(state, form)
    assert not state.failures, state.told()


def as_asked(state: FuzzedPage, path: str, sent: dict[str, str]) -> str:
    """The page that answers the form of this state."""
    thrown = Payload("as asked", (), body_of(list(sent.items())))
    done, _effects = state.request("POST", path, thrown)
    state.note("POST", path, thrown, [f"inline {what}" for what in Inline(done.html).found])
    return done.html


def as_text(sent: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in sent.items()}


def new_ones(where: str, names: set[str]) -> set[str]:
    """Those at which nothing has been thrown there yet, which is done now."""
    new = {name for name in names if (where, name) not in thrown_before}
    thrown_before.update((where, name) for name in new)
    return new


def attack_query(state: FuzzedPage, path: str) -> str:
    """The page as it is asked for, then with nasty parameters, those that it reads among them; answers its HTML."""
    with parameters_read() as read:
        done, _effects = state.request("GET", path, NOTHING)
    state.note("GET", path, NOTHING, [f"inline {what}" for what in Inline(done.html).found])
    address = urlsplit(path).path
    form = Form(address, "get", {name: Field(name, "text") for name in sorted({*read, "inconnu"})})
    for thrown in in_the_query(form, new_ones("?", read)):
        state.request("GET", address, thrown)
    return done.html


def attack_form(state: FuzzedPage, form: Form) -> None:
    """A mixture of values; where there is something new, a plausible answer before it, to see what is read and what it
    usually does, and everything else after it."""
    view = resolve(urlsplit(form.action).path).view_name
    send = partial(state.request, "POST", form.action)
    if not new_ones(view, {"as a whole", *form.fields} - {CSRF}):
        send(mixed(form))
        return
    with parameters_read() as read:
        _done, usual = send(Payload("plausible", (), body_of(list(form.answers().items()))))
    for name in read - set(form.fields):
        form.fields[name] = Field(name, "hidden", is_asked=False)
    for thrown in (mixed(form), *thrown_at_each_field(form, set(form.fields) - {CSRF}, not_met_before(form))):
        check(state, form, thrown, send(thrown)[1], usual)
    for thrown in misshapen(form) if set(form.fields) - {CSRF} else ():
        check(state, form, thrown, send(thrown)[1], usual)
    attack_with_extra_fields(state, form, usual)
    attack_as_no_page_of_ours(
        state, form, is_public=not getattr(resolve(urlsplit(form.action).path).func, "login_required", True)
    )


def not_met_before(form: Form) -> set[str]:
    """The fields that take all values: those where something is typed, and what is called the same and looks the same
    is the same to whoever checks it. Behind the door of the agents, so is every text that no pack is about."""
    typed = {name: one.kind for name, one in form.fields.items() if name != CSRF and one.kind not in CHOICES}
    is_public = not form.action.startswith(AGENTS_AREA)
    by_name = {name: is_public or bool(PACKS.keys() & set(name.split("_"))) for name in typed}
    return {
        name for name, kind in typed.items() if new_ones("every value", {f"{name} {kind}" if by_name[name] else kind})
    }


def attack_as_no_page_of_ours(state: FuzzedPage, form: Form, *, is_public: bool) -> None:
    """SES-07, INP-07: from another site, and as no form at all. Who is not signed in may do so to each; it is the same to
    all others."""
    is_thorough = bool(new_ones("no page of ours", {form.action if is_public else "closed"}))
    for thrown in unreadable(form) if is_thorough else ():
        state.request("POST", form.action, thrown)
    state.browser.handler.enforce_csrf_checks = True
    forgeries = list(as_another_site(form))
    for forged in forgeries if is_thorough else forgeries[:2]:
        cookies = {**state.cookies, settings.CSRF_COOKIE_NAME: forged.csrf_cookie}
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        headers |= {"origin": forged.origin} if forged.origin else {}
        done, effects = state.request("POST", form.action, forged.thrown, headers=headers)
        if done.response.status_code != 403 or effects.tables:
            wrong = f"{done.response.status_code}, writes {effects.tables}"
            state.note("POST", form.action, forged.thrown, [wrong])
    state.browser.handler.enforce_csrf_checks = False


def check(state: FuzzedPage, form: Form, thrown: Payload, effects: Effects, usual: Effects) -> None:
    """A value changes no more than a plausible one does, and mails go to addresses only."""
    wrong = [f"writes {table}" for table in effects.tables - usual.tables - {JOURNAL}]
    wrong += [f"changes {fact}" for fact in effects.facts - usual.facts]
    wrong += [f"mails {address!r}" for address in effects.recipients if not is_canonical(address)]
    if len(effects.recipients) > len(usual.recipients):
        wrong.append(f"mails {len(effects.recipients)} times")
    state.note("POST", form.action, thrown, wrong)


def is_canonical(address: str) -> bool:
    try:
        return canonical_address(address) == address
    except InvalidAddress:
        return False


def attack_with_extra_fields(state: FuzzedPage, form: Form, usual: Effects) -> None:
    """INP-06: nothing moves but what the form is about, and nothing of it is kept."""
    extra = Payload("extra fields", (), body_of(list({**EXTRA, **form.answers()}.items())))
    _done, effects = state.request("POST", form.action, extra)
    if effects != usual:
        state.note("POST", form.action, extra, [f"does {effects} instead of {usual}"])
