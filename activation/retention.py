"""How long requests for links and proofs of the charter are kept."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from activation.models import CharterAcceptance, LinkRequest
from core.retention import Rows, retention_rule
from privacy.erasure import keep_relation, register_erasure
from privacy.retention import delete_append_only

keep_relation(
    "charter_acceptances", _("la preuve d’acceptation de la charte, le temps pendant lequel elle peut servir")
)


@register_erasure
def forget_link_requests(accounts: Sequence[Account]) -> None:
    # Requests store the login that was typed, not the account.
    LinkRequest.objects.filter(login__in=[account.login for account in accounts]).delete()


@retention_rule("link-requests", after="RETENTION_LINK_REQUESTS_DAYS")
def old_link_requests(limit: datetime) -> Rows:
    return LinkRequest.objects.filter(requested_at__lt=limit)


@retention_rule("charter-acceptances", after="RETENTION_PROOFS_DAYS", by=delete_append_only)
def proofs_of_acceptance(limit: datetime) -> Rows:
    return CharterAcceptance.objects.filter(
        account__erased_at__isnull=False, account__end_date__lt=timezone.localdate(limit)
    )
