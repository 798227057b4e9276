"""Writes waiting accounts to a target. The table says what is wanted; what is written follows from today's facts.

So an act may be repeated, and a killed worker costs a repetition.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from provisioning.brake import hold_mass_withdrawal
from provisioning.connector import (
    Applied,
    Conflict,
    Connector,
    Later,
    Outcome,
    ReadAgain,
    Refused,
    Seen,
    TargetDown,
    Wanted,
)
from provisioning.enums import Status
from provisioning.facts import read_facts
from provisioning.models import Replica, Target

logger = logging.getLogger(__name__)

#: Of a target by one worker; renewed while it works.
LEASE = timedelta(seconds=30)
RENEWED_AFTER = timedelta(seconds=5)
#: A worker ends after this time and calls the next one.
TURN = timedelta(seconds=20)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(seconds=60)
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(hours=1)
#: Entries that change under the worker are read again at once, so many times.
MOST_READS = 5
NOTE_WRITTEN = """
    UPDATE provisioning_replica AS replica SET
        applied = written.version,
        applied_at = statement_timestamp(),
        state = written.state,
        password_changed_at = written.password_changed_at,
        digest = written.digest,
        answer = '',
        status = CASE WHEN replica.wanted = written.version THEN 'done' ELSE replica.status END,
        is_confirmed = replica.is_confirmed AND replica.wanted <> written.version,
        attempts = 0
    FROM unnest(
        %(ids)s::bigint[], %(versions)s::bigint[], %(states)s::text[], %(passwords)s::timestamptz[], %(digests)s::text[]
    ) AS written (id, version, state, password_changed_at, digest)
    WHERE replica.id = written.id AND replica.applied <= written.version
"""


@dataclass(slots=True)
class Turn:
    """A worker's hold of a target."""

    target: Target
    lease: uuid.UUID
    ends_at: datetime
    renewed_at: datetime

    def is_ours(self) -> bool:
        """Renew the lease; False when another worker has it."""
        now = timezone.now()
        if now < self.renewed_at + RENEWED_AFTER:
            return True
        self.renewed_at = now
        mine = Target.objects.filter(pk=self.target.pk, lease=self.lease)
        return bool(mine.update(leased_until=now + LEASE))


def write_due(*, target_name: str, connector: type[Connector]) -> bool:
    """Write what is due; True when some of it is left for another turn. Nothing while another worker writes, or in a
    pause.
    """
    turn = _take_turn(target_name)
    if turn is None:
        return False
    try:
        return _write_batches(turn, connector)
    except TargetDown as failure:
        _pause(turn.target, str(failure))
        return False
    finally:
        Target.objects.filter(pk=target_name, lease=turn.lease).update(lease=None, leased_until=None)


def _take_turn(target_name: str) -> Turn | None:
    now, lease = timezone.now(), uuid.uuid4()
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    awake = Q(paused_until__isnull=True) | Q(paused_until__lte=now)
    ready = Target.objects.filter(free, awake, pk=target_name, is_enabled=True)
    if not Replica.objects.filter(target=target_name).due(now).exists():
        return None
    if not ready.update(lease=lease, leased_until=now + LEASE):
        return None
    return Turn(Target.objects.get(pk=target_name), lease, now + TURN, now)


def _write_batches(turn: Turn, connector: type[Connector]) -> bool:
    with connector() as opened:
        while replicas := _due(turn.target, connector.batch):
            _write_batch(turn, opened, replicas)
            _note_up(turn.target)
            if timezone.now() > turn.ends_at or not turn.is_ours():
                return True
    return False


def _due(target: Target, batch: int) -> list[Replica]:
    """The next batch; one account while the target was down at the last try."""
    hold_mass_withdrawal(target)
    size = batch if target.down_since is None else 1
    return list(Replica.objects.filter(target=target).due(timezone.now())[:size])


