"""What every test may ask for. Nothing is faked: mails go through SMTP to a server that keeps them."""

import gc
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import translation

import tests.charter  # noqa: F401 - the charter has to survive the tests that really commit
from devtools.mailcatcher import MailCatcher, accept
from tests.faults.tally import pytest_terminal_summary  # noqa: F401
from tests.mail_delivery import MailDelivery
from tests.memory import forget_limits


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailCatcher]:
    """A real SMTP server that keeps what it gets."""
    catcher = MailCatcher("127.0.0.1", 0)
    catcher.start()
    yield catcher
    catcher.stop()


@pytest.fixture(autouse=True)
def mail_goes_to_our_server(settings, mail_server) -> None:
    """The test runner would keep mails in memory."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server.port
    mail_server.messages.clear()
    mail_server.answer = accept


@pytest.fixture(autouse=True)
def in_french() -> Iterator[None]:
    """The language of the last page would otherwise be that of the next `reverse`."""
    with translation.override("fr"):
        yield


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Limits start from nothing, and what is drawn once for everybody is drawn anew: settings differ."""
    forget_limits()
    cache.clear()


@pytest.fixture
def postman(mail_server) -> MailDelivery:
    """Does what the worker does, when the test says so, and shows what arrived."""
    return MailDelivery(mail_server)


@pytest.fixture(autouse=True)
def journal_may_be_emptied_between_tests(request) -> Iterator[None]:
    """The append-only tables refuse TRUNCATE; only the cleaning after a test that really commits may do it."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with connection.cursor() as cursor:
            cursor.execute("SET portal.retention = 'on'")


@pytest.fixture
def visitor() -> Client:
    """Somebody's browser, nobody signed in."""
    return Client()


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """Nobody looks for rubbish among all objects of the process while a test takes the time of something short."""
    gc.disable()
    yield
    gc.enable()
