"""Fixtures of all tests. Mails go through SMTP to a real server that keeps them."""

import gc
import math
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import translation

import tests.charter  # noqa: F401 - the charter has to survive the tests that really commit
from agents import announcement
from devtools.mailcatcher import MailCatcher, accept
from tests.mail_delivery import MailDelivery
from tests.memory import clear_redis


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailCatcher]:
    catcher = MailCatcher("127.0.0.1", 0)
    catcher.start()
    yield catcher
    catcher.stop()


@pytest.fixture(autouse=True)
def send_to_mail_server(settings, mail_server) -> None:
    """pytest-django would keep mails in memory."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server.port
    mail_server.messages.clear()
    mail_server.answer = accept


@pytest.fixture(autouse=True)
def activate_french() -> Iterator[None]:
    """`reverse` would otherwise use the language of the last request."""
    with translation.override("fr"):
        yield


@pytest.fixture(autouse=True)
def no_announcement(monkeypatch) -> None:
    """None is read during a test, whose queries may be counted."""
    monkeypatch.setattr(announcement, "last_read", announcement.LastRead(due_at=math.inf))


@pytest.fixture(autouse=True)
def clear_redis_and_cache() -> None:
    clear_redis()
    cache.clear()


@pytest.fixture
def mail_delivery(mail_server) -> MailDelivery:
    return MailDelivery(mail_server)


@pytest.fixture(autouse=True)
def allow_journal_truncate(request) -> Iterator[None]:
    """The append-only tables refuse TRUNCATE, which pytest-django needs after a test that commits."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with connection.cursor() as cursor:
            cursor.execute("SET portal.retention = 'on'")


@pytest.fixture
def without_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
