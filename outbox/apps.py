from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class OutboxConfig(AppConfig):
    """outbox imports no other app; apps register their mails here."""

    name = "outbox"
    verbose_name = "Envois"

    def ready(self) -> None:
        autodiscover_modules("emails", "tracking", "checks")
