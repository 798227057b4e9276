"""Who may do what in the agents' area (design §9): one table, which `manage.py migrate` brings into the database."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Ability(models.TextChoices):
    """What an agent may do; each page of the agents' area names the one that it needs."""

    SEE = "see", "Voir les comptes, leur journal, leurs envois et les demandes"
    REVEAL = "reveal", "Afficher une adresse de secours en entier"
    WORK_ON_REQUESTS = "work_on_requests", "Traiter les demandes d’assistance"
    RESEND_LINK = "resend_link", "Renvoyer un lien d’activation ou de réactivation"
    LOCK = "lock", "Bloquer un compte"
    RELEASE = "release", "Débloquer un compte, preuve d’identité à l’appui"
    CORRECT_ADDRESS = "correct_address", "Corriger une adresse de secours"
    IMPORT = "import_staff", "Importer le fichier RH"
    PUBLISH_CHARTER = "publish_charter", "Publier une version de la charte"
    MANAGE_AGENTS = "manage_agents", "Gérer les agents"
    EXPORT = "export", "Exporter en CSV"

    @property
    def permission(self) -> str:
        """Its name for Django's `has_perm`."""
        return f"{APP}.{self.value}"


class Role(models.TextChoices):
    """The groups of agents, by their names in the database."""

    ASSISTANCE = "Assistance", "Assistance"
    RESPONSABLES = "Responsables", "Responsables"
    LECTURE = "Lecture", "Lecture"


APP = "assistance"
_OF_ASSISTANCE = frozenset(
    {
        Ability.SEE,
        Ability.REVEAL,
        Ability.WORK_ON_REQUESTS,
        Ability.RESEND_LINK,
        Ability.LOCK,
        Ability.RELEASE,
    }
)
ABILITIES: dict[Role, frozenset[Ability]] = {
    Role.LECTURE: frozenset({Ability.SEE}),
    Role.ASSISTANCE: _OF_ASSISTANCE,
    Role.RESPONSABLES: _OF_ASSISTANCE
    | {
        Ability.CORRECT_ADDRESS,
        Ability.IMPORT,
        Ability.PUBLISH_CHARTER,
        Ability.MANAGE_AGENTS,
        Ability.EXPORT,
    },
}


def bring_roles_in_line(sender: Any, **kwargs: Any) -> None:
    """Make groups and permissions what the table says, after each `migrate`: what was clicked together goes."""
    permissions = {ability: _permission(ability) for ability in Ability}
    for role, abilities in ABILITIES.items():
        group, _created = Group.objects.get_or_create(name=role.value)
        group.permissions.set([permissions[ability] for ability in abilities])


def _permission(ability: Ability) -> Permission:
    from assistance.agents.models import EnrolmentCode

    permission, _created = Permission.objects.update_or_create(
        content_type=ContentType.objects.get_for_model(EnrolmentCode),
        codename=ability.value,
        defaults={"name": ability.label},
    )
    return permission
