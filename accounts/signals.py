"""Receivers run in the transaction of the change."""

from django.dispatch import Signal

# Sent with `account` and `agent` when a lock is released.
account_unlocked = Signal()
# Sent with the ids of the `accounts` and the `actor` when the HR feed has updated facts of accounts.
accounts_updated = Signal()
