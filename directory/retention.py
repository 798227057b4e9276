"""How long the decisions about the public directory are kept as a proof."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from core.retention import Rows, retention_rule
from directory.models import DirectoryConsent
from privacy.erasure import keep_relation, register_erasure

keep_relation("directory_consents", _("la preuve de chaque choix, le temps pendant lequel elle peut servir"))


@register_erasure
def withdraw_consent(accounts: Sequence[Account]) -> None:
    """Record a no after a yes, so that an account that HR brings back is not listed."""
    consents = DirectoryConsent.objects.filter(account__in=accounts)
    last = consents.order_by("account", "-decided_at", "-pk").distinct("account")
    DirectoryConsent.objects.bulk_create(
        DirectoryConsent(account_id=yes.account_id, listed=False, wording="", language=yes.language)
        for yes in last
        if yes.listed
    )


@retention_rule("directory-choices", after="RETENTION_PROOFS_DAYS")
def proofs_of_choices(limit: datetime) -> Rows:
    return DirectoryConsent.objects.filter(
        account__erased_at__isnull=False, account__end_date__lt=timezone.localdate(limit)
    )
