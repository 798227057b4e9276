from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from provisioning.connector import Connector


@checks.register
def check_connectors(app_configs: Any, **kwargs: Any) -> list[checks.Error]:
    """Refuse a connector that cannot be loaded or is none, and two of one name."""
    found = {path: _refusal(path) for path in settings.PROVISIONING_CONNECTORS}
    errors = [
        checks.Error(f"PROVISIONING_CONNECTOR: {text}", id="provisioning.E001") for text in found.values() if text
    ]
    names = [] if errors else [import_string(path).target for path in found]
    if len(set(names)) < len(names):
        text = f"PROVISIONING_CONNECTOR: the target {names[-1]!r} is there already."
        errors.append(checks.Error(text, id="provisioning.E002"))
    return errors


def _refusal(path: str) -> str:
    """Empty for a connector."""
    try:
        connector = import_string(path)
    except ImportError as error:
        return f"{error}."
    is_one = isinstance(connector, type) and issubclass(connector, Connector)
    return "" if is_one else f"{path} is no Connector (docs/provisioning.md)."
