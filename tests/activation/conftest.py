from collections.abc import Iterator

import pytest
from django.utils import translation

import tests.charter  # noqa: F401 (the charter has to survive the tests that really commit)


@pytest.fixture(autouse=True)
def mail_goes_through_smtp(settings, mail_goes_to_our_server) -> None:
    """The test runner would keep mails in memory."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def in_french() -> Iterator[None]:
    """The language of the last page would otherwise be that of the next `reverse`."""
    with translation.override("fr"):
        yield
