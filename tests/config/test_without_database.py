"""The portal while PostgreSQL is unreachable, or takes no writes (HDR-05, AVL-06)."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.links import activation_link
from devtools.processes import free_port
from monitoring.views import cached_metrics
from tests.factories import active_account, pending_account
from tests.headers import assert_headers
from tests.signing_in import log_in


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def without_database(django_db_blocker) -> Iterator[None]:
    connection.close()
    facts = connection.settings_dict
    port, facts["PORT"] = facts["PORT"], str(free_port())
    with django_db_blocker.unblock():
        yield
    connection.close()
    facts["PORT"] = port


@pytest.mark.django_db(transaction=True)
def test_a_server_that_takes_no_writes_is_not_ready_and_pages_say_when_to_come_back(browser):
    """AVL-06, AVL-08: after a failover, until the portal is connected to the new server."""
    path = reverse(
        "activation-link", args=[activation_link.token(pending_account(), activation_link.deadline(timezone.now()))]
    )
    signed_in = log_in(Client(raise_request_exception=False), active_account())
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    ready = browser.get("/sante/pret")
    assert (ready.status_code, ready.content.decode()) == (503, "base de données en lecture seule\n")
    refused = [
        browser.get(path),
        browser.post(reverse("first-connection"), {"login": "x.y"}),
        signed_in.post(reverse("logout")),
    ]
    assert [(page.status_code, int(page["Retry-After"])) for page in refused] == [(503, 30)] * 3
    with connection.cursor() as cursor:
        cursor.execute("RESET default_transaction_read_only")
    assert browser.get("/sante/pret").status_code == 200
    assert browser.get(path).status_code == 302


@pytest.mark.usefixtures("without_database")
def test_pages_and_errors_that_need_no_database_are_shown_and_others_say_when_to_come_back(browser, settings):
    """HDR-05, SES-07: 503 with Retry-After; each in the language of its address, without internals."""
    for name in ("home", "help", "login", "first-connection", "locked-help"):
        assert browser.get(reverse(name)).status_code == 200
    assert browser.post(reverse("first-connection"), {"login": "x.y"}).status_code == 503
    account = Account(pk=1, recovery_address="x@exemple.net")
    account.lock_count = 0
    token = activation_link.token(account, activation_link.deadline(timezone.now()))
    settings.ROOT_URLCONF = "tests.config.test_answers"
    link = reverse("activation-link", args=[token])
    addresses = {link: 503, f"/en{link}": 503, "/nulle-part/": 404, "/en/nulle-part/": 404, "/interdit/": 403}
    errors = {browser.get(address): status for address, status in {**addresses, "/panne/": 500}.items()}
    errors[browser.get("/", headers={"host": "evil.example"})] = 400
    errors[Client(enforce_csrf_checks=True).post(reverse("first-connection"), {"login": "x.y"})] = 403
    for response, status in errors.items():
        page, path = response.content.decode(), response.request["PATH_INFO"]
        assert (response.status_code, status != 503 or int(response["Retry-After"]) > 0) == (status, True), path
        assert_headers(response)
        assert f'<html lang="{"en" if path.startswith("/en/") else "fr"}"' in page
        assert response["X-Request-Id"] in page
        assert not any(inside in page for inside in ("psycopg", "connection to", "127.0.0.1", "Traceback", "SELECT"))


@pytest.mark.usefixtures("without_database")
def test_health_and_metrics_are_there(browser, settings):
    """AVL-08, LOG-04: alive, not ready; the metrics say that the database is down."""
    assert browser.get("/sante/vivant").status_code == 200
    ready = browser.get("/sante/pret")
    assert (ready.status_code, ready.content.decode()) == (503, "base de données injoignable\n")
    settings.METRICS_KEY = "a-key-for-tests-0123456789abcdef"
    cached_metrics.clear()
    response = browser.get(reverse("metrics"), headers={"authorization": f"Bearer {settings.METRICS_KEY}"})
    cached_metrics.clear()
    text = response.content.decode()
    assert response.status_code == 200
    assert "portal_database_up 0.0" in text
    assert "portal_redis_up 1.0" in text
    assert "portal_accounts" not in text
