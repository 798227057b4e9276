"""Every page in a browser, with and without scripts (A11Y-01, A11Y-03, A11Y-08, A11Y-09, HDR-02, PRV-06)."""

import re
from functools import partial

import pytest
from django.db import OperationalError, transaction
from django.test import RequestFactory
from playwright.sync_api import expect

from config import error_views
from tests.agents.pages import AGENT_PAGES, AGENT_REFUSALS, load_agent_page
from tests.browser.inspection import findings, violations
from tests.browser.visitor import IN_BROWSER
from tests.mail_delivery import html_of
from tests.mails import SITUATIONS
from tests.pages import PAGES, REFUSALS
from tests.pages.rendering import load_page

pytestmark = [*IN_BROWSER, pytest.mark.django_db]
load_french, load_english = partial(load_page, language="fr"), partial(load_page, language="en")


@pytest.mark.xdist_group("pages")
def test_each_page_is_accessible_in_both_colour_schemes(screen):
    assert findings(screen, PAGES, load_french) == []


@pytest.mark.xdist_group("refused forms")
def test_each_refused_form_leads_to_its_errors_and_error_pages_are_accessible(screen):
    """A11Y-03; A11Y-01, HDR-02 for the statuses that no request of these tests provokes."""
    assert findings(screen, REFUSALS, load_french) == []
    request = RequestFactory().get("/erreur/")
    answers = [error_views.permission_denied(request, Exception())]
    for error in (OperationalError, ValueError):
        try:
            raise error
        except (OperationalError, ValueError):
            answers.append(error_views.server_error(request))
    assert [answer.status_code for answer in answers] == [403, 503, 500]
    for answer in answers:
        assert screen.inspect("/erreur/", answer) == [], answer.status_code


@pytest.mark.xdist_group("English pages")
def test_each_page_fits_in_english_without_scripts(screen_without_scripts):
    """A11Y-08: colours and structure are the same, lengths and fields are not."""
    assert findings(screen_without_scripts, PAGES, load_english, "en") == []


@pytest.mark.xdist_group("English pages")
def test_each_mail_is_legible_by_day_and_by_night(screen, mail_delivery, mail_server):
    for kind, queue_mail in SITUATIONS.items():
        with transaction.atomic():
            queue_mail()
            mails = [html_of(mail) for mail in mail_delivery.deliver()]
            transaction.set_rollback(True)
        mail_server.messages.clear()
        screen.page.set_content(mails[-1])
        for scheme in ("light", "dark"):
            screen.page.emulate_media(color_scheme=scheme)
            assert violations(screen, {"runOnly": ["color-contrast"]}) == [], (kind, scheme)
        screen.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(list(AGENT_PAGES)[::2], marks=pytest.mark.xdist_group("agents' pages"), id="one half"),
        pytest.param(list(AGENT_PAGES)[1::2], marks=pytest.mark.xdist_group("agents' pages, others"), id="the other"),
    ],
)
def test_each_agent_page_is_accessible_with_and_without_scripts(names, screen, screen_without_scripts):
    assert findings(screen, names, load_agent_page) == []
    assert findings(screen_without_scripts, names, load_agent_page) == []


@pytest.mark.xdist_group("agents' pages, refused")
def test_each_refused_agent_form_leads_to_its_errors(screen):
    assert findings(screen, AGENT_REFUSALS, load_agent_page) == []


@pytest.mark.xdist_group("agents' pages")
def test_the_page_of_an_import_follows_its_progress_without_reloading(screen):
    page = load_agent_page("import_running")
    facts = {"over": True, "done": 42_000, "total": 42_000}
    screen.page.route("**/avancement/", lambda route: route.fulfill(json=facts))
    screen.show(page.path, page.response)
    progress = screen.page.get_by_role("progressbar", name="L’import est en cours")
    expect(progress).to_have_attribute("value", "15001")
    expect(screen.page.get_by_text(re.compile(r"42\s000 lignes sur 42\s000"))).to_be_visible(timeout=10_000)
    expect(progress).to_have_js_property("value", 42_000)
    screen.reads_aloud("C’est terminé")
    assert screen.page.url.endswith(page.path)
    assert screen.troubles == []
