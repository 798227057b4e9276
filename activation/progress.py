"""How far somebody has come in the activation; read together with the account, in one question."""

from django.db.models import Exists, OuterRef, Subquery

from accounts.models import Account, AccountQuerySet
from activation.models import CharterAcceptance
from directory.models import DirectoryConsent


def with_answers(accounts: AccountQuerySet, now: object) -> AccountQuerySet:
    """The same accounts, each knowing without a query of its own what was answered by `now`, a moment or an expression.

    It decides which version of the charter is in force.
    """
    consents = DirectoryConsent.objects.filter(account=OuterRef("pk")).latest_first()
    return accounts.select_related("redirection").annotate(
        charter_is_accepted=Exists(
            CharterAcceptance.objects.of_the_charter_in_force(now).filter(account=OuterRef("pk"))
        ),
        is_listed=Subquery(consents.values("listed")[:1]),
    )


def charter_is_accepted(account: Account) -> bool:
    """Whether the version in force has been accepted."""
    if hasattr(account, "charter_is_accepted"):
        return bool(account.charter_is_accepted)
    return CharterAcceptance.objects.of_the_charter_in_force().filter(account=account).exists()


def is_listed(account: Account) -> bool | None:
    """Whether the person is to be in the public directory; None before any decision."""
    if hasattr(account, "is_listed"):
        return account.is_listed
    consent = DirectoryConsent.objects.current(account)
    return None if consent is None else consent.listed
