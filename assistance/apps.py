"""Wires the roles of the agents to the database, and keeps their secrets out of the copy of one's data."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AssistanceConfig(AppConfig):
    """Requests of locked-out people, and the agents' work."""

    name = "assistance"

    def ready(self) -> None:
        """Bring the roles in line after each `migrate`."""
        from django.contrib.admin.models import LogEntry
        from django_otp.plugins.otp_totp.models import TOTPDevice

        from accounts import personal_data
        from assistance.agents import mails  # noqa: F401 - registers the mail
        from assistance.agents.roles import bring_roles_in_line

        personal_data.leave_out(TOTPDevice, "key")
        personal_data.is_about_others(LogEntry)
        post_migrate.connect(bring_roles_in_line, sender=self, dispatch_uid="assistance.roles")
