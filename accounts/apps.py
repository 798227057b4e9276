"""Wires the times of a session to the sign-in."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    """Who someone is."""

    name = "accounts"

    def ready(self) -> None:
        """Note when each signed-in session begins, however it does."""
        from accounts.auth.sessions import record_session_start

        user_logged_in.connect(record_session_start, dispatch_uid="accounts.note_beginning")
