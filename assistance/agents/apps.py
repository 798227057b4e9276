"""Names the agents' site to Django."""

from django.contrib.admin.apps import SimpleAdminConfig


class AgentAdminConfig(SimpleAdminConfig):
    """Makes ours the only site: Django's, and what libraries would add to it by themselves, are nowhere (ADM-02)."""

    default_site = "assistance.agents.site.AgentSite"
