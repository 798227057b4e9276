import pytest


@pytest.fixture(autouse=True)
def mail_goes_through_smtp(settings, mail_goes_to_our_server) -> None:
    """The test runner would keep mails in memory."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
