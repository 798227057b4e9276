from collections.abc import Mapping
from typing import Any

from django import forms


class CheckboxInput(forms.CheckboxInput):
    """True only for "on", which browsers send; Django's takes any value but a few as True."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return data.get(name) == "on"
