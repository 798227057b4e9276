"""What holds for every page: language, title, one main heading, no hole in a template, and few queries."""

import re
from collections import Counter, defaultdict
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import NamedTuple

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.template import engines
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from tests.memory import clear_redis
from tests.pages import ACTS, PAGES, REFUSALS

# In one process, which makes each page once a language.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("pages")]

ALL = {**PAGES, **REFUSALS}
LANGUAGES = ("fr", "en")
HOLE = "<<no variable %s>>"
# `default` gives these their usual value; Django's trap comes before it.
USUAL_VALUE = frozenset({"wait_seconds", "kind", "other_language_url"})
# Of errors that no request here provokes; `tests/config` looks at them.
PROVOKED_ELSEWHERE = frozenset({"403.html", "405.html", "500.html", "503.html"})
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
FRENCH = re.compile(r"\b(?:votre|vous|le|la|les|des|une|est|pour|avec)\b", re.IGNORECASE)


class Seen(NamedTuple):
    """One page in one language, as somebody new sees it."""

    path: str
    status: int
    response: HttpResponse
    html: str
    templates: frozenset[str]
    queries: list[str]


@pytest.fixture(params=LANGUAGES)
def language(request) -> str:
    return request.param


@cache
def seen(name: str, language: str) -> Seen:
    """The page, made as if nobody had made another before; a variable that its view does not give shows."""
    clear_redis()
    with translation.override(language), transaction.atomic():
        page = made(name)
        transaction.set_rollback(True)
    return page


def made(name: str) -> Seen:
    """The page in the language of now; its status is checked on the way."""
    browser = Client()
    ask = {**ALL, **ACTS}[name](browser)
    with pytest.MonkeyPatch.context() as trap, CaptureQueriesContext(connection) as captured:
        trap.setattr(engines["django"].engine, "string_if_invalid", HOLE)
        response = ask.by(browser)
    assert response.status_code == ask.status, ask
    templates = frozenset(str(template.name) for template in response.templates)
    queries = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    return Seen(ask.path, response.status_code, response, response.content.decode(), templates, queries)


def title_of(html: str) -> str:
    found = TITLE.search(html)
    assert found
    return re.sub(r"[ \n]+", " ", unescape(found[1])).strip(" ")


