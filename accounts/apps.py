"""Wires the times of a session to the sign-in."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    """Who someone is."""

    name = "accounts"

    def ready(self) -> None:
        """Note when each signed-in session begins, however it does."""
        from accounts.auth.sessions import note_beginning

        user_logged_in.connect(note_beginning, dispatch_uid="accounts.note_beginning")
