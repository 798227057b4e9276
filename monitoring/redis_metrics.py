"""Metrics that are in Redis: what waits there, and what all processes have counted."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, Metric

from core.rate_limits import refusal_counts
from monitoring.families import counter_by, gauge_by
from monitoring.heartbeats import HEARTBEATS, heartbeat_ages
from monitoring.redis_server import redis_client
from monitoring.requests import POOL, SLOW, STATUSES, request_counts

QUEUES = ("urgent", "bulk")


def heartbeats() -> Iterable[Metric]:
    yield gauge_by("of", HEARTBEATS, heartbeat_ages(), "portal_heartbeat_seconds", "Time since the last sign of life.")


def queues() -> Iterable[Metric]:
    with redis_client() as redis:
        lengths = {queue: redis.llen(queue) for queue in QUEUES}
    yield gauge_by("queue", QUEUES, lengths, "portal_queue_length", "Tasks that no worker has taken yet.")


def refusals() -> Iterable[Metric]:
    numbers = refusal_counts()
    about = "Requests refused as too many, by limit; begins again every day."
    yield counter_by("limit", numbers, numbers, "portal_refusals", about)


def requests() -> Iterable[Metric]:
    numbers = request_counts()
    yield counter_by("status", STATUSES, numbers, "portal_requests", "Responses by status, without health checks.")
    yield CounterMetricFamily("portal_slow_requests", "Responses after more than two seconds.", value=numbers[SLOW])
    about = "Requests that got no connection to the database."
    yield CounterMetricFamily("portal_pool_refusals", about, value=numbers[POOL])
