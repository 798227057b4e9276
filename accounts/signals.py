"""Receivers run in the transaction of the change."""

from django.dispatch import Signal

# Arguments: `account`, `agent`.
account_unlocked = Signal()
# Sent by the HR feed. Arguments: `accounts` (their ids), `actor`.
accounts_updated = Signal()
# Sent after a long absence. Arguments: `accounts` (their ids), `actor`.
accounts_started_anew = Signal()
