"""Hostile input in every form and parameter, found in the pages themselves: INP-01, INP-06, INP-07, SES-07; and
the headers and cookies of every answer: HDR-02, HDR-03, HDR-04, SES-06.

Every page is made once. A mixture of hostile values goes into each query and each form; every value of the packs goes
once into each parameter and each field of each address, and each form is sent once malformed and forged. Parameters
that a view reads without showing them are found as well. Every other page is in English.
"""

from functools import partial
from itertools import cycle
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.urls import resolve
from django.utils import translation

from core.email_addresses import InvalidAddress, canonical_address
from tests.agents.pages import AGENT_PAGES
from tests.fuzz.fuzzed_page import JOURNAL, Effects, FuzzedPage
from tests.fuzz.parameters import record_parameters
from tests.fuzz.rendered_forms import CHOICES, CSRF, InlineCodeParser, RenderedField, RenderedForm, forms_of
from tests.fuzz.requests import (
    EXTRA,
    PACKS,
    Payload,
    encode_form,
    field_payloads,
    forged_requests,
    malformed_payloads,
    mixed_payload,
    query_payloads,
    unreadable_payloads,
)
from tests.pages import ACTIONS, PAGES, Page

pytestmark = pytest.mark.django_db

#: A refusal has the form of its page, which is among them.
PUBLIC = {**PAGES, **ACTIONS}
AGENTS = AGENT_PAGES
AGENTS_AREA = "/admin/"
NOTHING = Payload("as asked", (), b"")
#: Addresses with the fields and parameters that were fuzzed in this process.
already_sent: set[tuple[str, ...]] = set()


@pytest.mark.xdist_group("fuzz pages")
@pytest.mark.parametrize(("name", "language"), list(zip(PUBLIC, cycle(("fr", "en")), strict=False)))
def test_page_survives_hostile_input(name, language):
    with translation.override(language):
        fuzz(name, PUBLIC[name])


@pytest.mark.xdist_group("fuzz agents' pages")
@pytest.mark.parametrize("name", AGENTS)
def test_agent_page_survives_hostile_input(name):
    fuzz(name, AGENTS[name])


def fuzz(name: str, make: Page) -> None:
    state = FuzzedPage(name, make)
    path, sent = state.page_request.path, as_text(state.page_request.data or {})
    html = fuzz_query(state, path) if state.page_request.data is None else send_original(state, path, sent)
    if name in ACTIONS and sent:
        fuzz_form(
            state,
            RenderedForm(path, "post", {field: RenderedField(field, "hidden", value=sent[field]) for field in sent}),
        )
    for form in forms_of(html, path):
        if form.method == "post":
            fuzz_form(state, form)
    assert not state.failures, state.report()


def send_original(state: FuzzedPage, path: str, sent: dict[str, str]) -> str:
    payload = Payload("as asked", (), encode_form(list(sent.items())))
    outcome, _effects = state.request("POST", path, payload)
    state.add_failures("POST", path, payload, [f"inline {what}" for what in InlineCodeParser(outcome.html).found])
    return outcome.html


def as_text(sent: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in sent.items()}


def not_yet_sent(where: str, names: set[str]) -> set[str]:
    """The names that were not fuzzed at this address yet; marks them as fuzzed."""
    new = {name for name in names if (where, name) not in already_sent}
    already_sent.update((where, name) for name in new)
    return new


def fuzz_query(state: FuzzedPage, path: str) -> str:
    """The page as it is, then with hostile parameters, including those that the view reads; returns its HTML."""
    with record_parameters() as read:
        outcome, _effects = state.request("GET", path, NOTHING)
    state.add_failures("GET", path, NOTHING, [f"inline {what}" for what in InlineCodeParser(outcome.html).found])
    address = urlsplit(path).path
    form = RenderedForm(address, "get", {name: RenderedField(name, "text") for name in sorted({*read, "inconnu"})})
    for payload in query_payloads(form, not_yet_sent("?", read)):
        state.request("GET", address, payload)
    return outcome.html


