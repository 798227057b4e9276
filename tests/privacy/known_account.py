"""An account with a row in every table that is about its owner."""

from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressCorrection
from activation.models import Reminders
from directory.services import record_directory_consent
from mailrouting.services import change_redirection
from tests.accounts.recovery.recovering import change_to, wish
from tests.factories import A_GOOD_PASSWORD, active_account, reloaded
from tests.locking import UNLOCK_REASONS

CLIENT_ADDRESS = "198.51.100.42"


def known_account(**facts: Any) -> Account:
    account = active_account(**facts)
    change_redirection(account=account, target="ailleurs@exemple.org", keep_copy=True)
    record_directory_consent(account=account, listed=True, wording="?")
    change_to(account, "seconde@exemple.org")
    lock_account(account=account, reason=LockReason.OTHER)
    account.locks.update(released_at=timezone.now(), **UNLOCK_REASONS)
    wish(account, "troisieme@exemple.org")
    RecoveryAddressCorrection.objects.create(account=account, new_address="quatrieme@exemple.org", note="?")
    Reminders.objects.create(account=account, sent=1)
    client = Client(REMOTE_ADDR=CLIENT_ADDRESS)
    client.post(reverse("login"), {"login": account.login, "password": A_GOOD_PASSWORD})
    client.post(reverse("forgotten-password"), {"login": account.login})
    return reloaded(account)
