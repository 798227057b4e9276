"""What agents may do, and on whose account. `agents.roles` gives the permissions to groups."""

from django.core.exceptions import PermissionDenied
from django.db import models
from django.utils import timezone

from accounts.models import Account


class AgentPermission(models.TextChoices):
    """What an agent may do, by the name that Django's `has_perm` knows."""

    SEE = "agents.see", "Voir les comptes, leur journal, leurs envois et les demandes"
    REVEAL = "agents.reveal", "Afficher une adresse de secours en entier"
    WORK_ON_REQUESTS = "agents.work_on_requests", "Traiter les demandes d’assistance"
    RESEND_LINK = "agents.resend_link", "Renvoyer un lien d’activation ou de réactivation"
    LOCK = "agents.lock", "Bloquer un compte"
    RELEASE = "agents.release", "Débloquer un compte, preuve d’identité à l’appui"
    CORRECT_ADDRESS = "agents.correct_address", "Corriger une adresse de secours"
    WRITE_AGAIN = "agents.write_again", "Écrire à nouveau un compte dans un service relié"
    CONFIRM_SERVICES = "agents.confirm_services", "Confirmer ce qu’un service relié retient"
    IMPORT = "agents.import_staff", "Importer le fichier RH"
    PUBLISH_CHARTER = "agents.publish_charter", "Publier une version de la charte"
    MANAGE_AGENTS = "agents.manage_agents", "Gérer les agents"
    EXPORT = "agents.export", "Exporter en CSV"


def may_act_on(actor: Account, account: Account) -> bool:
    """Whether `account` belongs neither to `actor` nor to another agent."""
    return actor.pk != account.pk and not account.is_staff


def require_may_act_on(actor: Account, account: Account) -> None:
    if not may_act_on(actor, account):
        raise PermissionDenied


def may_manage(actor: Account, account: Account) -> bool:
    """Whether `account` belongs to another agent."""
    return actor.pk != account.pk and account.is_staff


def may_approve(agent: Account) -> bool:
    """Whether the agent counts as one of two, long enough after a colleague appointed them (agents/staff/tenure.py)."""
    return agent.approves_from is not None and agent.approves_from <= timezone.now()
