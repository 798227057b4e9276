from typing import Any

from django.core import checks

from provisioning.connector import Connector
from provisioning.targets import connectors


@checks.register
def check_connectors(app_configs: Any, **kwargs: Any) -> list[checks.Error]:
    """Refuse a connector that cannot be loaded, or two for one target."""
    try:
        found = connectors()
    except ImportError as error:
        return [checks.Error(f"PROVISIONING_CONNECTOR: {error}.", id="provisioning.E001")]
    wrong = [one for one in found.values() if not (isinstance(one, type) and issubclass(one, Connector))]
    return [
        checks.Error(f"PROVISIONING_CONNECTOR: {one!r} is no Connector (docs/provisioning.md).", id="provisioning.E002")
        for one in wrong
    ]
