"""The roles of agents and their permissions. `manage.py migrate` writes this table to the database."""

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


ROLE_PERMISSIONS: dict[Role, frozenset[AgentPermission]] = {
    Role.LECTURE: frozenset({AgentPermission.SEE}),
    Role.ASSISTANCE: frozenset(
        {
            AgentPermission.SEE,
            AgentPermission.REVEAL,
            AgentPermission.WORK_ON_REQUESTS,
            AgentPermission.RESEND_LINK,
            AgentPermission.LOCK,
            AgentPermission.RELEASE,
            AgentPermission.WRITE_AGAIN,
        }
    ),
    Role.RESPONSABLES: frozenset(AgentPermission),
}


def sync_roles(sender: Any, **kwargs: Any) -> None:
    """Set the permissions of each group after `migrate`. Permissions that were added by hand are removed."""
    from agents.models import EnrolmentCode

    content_type = ContentType.objects.get_for_model(EnrolmentCode)
    permissions = {}
    for name in AgentPermission:
        permissions[name], _created = Permission.objects.update_or_create(
            content_type=content_type,
            codename=name.value.removeprefix("agents."),
            defaults={"name": name.label},
        )
    for role, names in ROLE_PERMISSIONS.items():
        group, _created = Group.objects.get_or_create(name=role.value)
        group.permissions.set([permissions[name] for name in names])
