"""Inputs that are stricter than Django's."""

from collections.abc import Mapping
from typing import Any

from django import forms


class CheckboxInput(forms.CheckboxInput):
    """A box to tick: only what a browser sends for a ticked box is a yes, not "0", "false" or anything else."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Whether the box was ticked."""
        return data.get(name) == "on"
