"""How far somebody has come in the activation; read together with the account, in one question."""

from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from accounts.models import Account, AccountQuerySet
from activation.models import CharterAcceptance
from core.compiled_query import CompiledQuery
from directory.models import DirectoryConsent


def with_wizard_facts(accounts: AccountQuerySet, now: object) -> AccountQuerySet:
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


_WITH_ANSWERS = CompiledQuery(lambda pk, now: with_wizard_facts(Account.objects.with_lock(), now).filter(pk=pk))
_HELD = CompiledQuery(lambda pk: Account.objects.select_for_update(of=("self",)).filter(pk=pk))


def of(account_id: int) -> Account | None:
    """The account with its locks and answers, as it is now."""
    return _WITH_ANSWERS.first(account_id, timezone.now())


def held(account_id: int) -> Account | None:
    """The same, kept until the end of the transaction.

    What is read after the wait is what the other one left, locks included: hence two queries.
    """
    _HELD.first(account_id)
    return of(account_id)


def charter_is_accepted(account: Account) -> bool:
    """Whether the version in force has been accepted."""
    if hasattr(account, "charter_is_accepted"):
        return bool(account.charter_is_accepted)
    return CharterAcceptance.objects.of_the_charter_in_force().filter(account=account).exists()


def is_listed(account: Account) -> bool | None:
    """Whether the person is to be in the public directory; None before any decision."""
    if hasattr(account, "is_listed"):
        listed: bool | None = account.is_listed
        return listed
    consent = DirectoryConsent.objects.current(account)
    return None if consent is None else consent.listed
