from typing import Any

from django.db import models
from django.utils.deconstruct import deconstructible


@deconstructible
class EnumChoices:
    """The choices of an enumeration as a callable: migrations name its class, so a new member needs no migration."""

    def __init__(self, enum: type[models.Choices]) -> None:
        self.enum = enum

    def __call__(self) -> list[tuple[Any, Any]]:
        return list(self.enum.choices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnumChoices) and self.enum is other.enum

    __hash__ = None  # type: ignore[assignment]
