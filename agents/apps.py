from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.db.models.signals import post_migrate


class AgentAdminConfig(SimpleAdminConfig):
    """Replaces Django's admin site: pages registered by libraries are not reachable."""

    default_site = "agents.site.AgentSite"


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        from django.contrib.admin.models import LogEntry
        from django_otp.plugins.otp_totp.models import TOTPDevice

        from agents.roles import sync_roles
        from privacy import export

        export.exclude_column(TOTPDevice, "key")
        export.exclude_table(LogEntry)
        post_migrate.connect(sync_roles, sender=self, dispatch_uid="agents.roles")