class Outline(HTMLParser):
    """Headings, ids and what they are asked to be; fails on a tag that is closed twice or never."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("aria-describedby", "aria-labelledby", "aria-controls", "for"):
            self.references += str(given.get(name) or "").split()
        if tag == "label":
            self.labelled.add(str(given.get("for")))
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            self.fields.append(str(given.get("id")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of an SVG drawing."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, tag


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_whole_and_in_one_language(name, language):
    """A11Y-01, RGAA 8.1, 8.3, 8.5, 8.6, 9.1, 11.1: what a reader, a screen reader and a browser rely on."""
    html = seen(name, language).html
    outline = Outline(html)
    holes = set(re.findall(r"<<no variable (\w+)", unescape(html))) - USUAL_VALUE

    assert not holes
    assert html.startswith("<!doctype html>")
    assert f'<html lang="{language}">' in html
    assert outline.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(outline.headings, outline.headings[1:], strict=False))
    assert [one for one, times in Counter(outline.ids).items() if times > 1] == []
    assert set(outline.references) <= set(outline.ids)
    assert set(outline.fields) <= outline.labelled
    assert title_of(html).endswith(f"– {django_settings.UNIVERSITY_NAME}")


@pytest.mark.parametrize("name", ALL)
def test_the_other_language_is_one_click_away(name, language):
    """Design §6: the same page, not the home page, where the page has an address of its own."""
    html = seen(name, language).html
    other = {"fr": "en", "en": "fr"}[language]

    link = re.search(rf'<a href="([^"]+)" lang="{other}" hreflang="{other}">', html)

    assert link
    assert link[1].startswith("/en/") == (other == "en")


@pytest.mark.parametrize("name", ALL)
def test_an_english_page_holds_no_french_sentence(name):
    """Design §11: English whole. Two words of French in a row of text are a message that nobody translated."""
    html = seen(name, "en").html
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*\blang=\"fr\".*?</[^>]+>|<[^>]+>", " ", html, flags=re.DOTALL)

    untranslated = [line.strip() for line in unescape(text).splitlines() if len(FRENCH.findall(line)) >= 2]

    assert untranslated == []


def test_every_page_has_a_title_of_its_own(language):
    """RGAA 8.6: who has ten tabs open finds the right one. Two states of one address may share theirs."""
    paths_of = defaultdict(set)
    for name in PAGES:
        page = seen(name, language)
        if page.status == 200:
            paths_of[title_of(page.html)].add(page.path.split("?")[0])

    assert {title: paths for title, paths in paths_of.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_answer_says_error_first_and_lists_what_to_correct(name, language):
    """RGAA 11.10, 11.11: in the title, in a list with links to the fields, beside each field."""
    html = seen(name, language).html
    error = {"fr": "Erreur – ", "en": "Error – "}[language]
    summary = html.split('id="erreurs"')[1].split("</div>")[0]

    assert title_of(html).startswith(error)
    assert summary.count("<li>") >= 1
    assert set(re.findall(r'href="#([^"]+)"', summary)) <= set(Outline(html).ids)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_no_error_does_not_say_so(name):
    assert not title_of(seen(name, "fr").html).startswith("Erreur")


# Queries of each page, session and signed-in account included; savepoints are not counted; what is not named costs none.
# They may go down.
PAGE_BUDGETS = {
    "link_used": 1,
    "link_expired": 1,
    "answer_of_first_connection": 1,
    "reactivation": 2,
    "reactivation_expired": 2,
    "reactivation_of_a_student": 2,
    "reactivation_used": 2,
    "language": 2,
    "personal_data": 2,
    "history_of_mails_without_any": 3,
    "history_of_mails": 5,
    "history_with_several_pages": 5,
    "history_of_everything": 6,
    "recovery_address": 3,
    "recovery_address_missing": 3,
    "recovery_address_with_the_password_to_give": 3,
    "recovery_address_that_waits": 4,
    "recovery_address_whose_link_has_expired": 4,
    "recovery_address_not_delivered": 4,
    "recovery_address_confirmed_before": 3,
    "recovery_address_link_expired": 4,
    "recovery_address_to_confirm": 5,
    "recovery_address_confirmed": 15,
    "change_reported_before": 3,
    "notice_expired": 4,
    "change_that_was_not_me": 5,
    "account_without_a_recovery_address": 8,
    "account_with_a_recovery_address_that_waits": 8,
    "forgotten_password_answer": 1,
    "reminders": 3,
    "reminders_link_expired": 3,
    "reminders_stopped_before": 3,
    "password_reset": 2,
    "password_reset_expired": 2,
    "password_reset_used": 2,
    "account_password": 2,
    "sign_in_after_a_session_that_is_over": 2,
    "account_sessions": 3,
    "account_sessions_on_several_devices": 3,
    "assistance_sent": 1,
    "redirection_in_force": 3,
    "redirection_not_chosen": 3,
    "redirection_suspended": 3,
    "redirection_to_stop": 3,
    "redirection_to_stop_with_the_password_to_give": 3,
    "redirection_with_the_password_to_give": 3,
    "redirection_not_delivered": 4,
    "redirection_that_waits": 4,
    "redirection_whose_link_has_expired": 4,
    "redirection_without_a_mail": 4,
    "public_directory_with_several_pages": 2,
    "public_directory_with_too_many": 2,
    "public_directory_with_a_slip": 4,
    "public_directory_with_nobody": 4,
    "choice_about_the_directory": 3,
    "choice_about_the_directory_of_somebody_listed": 3,
    "charter_accepted": 4,
    "charter_accepted_before": 4,
    "charter_due": 5,
    "charter_due_for_the_first_time": 5,
    "charter_not_accepted": 5,
    "charter_refused": 2,
    "journey_of_somebody_locked": 2,
    "not_me": 2,
    "done": 3,
    "done_for_a_student": 3,
    "welcome": 2,
    "address_confirmed_before": 4,
    "address_link_expired": 4,
    "address_to_confirm": 4,
    "charter": 3,
    "mailbox": 2,
    "welcome_back": 2,
    "account": 8,
    "account_of_a_student": 8,
    "account_with_an_address_that_waits": 8,
    "directory": 2,
    "directory_again": 2,
    "password": 2,
    "password_of_a_student": 2,
    "password_while_an_address_waits": 2,
    "verification": 3,
    "verification_done": 3,
    "verification_not_delivered": 3,
    "verification_without_a_mail": 3,
    "verification_too_early": 4,
    "address_confirmed": 13,
    "not_me_done": 7,
}
ANSWER_BUDGETS = {
    "reactivation_refused": 2,
    "ask_for_another_reactivation_link": 3,
    "reactivate": 11,
    "language_not_chosen": 2,
    "choose_a_language": 5,
    "recovery_address_not_typed": 3,
    "recovery_address_with_a_slip": 3,
    "recovery_address_with_a_wrong_password": 5,
    "keep_the_recovery_address": 8,
    "ask_again_for_the_recovery_mail": 10,
    "recovery_address_asked_too_often": 11,
    "change_the_recovery_address": 12,
    "take_a_copy_of_the_data": 17,
    "report_a_change": 25,
    "ask_for_a_reset": 2,
    "stop_the_reminders": 9,
    "ask_for_another_reset": 3,
    "password_reset_refused": 2,
    "reset_the_password": 11,
    "account_password_without_anything": 2,
    "account_password_after_too_many_tries": 2,
    "account_password_that_is_the_same": 3,
    "account_password_with_a_wrong_one": 4,
    "change_the_password": 16,
    "end_the_other_sessions": 6,
    "end_a_session": 7,
    "end_all_sessions": 7,
    "redirection_to_stop_without_the_password": 3,
    "redirection_with_a_slip": 3,
    "redirection_without_an_address": 3,
    "redirection_with_a_wrong_password": 5,
    "stop_the_redirection": 12,
    "change_the_redirection": 17,
    "choice_about_the_directory_without_an_answer": 3,
    "leave_the_directory": 8,
    "sign_in_refused": 2,
    "ask_for_assistance": 8,
    "ask_for_a_link": 2,
    "charter_changed": 4,
    "charter_not_ticked": 4,
    "new_charter_not_ticked": 5,
    "mailbox_with_a_slip": 3,
    "mailbox_with_an_own_address": 3,
    "mailbox_without_an_address": 3,
    "sign_out": 4,
    "directory_without_an_answer": 3,
    "password_refused": 3,
    "passwords_that_differ": 3,
    "sign_in": 6,
    "go_on_without_waiting": 5,
    "begin_the_activation": 6,
    "accept_the_charter": 9,
    "accept_the_new_charter": 9,
    "answer_about_the_directory": 7,
    "forward_the_mail": 12,
    "activate": 15,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_few_queries(name):
    spoken = seen(name, "fr").queries

    assert len(spoken) <= PAGE_BUDGETS.get(name, 0), spoken


@pytest.mark.parametrize("name", [*REFUSALS, *ACTS])
def test_an_answer_costs_few_queries(name):
    spoken = seen(name, "fr").queries

    assert len(spoken) <= ANSWER_BUDGETS.get(name, 0), spoken


def test_every_template_of_a_page_is_looked_at():
    """A page that no test shows is a page that nobody reads before the people do."""
    shown_templates = {template for name in ALL for template in seen(name, "fr").templates}
    folder = django_settings.BASE_DIR / "templates"
    existing = {str(path.relative_to(folder)) for path in folder.rglob("*.html")}
    of_mails = {name for name in existing if name.startswith("emails/") or "/emails/" in name}

    # In French only: `tests/assistance/agents` looks at them.
    of_agents = {name for name in existing if name.startswith("agents/")}

    assert existing - of_mails - of_agents - PROVOKED_ELSEWHERE - shown_templates == set()


def test_the_trap_for_missing_variables_works(monkeypatch):
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", HOLE)

    shown = engines["django"].from_string("{{ nothing.at.all }}").render()

    assert unescape(shown) == HOLE % "nothing.at.all"
