"""Wires forwarding to the release of a lock."""

from django.apps import AppConfig


class MailroutingConfig(AppConfig):
    """Mailboxes and their forwarding."""

    name = "mailrouting"

    def ready(self) -> None:
        """Stop the forwarding of whoever is released: an intruder may have set it (HLP-06)."""
        from accounts.releases import lock_released
        from mailrouting.services import remove_redirection_of_released

        lock_released.connect(remove_redirection_of_released, dispatch_uid="mailrouting.remove_redirection")
