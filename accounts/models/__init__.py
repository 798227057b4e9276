"""Accounts and what belongs to them: locks, sessions, changes of the recovery address."""

from accounts.models.account import Account, AccountManager, AccountQuerySet
from accounts.models.lock import Lock, LockQuerySet
from accounts.models.recovery import (
    RecoveryAddressChange,
    RecoveryAddressChangeQuerySet,
    RecoveryAddressCorrection,
    RecoveryAddressCorrectionQuerySet,
)
from accounts.models.session import Session

__all__ = [
    "Account",
    "AccountManager",
    "AccountQuerySet",
    "Lock",
    "LockQuerySet",
    "RecoveryAddressChange",
    "RecoveryAddressChangeQuerySet",
    "RecoveryAddressCorrection",
    "RecoveryAddressCorrectionQuerySet",
    "Session",
]