def _write_batch(turn: Turn, connector: Connector, replicas: list[Replica]) -> None:
    """What is written is noted at the end, in one statement: a worker that is killed before costs a repetition."""
    written: list[Wanted] = []
    try:
        for wanted, seen in _read(connector, replicas):
            if not turn.is_ours():
                return
            outcome = _write(connector, wanted, seen)
            if isinstance(outcome, Applied):
                written.append(wanted)
            else:
                note_failure(wanted.replica, outcome)
            # After one at least: a slow target gets on, too.
            if timezone.now() > turn.ends_at:
                return
    finally:
        note_written(written)


def _read(connector: Connector, replicas: list[Replica]) -> list[tuple[Wanted, Seen | None]]:
    """`replicas` are read before the facts: a change in between raises `wanted` again."""
    facts = read_facts([replica.account_id for replica in replicas])
    seen = connector.read([one.account.uid for one in facts.values()])
    found = [(replica, facts[replica.account_id]) for replica in replicas]
    return [(Wanted(one, replica, connector.content(one)), seen.get(one.account.uid)) for replica, one in found]


def _write(connector: Connector, wanted: Wanted, seen: Seen | None) -> Outcome:
    try:
        return connector.write(wanted, seen)
    except TargetDown:
        raise
    except Exception as error:
        logger.exception("Account %s could not be written to %s", wanted.facts.account.pk, connector.target)
        return Later(type(error).__name__)


def note_written(written: list[Wanted]) -> None:
    """An account that has been marked meanwhile stays waiting."""
    columns: dict[str, list[Any]] = {
        "ids": [one.replica.pk for one in written],
        "versions": [one.replica.wanted for one in written],
        "states": [one.facts.state for one in written],
        "passwords": [one.facts.password_changed_at for one in written],
        "digests": [one.digest for one in written],
    }
    with connection.cursor() as cursor:
        cursor.execute(NOTE_WRITTEN, columns)


def note_failure(replica: Replica, outcome: Refused | Conflict | Later | ReadAgain) -> None:
    now = timezone.now()
    # It may have been marked meanwhile.
    unchanged = Replica.objects.filter(pk=replica.pk, wanted=replica.wanted)
    if isinstance(outcome, Refused | Conflict):
        status = Status.REFUSED if isinstance(outcome, Refused) else Status.CONFLICT
        unchanged.update(status=status, answer=outcome.answer, attempts=replica.attempts + 1)
        logger.warning("Account %s, %s: %s, %s", replica.account_id, replica.target_id, status.value, outcome.answer)
        return
    at_once = isinstance(outcome, ReadAgain) and replica.attempts < MOST_READS
    delay = timedelta(0) if at_once else min(FIRST_DELAY * 2 ** min(replica.attempts, 20), LONGEST_DELAY)
    answer = outcome.answer if isinstance(outcome, Later) else ""
    unchanged.update(due_at=now + delay, attempts=replica.attempts + 1, answer=answer)


def _note_up(target: Target) -> None:
    if target.down_since is not None:
        target.down_since, target.failures, target.paused_until, target.answer = None, 0, None, ""
        target.save(update_fields=["down_since", "failures", "paused_until", "answer"])
        logger.warning("%s is up again", target.name)


def _pause(target: Target, answer: str) -> None:
    """No account is tried, and none counts an attempt, until the pause is over."""
    now = timezone.now()
    pause = min(FIRST_PAUSE * 2 ** min(target.failures, 10), LONGEST_PAUSE)
    level = logging.WARNING if target.down_since else logging.ERROR
    Target.objects.filter(pk=target.pk).update(
        down_since=target.down_since or now,
        failures=target.failures + 1,
        paused_until=now + pause,
        answer=answer[:500],
    )
    logger.log(level, "%s is down: %s", target.name, answer)


def mark(ids: list[int], *, urgency: int) -> None:
    """Mark accounts as the triggers do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT provisioning_mark(%s, %s)", [ids, urgency])