def fuzz_form(state: FuzzedPage, form: RenderedForm) -> None:
    """A mixture of values; for a new form also a plausible answer, to see what is read and written, and all payloads."""
    view = resolve(urlsplit(form.action).path).view_name
    send = partial(state.request, "POST", form.action)
    if not not_yet_sent(view, {"as a whole", *form.fields} - {CSRF}):
        send(mixed_payload(form))
        return
    with record_parameters() as read:
        _done, usual = send(Payload("plausible", (), encode_form(list(form.answers().items()))))
    for name in read - set(form.fields):
        form.fields[name] = RenderedField(name, "hidden", is_asked=False)
    for payload in (mixed_payload(form), *field_payloads(form, set(form.fields) - {CSRF}, fields_for_all_values(form))):
        check(state, form, payload, send(payload)[1], usual)
    for payload in malformed_payloads(form) if set(form.fields) - {CSRF} else ():
        check(state, form, payload, send(payload)[1], usual)
    fuzz_extra_fields(state, form, usual)
    fuzz_foreign_requests(
        state, form, is_public=not getattr(resolve(urlsplit(form.action).path).func, "login_required", True)
    )


def fields_for_all_values(form: RenderedForm) -> set[str]:
    """Text fields get all values once for each name and type; in the agents' area, once for each type without a pack."""
    typed = {name: one.kind for name, one in form.fields.items() if name != CSRF and one.kind not in CHOICES}
    is_public = not form.action.startswith(AGENTS_AREA)
    by_name = {name: is_public or bool(PACKS.keys() & set(name.split("_"))) for name in typed}
    return {
        name
        for name, kind in typed.items()
        if not_yet_sent("every value", {f"{name} {kind}" if by_name[name] else kind})
    }


def fuzz_foreign_requests(state: FuzzedPage, form: RenderedForm, *, is_public: bool) -> None:
    """SES-07, INP-07: from another site, and unreadable bodies; thorough for each public form and one closed form."""
    is_thorough = bool(not_yet_sent("no page of ours", {form.action if is_public else "closed"}))
    for payload in unreadable_payloads(form) if is_thorough else ():
        state.request("POST", form.action, payload)
    state.browser.handler.enforce_csrf_checks = True
    forgeries = list(forged_requests(form))
    for forged in forgeries if is_thorough else forgeries[:2]:
        cookies = {**state.cookies, settings.CSRF_COOKIE_NAME: forged.csrf_cookie}
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        headers |= {"origin": forged.origin} if forged.origin else {}
        outcome, effects = state.request("POST", form.action, forged.payload, headers=headers)
        if outcome.response.status_code != 403 or effects.tables:
            wrong = f"{outcome.response.status_code}, writes {effects.tables}"
            state.add_failures("POST", form.action, forged.payload, [wrong])
    state.browser.handler.enforce_csrf_checks = False


def check(state: FuzzedPage, form: RenderedForm, payload: Payload, effects: Effects, usual: Effects) -> None:
    """A hostile value writes no more than a plausible one, and mails go to canonical addresses only."""
    wrong = [f"writes {table}" for table in effects.tables - usual.tables - {JOURNAL}]
    wrong += [f"changes {fact}" for fact in effects.facts - usual.facts]
    wrong += [f"mails {address!r}" for address in effects.recipients if not is_canonical(address)]
    if len(effects.recipients) > len(usual.recipients):
        wrong.append(f"mails {len(effects.recipients)} times")
    state.add_failures("POST", form.action, payload, wrong)


def is_canonical(address: str) -> bool:
    try:
        return canonical_address(address) == address
    except InvalidAddress:
        return False


def fuzz_extra_fields(state: FuzzedPage, form: RenderedForm, usual: Effects) -> None:
    """INP-06: extra fields have no effect."""
    extra = Payload("extra fields", (), encode_form(list({**EXTRA, **form.answers()}.items())))
    _done, effects = state.request("POST", form.action, extra)
    if effects != usual:
        state.add_failures("POST", form.action, extra, [f"does {effects} instead of {usual}"])
