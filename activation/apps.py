"""Wires the charter to the sign-in."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class ActivationConfig(AppConfig):
    """The activation, and the charter after it."""

    name = "activation"

    def ready(self) -> None:
        """Look at the charter whenever somebody signs in; tell what is held about whoever asks for a link (PRV-07)."""
        from activation.charter.gate import check_charter_at_login
        from activation.models import LinkRequest
        from privacy.export import register_source

        register_source("link_requests", lambda account: LinkRequest.objects.filter(login=account.login))
        user_logged_in.connect(check_charter_at_login, dispatch_uid="activation.charter.gate")
