"""Compares what the targets have, or were told, with today's facts."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.utils import timezone

from accounts.models import Account
from provisioning.apply import mark
from provisioning.connector import Connector, Seen, Wanted
from provisioning.enums import Status, Urgency
from provisioning.facts import read_facts
from provisioning.models import Replica, Target

PAGE = 500
#: What keeps an account from being right until an agent or a correction helps.
STUCK = (Status.REFUSED, Status.CONFLICT, Status.HELD)


@dataclass(frozen=True, slots=True)
class Drift:
    """`names` are those of attributes, never values. No account for an entry that is the portal's and nobody's."""

    uid: str
    names: list[str]
    account_id: int | None


def compare(*, target_name: str, connector: type[Connector]) -> Iterator[Drift]:
    """Every entry, in pages, then the accounts that have none. Changes nothing; raises TargetDown."""
    found: set[int] = set()
    with connector() as opened:
        for page in opened.walk():
            yield from _compare_page(opened, target_name, page, found)
        carried = Replica.objects.filter(target=target_name).exclude(account__in=found)
        for ids in in_batches(carried.values_list("account_id", flat=True), PAGE):
            yield from _differences(opened, target_name, ids, {})
    stuck = Replica.objects.filter(target=target_name, status__in=STUCK).select_related("account")
    for replica in stuck.iterator():
        yield Drift(replica.account.uid, [f"{replica.status} {replica.answer}".strip()], replica.account_id)


def record_drift(*, target_name: str, connector: type[Connector]) -> list[Drift]:
    """Compare, and note how many differ for the agents and the metrics. Raises TargetDown."""
    found = list(compare(target_name=target_name, connector=connector))
    Target.objects.filter(name=target_name).update(drift=len(found), compared_at=timezone.now())
    return found


def differences_of(*, target_name: str, connector: type[Connector], ids: Collection[int]) -> Iterator[Drift]:
    """What would be written for these accounts. Changes nothing; raises TargetDown."""
    uids = dict(Account.objects.filter(pk__in=ids).values_list("pk", "uid"))
    with connector() as opened:
        for batch in in_batches(ids, PAGE):
            seen = opened.read([uids[pk] for pk in batch])
            yield from _differences(opened, target_name, batch, seen)


def mark_changed(*, target_name: str, connector: Connector) -> int:
    """Mark the accounts whose content is not what was written last: ends of contracts, changed settings."""
    written = Replica.objects.filter(target=target_name, status=Status.DONE).order_by("pk")
    number = 0
    for ids in in_batches(written.values_list("account_id", flat=True), PAGE):
        changed = [one for one in _wanted(connector, target_name, ids) if one.digest != one.replica.digest]
        over = [one.facts.account.pk for one in changed if one.facts.account.is_closed]
        others = [one.facts.account.pk for one in changed if not one.facts.account.is_closed]
        mark(over, urgency=Urgency.WITHDRAWAL)
        mark(others, urgency=Urgency.BULK)
        number += len(changed)
    return number


def _compare_page(connector: Connector, target_name: str, page: list[Seen], found: set[int]) -> Iterator[Drift]:
    seen = {one.uid: one for one in page}
    ids = dict(Account.objects.filter(uid__in=seen).values_list("uid", "pk"))
    yield from (
        Drift(uid, ["an entry without an account"], None)
        for uid in sorted(seen.keys() - ids.keys())
        if connector.is_own(seen[uid])
    )
    carried = set(
        Replica.objects.filter(target=target_name, account__in=ids.values()).values_list("account", flat=True)
    )
    found |= carried
    yield from _differences(connector, target_name, carried, seen)


def _differences(
    connector: Connector, target_name: str, ids: Collection[int], seen: dict[str, Seen]
) -> Iterator[Drift]:
    for wanted in _wanted(connector, target_name, ids):
        if names := connector.differences(wanted, seen.get(wanted.uid)):
            yield Drift(wanted.uid, names, wanted.facts.account.pk)


def _wanted(connector: Connector, target_name: str, ids: Collection[int]) -> Iterator[Wanted]:
    facts = read_facts(ids)
    for replica in Replica.objects.filter(target=target_name, account__in=ids).order_by("pk"):
        one = facts[replica.account_id]
        yield Wanted(one, replica, connector.content(one))


def in_batches(ids: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(ids)
    while batch := list(islice(iterator, size)):
        yield batch
