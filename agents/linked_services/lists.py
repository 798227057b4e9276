"""Accounts at a linked service, by status, and what waits there."""

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
    numbers: dict[str, int]
    #: Label and number of the waiting accounts, by urgency.
    backlog: list[tuple[str, int]]
    oldest: datetime | None

    @property
    def held(self) -> int:
        return self.numbers.get(Status.HELD, 0)

    @property
    def to_look_at(self) -> list[tuple[str, str, int]]:
        """Value, label and number of the lists that are not empty."""
        statuses = (ReplicaList(status.value) for status in TO_LOOK_AT)
        return [(one.value, one.label, self.numbers[one.value]) for one in statuses if self.numbers.get(one.value)]


def overviews() -> list[Overview]:
    """Of the configured services, in two queries."""
    names = list(connectors())
    targets = Target.objects.filter(name__in=names).order_by("name")
    found = Replica.objects.filter(target__in=names).order_by().values("target", "status", "urgency")
    rows = list(found.annotate(number=Count("pk"), since=Min("marked_at")))
    return [_overview(target, [row for row in rows if row["target"] == target.name]) for target in targets]


def _overview(target: Target, rows: list[dict[str, object]]) -> Overview:
    numbers: dict[str, int] = {}
    waiting: dict[object, int] = {}
    for row in rows:
        numbers[str(row["status"])] = numbers.get(str(row["status"]), 0) + int(str(row["number"]))
        if row["status"] == Status.WAITING:
            waiting[row["urgency"]] = int(str(row["number"]))
    since = [row["since"] for row in rows if row["status"] == Status.WAITING]
    return Overview(
        target=target,
        numbers=numbers,
        backlog=[(str(urgency.label), waiting.get(urgency.value, 0)) for urgency in Urgency],
        oldest=min(since, default=None),  # type: ignore[type-var]
    )
