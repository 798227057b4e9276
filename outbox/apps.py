"""Finds the mails that the apps know how to make."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class OutboxConfig(AppConfig):
    """The outbox knows nobody: the apps come to it."""

    name = "outbox"
    verbose_name = "Envois"

    def ready(self) -> None:
        """Import every app's `mails` and `retention`, the receiver of the providers’ events and what is checked."""
        autodiscover_modules("emails", "tracking", "checks")
