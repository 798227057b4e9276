"""The portal while PostgreSQL is away (HDR-05, AVL-06). No test here asks for the database."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Account
from activation.links import activation_link
from devtools.processes import free_port
from monitoring.views import cached_metrics
from tests.headers import assert_headers


@pytest.fixture
def browser() -> Client:
    """Sees an error page where a test would see the exception."""
    return Client(raise_request_exception=False)


@pytest.fixture(autouse=True)
def activate_french() -> Iterator[None]:
    with translation.override("fr"):
        yield


@pytest.fixture(autouse=True)
def without_database(django_db_blocker) -> Iterator[None]:
    """Nobody listens where PostgreSQL was."""
    connection.close()
    facts = connection.settings_dict
    port, facts["PORT"] = facts["PORT"], str(free_port())
    with django_db_blocker.unblock():
        yield
    connection.close()
    facts["PORT"] = port


def test_pages_that_need_none_are_there(browser):
    for name in ("home", "help", "login", "first-connection", "locked-help"):
        assert browser.get(reverse(name)).status_code == 200


def test_the_others_say_when_to_come_back(browser):
    """503 with Retry-After, in the language of the page, and nothing of the inside."""
    for language in ["fr", "en"]:
        account = Account(pk=1, recovery_address="x@exemple.net")
        account.lock_count = 0
        token = activation_link.token(account, activation_link.deadline(timezone.now()))
        with translation.override(language):
            address = reverse("activation-link", args=[token])
        answer = browser.get(address)
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert_headers(answer)
        page = answer.content.decode()
        assert f'<html lang="{language}"' in page
        assert answer["X-Request-Id"] in page
        assert not any(inside in page for inside in ("psycopg", "connection", "127.0.0.1", "Traceback", "SELECT"))


def test_other_errors_are_told_as_ever(browser, settings):
    """HDR-05: none of their pages asks the database for anything."""
    for address, headers, status in [
        ("/nulle-part/", {}, 404),
        ("/en/nulle-part/", {}, 404),
        ("/", {"host": "evil.example"}, 400),
        ("/interdit/", {}, 403),
        ("/panne/", {}, 500),
    ]:
        settings.ROOT_URLCONF = "tests.config.test_answers"
        answer = browser.get(address, headers=headers)
        assert answer.status_code == status
        assert_headers(answer)
        assert answer["X-Request-Id"] in answer.content.decode()


def test_a_form_of_another_site_is_refused_as_ever():
    """HDR-05, SES-07"""
    answer = Client(enforce_csrf_checks=True).post(reverse("first-connection"), {"login": "x.y"})
    assert answer.status_code == 403
    assert_headers(answer)
    assert answer["X-Request-Id"] in answer.content.decode()


def test_a_form_says_so_too(browser):
    assert browser.post(reverse("first-connection"), {"login": "x.y"}).status_code == 503


def test_health_tells_the_load_balancer(browser):
    """AVL-08: alive, not ready; neither tells a version."""
    assert browser.get("/sante/vivant").status_code == 200
    ready = browser.get("/sante/pret")
    assert ready.status_code == 503
    assert ready.content.decode() == "base de données injoignable\n"


def test_those_who_watch_are_told(browser, settings):
    """LOG-04: the page of figures is there, and says that the database is not."""
    settings.METRICS_KEY = "a-key-for-tests-0123456789abcdef"
    cached_metrics.clear()
    answer = browser.get(reverse("metrics"), headers={"authorization": f"Bearer {settings.METRICS_KEY}"})
    cached_metrics.clear()
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "portal_database_up 0.0" in text
    assert "portal_redis_up 1.0" in text
    assert "portal_accounts" not in text
