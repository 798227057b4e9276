"""Hostile input in every form and parameter, found in the pages themselves: INP-01, INP-06, INP-07, SES-07; and
the headers and cookies of every answer: HDR-02, HDR-03, HDR-04, SES-06.

A mixture of hostile values goes into each query, form and field; every value of the packs goes once into each parameter
and field of the public area, and into each type of field of the agents' area. Each public form is sent once malformed
and forged, and so is one of the agents'. Parameters that a view reads without showing them are found as well.
"""

from itertools import cycle
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.urls import resolve
from django.utils import translation

from core.email_addresses import InvalidAddress, canonical_address
from tests.agents.pages import AGENT_PAGES
from tests.fuzz import requests
from tests.fuzz.observers import JOURNAL, FuzzedPage, Outcome, record_parameters
from tests.fuzz.rendered_forms import CHOICES, CSRF, InlineCodeParser, RenderedField, RenderedForm, forms_of
from tests.fuzz.requests import Payload, encode_form
from tests.pages import ACTIONS, PAGES, Page

pytestmark = pytest.mark.django_db

#: A refusal has the form of its page, which is among them.
PUBLIC = {**PAGES, **ACTIONS}
AGENTS_AREA = "/admin/"
AGENTS_VALUES = requests.WORST_VALUES[:2]
#: Addresses with the fields and parameters that were fuzzed in this process.
already_sent: set[tuple[str, str]] = set()


@pytest.mark.xdist_group("fuzz pages")
@pytest.mark.parametrize(("name", "language"), list(zip(PUBLIC, cycle(("fr", "en")), strict=False)))
def test_page_survives_hostile_input(name, language):
    with translation.override(language):
        fuzz(name, PUBLIC[name])


@pytest.mark.xdist_group("fuzz agents' pages")
@pytest.mark.parametrize("name", AGENT_PAGES)
def test_agent_page_survives_hostile_input(name):
    fuzz(name, AGENT_PAGES[name])


def fuzz(name: str, make: Page) -> None:
    """The page as it is and its parameters, then each of its forms; an action is a form as well."""
    page = FuzzedPage(name, make)
    path, sent = page.page_request.path, {key: str(value) for key, value in (page.page_request.data or {}).items()}
    method, usual = (
        "GET" if page.page_request.data is None else "POST",
        Payload("as asked", (), encode_form(sent.items())),
    )
    with record_parameters() as read:
        html = page.request(method, path, usual).html
    page.add_failures(method, path, usual, *(f"inline {what}" for what in InlineCodeParser(html).found))
    if method == "GET":
        address = urlsplit(path).path
        # A mixture is sent in any case.
        values = AGENTS_VALUES[1:] if path.startswith(AGENTS_AREA) else requests.ALL_VALUES
        for payload in requests.query_payloads({*read, "inconnu"}, not_yet_sent("?", read), values):
            page.request("GET", address, payload)
    forms = forms_of(html, path)
    if name in ACTIONS and sent:
        fields = {key: RenderedField(key, "hidden", value=value) for key, value in sent.items()}
        forms.insert(0, RenderedForm(path, "post", fields))
    for form in forms:
        if form.method == "post":
            fuzz_form(page, form)
    page.assert_it_survived()


