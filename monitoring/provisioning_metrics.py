"""Metrics of the linked services, from the tables: one query, two when a service is linked."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from provisioning.enums import Status, Urgency
from provisioning.models import Replica, Target


def linked_services() -> Iterable[Metric]:
    """Of each service that the settings link, at zero too."""
    now, targets = timezone.now(), list(Target.objects.filter(is_enabled=True).order_by("name"))
    names = [target.name for target in targets]
    found = Replica.objects.filter(target__in=names).order_by().values("target", "status", "urgency")
    rows = list(found.annotate(number=Count("pk"), since=Min("marked_at")))
    numbers: dict[tuple[str, str], int] = {}
    oldest: dict[tuple[str, int], datetime] = {}
    for row in rows:
        of_status = row["target"], row["status"]
        numbers[of_status] = numbers.get(of_status, 0) + row["number"]
        if row["status"] == Status.WAITING:
            oldest[row["target"], row["urgency"]] = row["since"]
    replicas = _family("replicas", "Accounts at the service, by status.", "status")
    waiting = _family("oldest_seconds", "How long the first account has waited to be written.", "urgency")
    up, drift = _family("up", "1 when the service answers."), _family("drift", "Differences at the last comparison.")
    held = _family("held", "Closings that wait for an agent.")
    for target in targets:
        for status in Status:
            replicas.add_metric([target.name, status.value], numbers.get((target.name, status.value), 0))
        for urgency in Urgency:
            since = oldest.get((target.name, urgency.value), now)
            waiting.add_metric([target.name, urgency.name.lower()], (now - since).total_seconds())
        up.add_metric([target.name], int(target.down_since is None))
        drift.add_metric([target.name], target.drift)
        held.add_metric([target.name], numbers.get((target.name, Status.HELD.value), 0))
    yield from (replicas, waiting, up, drift, held)


def _family(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"portal_provisioning_{name}", about, labels=["target", *labels])
