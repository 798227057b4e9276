"""The connectors that the settings name."""

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from provisioning.connector import Connector
from provisioning.enums import Urgency
from provisioning.models import Target

MARK_ALL = """
    SELECT provisioning_mark(array_agg(id), %(urgency)s) FROM accounts_account WHERE activated_at IS NOT NULL
"""
# Also locks made while the target was not linked.
MARK_LOCKED = """
    SELECT provisioning_mark(array_agg(account_id), %(urgency)s) FROM accounts_lock WHERE released_at IS NULL
"""


def connectors() -> dict[str, type[Connector]]:
    """By target. A connector is loaded only when it is configured."""
    found: list[type[Connector]] = [import_string(path) for path in settings.PROVISIONING_CONNECTORS]
    return {connector.target: connector for connector in found}


def synchronise_targets() -> None:
    """Make the table agree with the settings: the triggers read it. A target that is new gets every account."""
    names = set(connectors())
    enabled = set(Target.objects.filter(is_enabled=True).values_list("name", flat=True))
    if enabled - names:
        Target.objects.filter(name__in=enabled - names).update(is_enabled=False)
    if names - enabled:
        _enable(names - enabled)


@transaction.atomic
def _enable(names: set[str]) -> None:
    for name in sorted(names):
        Target.objects.update_or_create(name=name, defaults={"is_enabled": True})
    with connection.cursor() as cursor:
        cursor.execute(MARK_ALL, {"urgency": Urgency.BULK})
        cursor.execute(MARK_LOCKED, {"urgency": Urgency.WITHDRAWAL})