def fuzz_form(page: FuzzedPage, form: RenderedForm) -> None:
    """A mixture of values; for a new form also a plausible answer, to see what is read and written, and all payloads."""
    view, mixed = resolve(urlsplit(form.action).path), requests.mixed_payload(form)
    if not not_yet_sent(view.view_name, {"as a whole", *form.fields} - {CSRF}):
        if mixed.body:
            page.request("POST", form.action, mixed)
        return
    plausible = Payload("plausible", (), encode_form(form.answers().items()))
    with record_parameters() as read:
        usual = page.request("POST", form.action, plausible)
    for name in read - set(form.fields):
        form.fields[name] = RenderedField(name, "hidden", is_asked=False)
    is_of_agents = form.action.startswith(AGENTS_AREA)
    other_values = AGENTS_VALUES if is_of_agents else requests.WORST_VALUES
    # In the agents' area, a choice that is mixed alone is refused as it is with others.
    alone = {name for name, one in form.fields.items() if not (is_of_agents and one.kind in CHOICES)}
    payloads = [
        *requests.field_payloads(form, new_values(form), other_values, alone),
        *requests.incomplete_payloads(form),
    ]
    if set(form.fields) - {CSRF} and not_yet_sent("malformed", {"agents" if is_of_agents else form.action}):
        payloads += requests.malformed_payloads(form)
    # The same request is sent once: a single field omitted is "nothing".
    different = {(payload.body, payload.query, payload.content_type): payload for payload in reversed(payloads)}
    different.pop((plausible.body, "", plausible.content_type), None)
    for payload in different.values():
        outcome = page.request("POST", form.action, payload)
        page.add_failures("POST", form.action, payload, *more_than_usual(outcome, usual))
    extra = Payload("extra fields", (), encode_form({**requests.EXTRA, **form.answers()}.items()))
    outcome = page.request("POST", form.action, extra)
    for what in ("tables", "facts", "recipients"):
        if getattr(outcome, what) != getattr(usual, what):
            page.add_failures("POST", form.action, extra, f"other {what}: {getattr(outcome, what)}")
    fuzz_foreign_requests(page, form, is_public=not getattr(view.func, "login_required", True))


def fuzz_foreign_requests(page: FuzzedPage, form: RenderedForm, *, is_public: bool) -> None:
    """SES-07, INP-07: from another site, and unreadable bodies; thorough for each public form and one closed form."""
    is_thorough = bool(not_yet_sent("no page of ours", {form.action if is_public else "closed"}))
    for payload in requests.unreadable_payloads(form) if is_thorough else ():
        page.request("POST", form.action, payload)
    page.browser.handler.enforce_csrf_checks = True
    forgeries = list(requests.forged_requests(form))
    for forged, csrf_cookie, origin in forgeries if is_thorough else forgeries[:2]:
        cookies = {**page.cookies, settings.CSRF_COOKIE_NAME: csrf_cookie}
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        headers |= {"origin": origin} if origin else {}
        outcome = page.request("POST", form.action, forged, headers=headers)
        if outcome.response.status_code != 403 or outcome.tables:
            page.add_failures("POST", form.action, forged, f"{outcome.response.status_code}, writes {outcome.tables}")
    page.browser.handler.enforce_csrf_checks = False


def more_than_usual(outcome: Outcome, usual: Outcome) -> list[str]:
    """A hostile value writes no more than a plausible one, and mails go to canonical addresses only."""
    wrong = [f"writes {table}" for table in outcome.tables - usual.tables - {JOURNAL}]
    wrong += [f"changes {fact}" for fact in outcome.facts - usual.facts]
    wrong += [f"mails {address!r}" for address in outcome.recipients if not is_canonical(address)]
    if len(outcome.recipients) > len(usual.recipients):
        wrong.append(f"mails {len(outcome.recipients)} times")
    return wrong


def is_canonical(address: str) -> bool:
    try:
        return canonical_address(address) == address
    except InvalidAddress:
        return False


def not_yet_sent(where: str, names: set[str]) -> set[str]:
    """The names that were not fuzzed at this address yet; marks them as fuzzed."""
    new = {name for name in names if (where, name) not in already_sent}
    already_sent.update((where, name) for name in new)
    return new


def new_values(form: RenderedForm) -> dict[str, list[requests.NamedValue]]:
    """For a text field the packs not sent yet to one of its name and type; in the agents' area, of its type."""
    found: dict[str, list[requests.NamedValue]] = {}
    is_of_agents = form.action.startswith(AGENTS_AREA)
    for name, one in form.fields.items():
        # A file that is sent as text is none.
        if name != CSRF and one.kind not in (*CHOICES, "file") and (one.is_asked or not is_of_agents):
            packs = requests.packs_for(one)
            new = not_yet_sent(f"values of {one.kind if is_of_agents else (name, one.kind)}", set(packs))
            found[name] = [value for pack in packs if pack in new for value in packs[pack]]
    return {name: values for name, values in found.items() if values}
