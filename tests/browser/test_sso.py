"""The university's CAS in front of the portal, in a browser: what the content security policy thinks of it."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import Session
from tests.accounts.auth.sso.providers.browser import run_provider
from tests.accounts.auth.sso.providers.program import ADDRESS, PASSWORD, USER
from tests.browser.visitor import NEEDS_BROWSER
from tests.factories import active_account

pytestmark = NEEDS_BROWSER


@pytest.fixture
def own_page(live_server, settings):
    with run_provider("cas", live_server.url) as cas:
        settings.PORTAL_URL, settings.SIGN_IN, settings.CAS_URL = live_server.url, "cas", f"{cas.url}/cas"
        yield f"{live_server.url}{reverse('account-password')}"


def test_from_the_ent_and_back_out(own_page, chromium):
    """HDR-02: no form leads to another host, and no visitor is left before a page that does nothing."""
    active_account(uid=USER, institutional_address=ADDRESS.lower())
    context = chromium.new_context(locale="fr-FR")
    context.set_default_timeout(10_000)
    # The pages of that CAS server ask for fonts elsewhere.
    context.route(re.compile(r"^https://"), lambda route: route.abort())
    written: list[str] = []
    context.on("console", lambda message: written.append(message.text))
    page = context.new_page()
    heading = page.get_by_role("heading", level=1)
    page.goto(own_page)
    page.locator("[name=username]").fill(USER)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form [type=submit]").click()
    expect(page).to_have_url(own_page)

    context.clear_cookies(name="sessionid")
    page.goto(own_page)
    expect(page).to_have_url(own_page)

    Session.objects.all().delete()
    page.locator("main form [type=submit]").first.click()
    expect(heading).to_have_text("Se connecter")
    page.get_by_role("link", name="Se connecter avec le service de l’université").click()
    expect(page).to_have_url(own_page)

    page.get_by_role("button", name="Se déconnecter").click()
    expect(heading).to_have_text("Votre session du portail est fermée")
    page.get_by_role("link", name="Fermer aussi la session de l’université").click()
    page.goto(own_page)
    expect(page.locator("[name=username]")).to_be_visible()
    context.close()
    assert [text for text in written if "Content Security Policy" in text] == []
