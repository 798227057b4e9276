from typing import Any

from django.conf import settings
from django.core import checks

SMTP = "django.core.mail.backends.smtp.EmailBackend"
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}


@checks.register(checks.Tags.security, deploy=True)
def check_mail_encryption(app_configs: Any, **kwargs: Any) -> list[checks.Warning]:
    """Warn when mails, whose links open accounts, leave this machine unencrypted."""
    is_encrypted = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if settings.EMAIL_BACKEND != SMTP or is_encrypted or settings.EMAIL_HOST in LOOPBACK_HOSTS:
        return []
    return [
        checks.Warning(
            f"Mails go to {settings.EMAIL_HOST} without encryption: an attacker on the network can open accounts.",
            hint="EMAIL_URL=smtp+tls://… or smtp+ssl://…, unless that network is trusted.",
            id="outbox.W001",
        )
    ]
