import logging

from celery import shared_task
from django.utils import timezone

from core.celery import enqueue_on_commit
from journal.events import Event
from provisioning import comparison
from provisioning.apply import write_due
from provisioning.connector import TargetDown
from provisioning.models import Replica
from provisioning.targets import connectors, synchronise_targets

logger = logging.getLogger(__name__)

#: In seconds: a target that answers a byte at a time.
TIME_LIMIT = 60
#: A person, or the service that refuses them, waits for what follows.
WAKING = {
    *(Event.USER_ACTIVATED, Event.USER_REACTIVATED, Event.PASSWORD_CHANGED, Event.PASSWORD_RESET),
    *(Event.LOCKED, Event.RELEASED, Event.USER_UPDATED, Event.USER_STARTED_ANEW, Event.USER_ERASED),
    *(Event.DIRECTORY_CONSENT_GIVEN, Event.DIRECTORY_CONSENT_REFUSED),
    *(Event.REDIRECTION_CHOSEN, Event.REDIRECTION_VERIFIED, Event.REDIRECTION_STOPPED, Event.MAILBOX_CREATED),
}


@shared_task(time_limit=TIME_LIMIT)
def write_to(target: str) -> None:
    """Write what is due to that target. Another turn follows when some is left."""
    known = connectors().get(target)
    if known is not None and write_due(target_name=target, connector=known):
        enqueue(target)


@shared_task(time_limit=TIME_LIMIT)
def sweep() -> None:
    """Find what waits without a task: a killed worker, an emptied broker, rows that SQL wrote."""
    synchronise_targets()
    for target in connectors():
        enqueue(target)


@shared_task(time_limit=3600)
def compare_all() -> None:
    """Mark what the end of a day or new settings have changed, then note what the targets have otherwise."""
    for target, connector in connectors().items():
        comparison.mark_changed(target_name=target, connector=connector())
        try:
            comparison.record_drift(target_name=target, connector=connector)
        except TargetDown as failure:
            logger.warning("%s could not be compared: %s", target, failure)


@shared_task(time_limit=TIME_LIMIT)
def compare_account(replica_id: int) -> None:
    """Note the names of what differs at the target: an agent has asked."""
    replica = Replica.objects.filter(pk=replica_id).first()
    known = connectors().get(replica.target_id) if replica else None
    if replica is None or known is None:
        return
    try:
        found = comparison.differences_of(target_name=known.target, connector=known, ids=[replica.account_id])
        names = [name for drift in found for name in drift.names]
    except TargetDown:
        names = None
    Replica.objects.filter(pk=replica_id).update(differences=names, checked_at=timezone.now())


def enqueue(target: str) -> None:
    enqueue_on_commit(write_to, target, expires=60)


def wake_workers(sender: object, event: Event | None = None, **kwargs: object) -> None:
    """When the transaction commits. The triggers have marked the accounts; without this, a sweep would find them."""
    if event is None or event in WAKING:
        for target in connectors():
            enqueue(target)
