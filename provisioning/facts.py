"""What the services outside may be told about accounts, read at one moment in a fixed number of queries."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from anyascii import anyascii
from django.conf import settings

from accounts.enums import State
from accounts.models import Account
from directory.models import with_directory_choice
from mailrouting.models import Mailbox, Redirection

#: State of an account whose personal data are erased.
ERASED = "erased"
#: Django stores « argon2 » before the hash in PHC format, which other programs read.
ARGON2 = "argon2"


@dataclass(frozen=True, slots=True)
class Facts:
    account: Account
    is_listed: bool
    has_mailbox: bool
    redirection: Redirection | None

    @property
    def state(self) -> str:
        return ERASED if self.account.erased_at else State(self.account.state).value

    @property
    def password_changed_at(self) -> datetime | None:
        return self.account.password_changed_at

    def names(self) -> dict[str, str]:
        """Text for each name of `mapping.FACTS`; empty for what is unknown."""
        account = self.account
        family_name = account.family_name or account.given_name
        return {
            "uid": account.uid,
            "login": account.login,
            "domain": settings.UNIVERSITY_DOMAINS[0],
            "given_name": account.given_name,
            "family_name": family_name,
            "full_name": account.full_name,
            "ascii_sorted_name": anyascii(f"{account.family_name} {account.given_name}".strip()),
            "hr_id": account.hr_id or "",
            "ine": account.ine,
            "phone": account.phone,
            "employer": account.employer,
            "language": account.language,
            "recovery_address": account.recovery_address,
            "end_time": f"{account.end_date:%Y%m%d}235959Z" if account.end_date else "",
            "forward_to": self.redirection.target if self.redirection else "",
            "password": phc_hash(account.password),
        }

    def conditions(self) -> frozenset[str]:
        redirection = self.redirection
        held = {
            "listed": self.is_listed,
            "mailbox": self.has_mailbox,
            "forwarded": redirection is not None,
            "copy": redirection is not None and redirection.keep_copy,
        }
        return frozenset([self.account.category, self.state, *(name for name, holds in held.items() if holds)])


def read_facts(ids: Collection[int]) -> dict[int, Facts]:
    """By primary key of the account."""
    accounts = with_directory_choice(Account.objects.with_lock()).filter(pk__in=ids)
    mailboxes = set(Mailbox.objects.filter(account__in=ids).values_list("account_id", flat=True))
    redirections = {one.account_id: one for one in Redirection.objects.in_force().filter(account__in=ids)}
    return {
        account.pk: Facts(
            account=account,
            # django-stubs does not see an annotation through a function (attr-defined).
            is_listed=bool(account.listed),  # type: ignore[attr-defined]
            has_mailbox=account.has_mailbox_right and account.pk in mailboxes,
            redirection=redirections.get(account.pk),
        )
        for account in accounts
    }


def phc_hash(password: str) -> str:
    """The hash as Argon2 writes it; empty for one that no other program can check."""
    algorithm, separator, hash_ = password.partition("$")
    return f"${hash_}" if algorithm == ARGON2 and separator else ""
