"""How mails are built: each app registers one function per kind in its `emails.py`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import translation

from outbox.models import Message


@dataclass(frozen=True, slots=True)
class Email:
    """What a builder returns: the templates `<template>_subject.txt`, `_body.txt`, `_body.html` and their context."""

    template: str
    context: dict[str, object] = field(default_factory=dict)
    deadline: datetime | None = None


Builder = Callable[[Message], Email | None]
Prefetch = Callable[[Sequence[Message]], None]
_builders: dict[str, Builder] = {}
_prefetches: list[Prefetch] = []


def register_email(kind: str) -> Callable[[Builder], Builder]:
    """Register the builder of `kind`; it returns None when the mail is obsolete."""

    def register(builder: Builder) -> Builder:
        _builders[kind] = builder
        return builder

    return register


def register_prefetch(function: Prefetch) -> Prefetch:
    """Register a function that loads in one query what the builders need for each mail of a batch."""
    _prefetches.append(function)
    return function


def prefetch(messages: Sequence[Message]) -> None:
    """Run the registered prefetches, before the mails are built."""
    for function in _prefetches:
        function(messages)


def registered_kinds() -> frozenset[str]:
    return frozenset(_builders)


def build_email(message: Message) -> Email | None:
    """The mail of a row, built from current data, or None when it is obsolete."""
    with translation.override(message.language):
        return _builders[message.kind](message)
