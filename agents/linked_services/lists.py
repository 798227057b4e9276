"""Accounts at a linked service, by status, and what waits there."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, TextChoices

from accounts.models import Account
from provisioning.enums import Status, Urgency
from provisioning.models import Replica, ReplicaQuerySet, Target
from provisioning.targets import connectors

TO_LOOK_AT = (Status.REFUSED, Status.CONFLICT, Status.HELD)


class ReplicaList(TextChoices):
    TO_LOOK_AT = "", "À regarder"
    REFUSED = Status.REFUSED.value, "Refusés par le service"
    CONFLICT = Status.CONFLICT.value, "À décider par un agent"
    HELD = Status.HELD.value, "Fermetures retenues"
    WAITING = Status.WAITING.value, "En attente"
    DONE = Status.DONE.value, "À jour"

    @classmethod
    def named(cls, name: str) -> "ReplicaList":
        return cls(name) if name in cls.values else cls.TO_LOOK_AT

    def replicas(self, target_name: str) -> ReplicaQuerySet:
        """Those that have waited longest first; for up-to-date ones, the newest first: an index has that order."""
        replicas = Replica.objects.filter(target=target_name).select_related("account")
        match self:
            case ReplicaList.TO_LOOK_AT:
                found = replicas.filter(status__in=TO_LOOK_AT).order_by("marked_at", "pk")
            case ReplicaList.WAITING:
                found = replicas.waiting().order_by("urgency", "due_at", "pk")
            case ReplicaList.DONE:
                found = replicas.filter(status=Status.DONE).order_by("-pk")
            case _:
                found = replicas.filter(status=self.value).order_by("marked_at", "pk")
        return found


def replicas_of(account: Account) -> list[Replica]:
    """At the configured services, in one query; without any, in none."""
    names = connectors()
    if not names:
        return []
    return list(account.replicas.filter(target__in=names).select_related("target").order_by("target"))


@dataclass(frozen=True, slots=True)
class Overview:
    """Of one service."""

    target: Target
    numbers: Counter[str]
    #: Label and number of the waiting accounts, by urgency.
    backlog: list[tuple[str, int]]
    oldest: datetime | None

    @property
    def held(self) -> int:
        return self.numbers[Status.HELD]

    @property
    def to_look_at(self) -> list[tuple[str, str, int]]:
        """Value, label and number of the lists that are not empty."""
        statuses = (ReplicaList(status.value) for status in TO_LOOK_AT)
        return [(one.value, one.label, self.numbers[one.value]) for one in statuses if self.numbers[one.value]]


def overviews() -> list[Overview]:
    """Of the configured services, in two queries."""
    names = list(connectors())
    targets = Target.objects.filter(name__in=names).order_by("name")
    found = Replica.objects.filter(target__in=names).order_by().values_list("target", "status", "urgency")
    rows = list(found.annotate(number=Count("pk"), since=Min("marked_at")))
    return [_overview(target, [row[1:] for row in rows if row[0] == target.name]) for target in targets]


def _overview(target: Target, rows: list[tuple[str, int, int, datetime]]) -> Overview:
    """`rows` are status, urgency, number and the oldest moment."""
    numbers: Counter[str] = Counter()
    for status, _urgency, number, _since in rows:
        numbers[status] += number
    waiting = {urgency: (number, since) for status, urgency, number, since in rows if status == Status.WAITING}
    return Overview(
        target=target,
        numbers=numbers,
        backlog=[(str(one.label), waiting[one][0] if one in waiting else 0) for one in Urgency],
        oldest=min((since for _number, since in waiting.values()), default=None),
    )
