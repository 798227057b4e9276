"""What agents decide about accounts at linked services. Workers carry it out."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.enums import State
from accounts.models import Account
from accounts.permissions import require_may_act_on
from core.celery import enqueue_on_commit
from journal.events import Event
from journal.services import record_event
from provisioning.brake import release_held
from provisioning.enums import Status, Urgency
from provisioning.models import Replica
from provisioning.tasks import compare_account, enqueue


class HasChanged(Exception):
    """What the agent read is no longer so. Nothing was done."""


@transaction.atomic
def write_again(*, account: Account, agent: Account, target_name: str) -> None:
    """Write the account once more, now. A held closing stays held. Raises HasChanged."""
    require_may_act_on(agent, account)
    _mark(_lock(account, target_name))
    record_event(account=account, actor=agent, event=Event.SERVICE_WRITE_REQUESTED, service=target_name)


@transaction.atomic
def confirm_opening(*, account: Account, agent: Account, target_name: str, reason: str) -> None:
    """Write over a suspension that the service alone knows. Raises HasChanged."""
    require_may_act_on(agent, account)
    replica = _lock(account, target_name)
    if not replica.is_suspended_elsewhere:
        raise HasChanged
    replica.is_confirmed = True
    _mark(replica)
    record_event(
        account=account, actor=agent, event=Event.SERVICE_OPENING_CONFIRMED, service=target_name, reason=reason
    )


@transaction.atomic
def confirm_closings(*, target_name: str, number: int, agent: Account, reason: str) -> None:
    """Write the closings that are held, if they are as many as the agent read. Raises HasChanged."""
    if release_held(target_name=target_name) != number:
        raise HasChanged
    record_event(
        account=None,
        actor=agent,
        event=Event.SERVICE_CLOSINGS_CONFIRMED,
        service=target_name,
        number=number,
        reason=reason,
    )
    enqueue(target_name)


def request_comparison(*, replica: Replica) -> None:
    """Changes nothing at the service; its answer is noted by a worker."""
    Replica.objects.filter(pk=replica.pk).update(checked_at=None, differences=None)
    enqueue_on_commit(compare_account, replica.pk, expires=60)


def _lock(account: Account, target_name: str) -> Replica:
    replicas = Replica.objects.select_for_update().exclude(status=Status.HELD)
    replica = replicas.filter(account=account, target=target_name).first()
    if replica is None:
        raise HasChanged
    return replica


def _mark(replica: Replica) -> None:
    now, is_active = timezone.now(), replica.account.state == State.ACTIVE
    Replica.objects.filter(pk=replica.pk).update(
        wanted=F("wanted") + 1,
        marked_at=now,
        due_at=now,
        urgency=Urgency.PERSON if is_active else Urgency.WITHDRAWAL,
        status=Status.WAITING,
        attempts=0,
        is_confirmed=replica.is_confirmed,
    )
    enqueue(replica.target_id)
