"""Receivers run in the transaction of the change."""

from django.dispatch import Signal

# Sent once for the entries of one call. Argument: `event`.
events_recorded = Signal()
