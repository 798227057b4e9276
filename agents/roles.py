"""Who may do what in the agents' area (design §9): one table, which `manage.py migrate` brings into the database."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models

from accounts.permissions import AgentPermission


class Role(models.TextChoices):
    """The groups of agents, by their names in the database."""

    ASSISTANCE = "Assistance", "Assistance"
    RESPONSABLES = "Responsables", "Responsables"
    LECTURE = "Lecture", "Lecture"


_OF_ASSISTANCE = frozenset(
    {
        AgentPermission.SEE,
        AgentPermission.REVEAL,
        AgentPermission.WORK_ON_REQUESTS,
        AgentPermission.RESEND_LINK,
        AgentPermission.LOCK,
        AgentPermission.RELEASE,
    }
)
ROLE_PERMISSIONS: dict[Role, frozenset[AgentPermission]] = {
    Role.LECTURE: frozenset({AgentPermission.SEE}),
    Role.ASSISTANCE: _OF_ASSISTANCE,
    Role.RESPONSABLES: _OF_ASSISTANCE
    | {
        AgentPermission.CORRECT_ADDRESS,
        AgentPermission.IMPORT,
        AgentPermission.PUBLISH_CHARTER,
        AgentPermission.MANAGE_AGENTS,
        AgentPermission.EXPORT,
    },
}


def sync_roles(sender: Any, **kwargs: Any) -> None:
    """Make groups and permissions what the table says, after each `migrate`: what was clicked together goes."""
    permissions = {ability: _permission(ability) for ability in AgentPermission}
    for role, abilities in ROLE_PERMISSIONS.items():
        group, _created = Group.objects.get_or_create(name=role.value)
        group.permissions.set([permissions[ability] for ability in abilities])


def _permission(ability: AgentPermission) -> Permission:
    from agents.models import EnrolmentCode

    permission, _created = Permission.objects.update_or_create(
        content_type=ContentType.objects.get_for_model(EnrolmentCode),
        codename=ability.value,
        defaults={"name": ability.label},
    )
    return permission
