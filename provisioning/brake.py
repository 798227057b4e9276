"""Holds back a mass withdrawal: an HR file or a comparison that closes many accounts at once may be a mistake.

Locks are not held: an agent, a command or a security system asked for each.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from provisioning.enums import Status
from provisioning.models import Replica, Target

LEAST, SHARE = 20, 0.02
WINDOW = timedelta(hours=1)


def hold_mass_withdrawal(target: Target) -> int:
    """Hold the closings that wait when, with those of the last hour, they are too many. Returns how many are held."""
    waiting = Replica.objects.filter(target=target, is_confirmed=False).closings()
    number = waiting.waiting().count()
    if not number:
        return 0
    replicas = Replica.objects.filter(target=target)
    recent = replicas.filter(state="closed", is_confirmed=False, applied_at__gt=timezone.now() - WINDOW).count()
    if number + recent <= max(LEAST, SHARE * replicas.count()):
        return 0
    ids = list(waiting.waiting().values_list("pk", flat=True))
    return Replica.objects.filter(pk__in=ids, status=Status.WAITING).update(status=Status.HELD)


@transaction.atomic
def release_held(*, target_name: str) -> int:
    """Write what is held: an agent has confirmed it."""
    held = Replica.objects.filter(target=target_name, status=Status.HELD)
    return held.update(status=Status.WAITING, is_confirmed=True, due_at=timezone.now())
