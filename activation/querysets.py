"""An account and its answers in the wizard, in one query."""

from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from accounts.models import Account, AccountQuerySet
from activation.models import CharterAcceptance
from core.compiled_query import CompiledQuery
from directory.models import DirectoryConsent


def with_wizard_facts(accounts: AccountQuerySet, now: object) -> AccountQuerySet:
    """Add the answers to the accounts. `now`, a datetime or an expression, decides which charter is in force."""
    consents = DirectoryConsent.objects.filter(account=OuterRef("pk")).latest_first()
    return accounts.select_related("redirection").annotate(
        charter_is_accepted=Exists(
            CharterAcceptance.objects.of_the_charter_in_force(now).filter(account=OuterRef("pk"))
        ),
        is_listed=Subquery(consents.values("listed")[:1]),
    )


_WITH_FACTS = CompiledQuery(lambda pk, now: with_wizard_facts(Account.objects.with_lock(), now).filter(pk=pk))
_LOCK = CompiledQuery(lambda pk: Account.objects.select_for_update(of=("self",)).filter(pk=pk))


def account_with_facts(account_id: int) -> Account | None:
    return _WITH_FACTS.first(account_id, timezone.now())


def lock_account_with_facts(account_id: int) -> Account | None:
    """Lock the row, then read it again, to see what concurrent transactions have committed.

    Not `Account.objects.lock`: the second query also reads the answers.
    """
    _LOCK.first(account_id)
    return account_with_facts(account_id)


def charter_is_accepted(account: Account) -> bool:
    if hasattr(account, "charter_is_accepted"):
        return bool(account.charter_is_accepted)
    return CharterAcceptance.objects.of_the_charter_in_force().filter(account=account).exists()


def is_listed(account: Account) -> bool | None:
    """The last decision about the public directory; None before the first."""
    if hasattr(account, "is_listed"):
        listed: bool | None = account.is_listed
        return listed
    consent = DirectoryConsent.objects.current(account)
    return None if consent is None else consent.listed
