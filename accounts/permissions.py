"""What agents may do, and on whose account. `agents.roles` gives the permissions to groups."""

from django.core.exceptions import PermissionDenied
from django.db import models

from accounts.models import Account


class AgentPermission(models.TextChoices):
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
        return f"agents.{self.value}"


def may_act_on(actor: Account, account: Account) -> bool:
    """Nobody acts on their own account, nor on another agent's; agents are managed by their own page and command."""
    return actor.pk != account.pk and not account.is_staff


def require_may_act_on(actor: Account, account: Account) -> None:
    """Raise PermissionDenied unless `actor` may act on `account`. For every act on an account."""
    if not may_act_on(actor, account):
        raise PermissionDenied


def may_manage(actor: Account, account: Account) -> bool:
    """Whether `actor`, who may manage agents, may do so with this one: another agent, never oneself."""
    return actor.pk != account.pk and account.is_staff
