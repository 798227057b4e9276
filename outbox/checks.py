"""What `manage.py check --deploy` says about the way of mails (EML-05)."""

from typing import Any

from django.conf import settings
from django.core import checks

SMTP = "django.core.mail.backends.smtp.EmailBackend"
THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


@checks.register(checks.Tags.security, deploy=True)
def check_mail_encryption(app_configs: Any, **kwargs: Any) -> list[checks.Warning]:
    """Warn when links that open accounts leave this machine in the clear."""
    is_encrypted = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if settings.EMAIL_BACKEND != SMTP or is_encrypted or settings.EMAIL_HOST in THIS_MACHINE:
        return []
    return [
        checks.Warning(
            f"Mails go to {settings.EMAIL_HOST} without encryption: whoever listens on the way can open accounts.",
            hint="EMAIL_URL=smtp+tls://… or smtp+ssl://…, unless nobody else is on that network.",
            id="outbox.W001",
        )
    ]
