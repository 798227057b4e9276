"""The university's CAS in front of the portal, in a real browser: what the content security policy thinks of it."""

import re
from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from accounts.models import Session
from tests.accounts.auth.sso.providers.browser import run_provider
from tests.accounts.auth.sso.providers.project import ADDRESS, PASSWORD, USER
from tests.browser.visitor import NEEDS_BROWSER
from tests.factories import active_account

pytestmark = NEEDS_BROWSER


@pytest.fixture
def portal(live_server, settings) -> Iterator[str]:
    for cas in run_provider("tests.accounts.auth.sso.providers.cas", "/cas/login", portal=live_server.url):
        settings.PORTAL_URL, settings.SIGN_IN, settings.CAS_URL = live_server.url, "cas", f"{cas.url}/cas"
        yield live_server.url


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def page(chromium: Browser, complaints) -> Iterator[Page]:
    context = chromium.new_context(locale="fr-FR")
    context.set_default_timeout(10_000)
    # The pages of that CAS server ask for fonts elsewhere.
    context.route(re.compile(r"^https://"), lambda route: route.abort())
    context.on("console", lambda message: complaints.append(message.text))
    yield context.new_page()
    context.close()


def sees(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_from_the_ent_and_back_out(portal, page, complaints):
    """HDR-02: no form leads to another host, and no one is left before a page that does nothing."""
    active_account(uid=USER, institutional_address=ADDRESS.lower())
    own_page = f"{portal}{reverse('account-password')}"

    page.goto(own_page)
    page.locator("[name=username]").fill(USER)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form [type=submit]").click()
    expect(page).to_have_url(own_page)

    page.context.clear_cookies(name="sessionid")
    page.goto(own_page)
    expect(page).to_have_url(own_page)

    Session.objects.all().delete()
    page.locator("main form [type=submit]").first.click()
    sees(page, "Se connecter")
    page.get_by_role("link", name="Se connecter avec le service de l’université").click()
    expect(page).to_have_url(own_page)

    page.get_by_role("button", name="Se déconnecter").click()
    sees(page, "Votre session du portail est fermée")
    page.get_by_role("link", name="Fermer aussi la session de l’université").click()
    page.goto(own_page)
    expect(page.locator("[name=username]")).to_be_visible()
    assert [complaint for complaint in complaints if "Content Security Policy" in complaint] == []
