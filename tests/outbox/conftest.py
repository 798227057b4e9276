import pytest


@pytest.fixture(autouse=True)
def mails_leave_through_smtp(settings) -> None:
    """pytest-django keeps mails in memory; here they go to the real server of `mail_server`."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
