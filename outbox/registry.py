"""How a mail is made: each app registers one small function per kind in its own `emails.py`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import translation

from outbox.enums import Kind
from outbox.models import Message


@dataclass(frozen=True, slots=True)
class Email:
    """What a builder gives: the templates `<template>_subject.txt`, `_body.txt`, `_body.html` and their context."""

    template: str
    context: dict[str, object] = field(default_factory=dict)
    deadline: datetime | None = None


Builder = Callable[[Message], Email | None]
LookUp = Callable[[Sequence[Message]], None]
_builders: dict[Kind, Builder] = {}
_look_ups: list[LookUp] = []


def register_email(kind: Kind) -> Callable[[Builder], Builder]:
    """Register the function that makes mails of `kind`; it returns None when the mail has become pointless."""

    def register(builder: Builder) -> Builder:
        _builders[kind] = builder
        return builder

    return register


def register_prefetch(function: LookUp) -> LookUp:
    """Register what finds in one query what the builders need to know of each mail of a batch."""
    _look_ups.append(function)
    return function


def prefetch(messages: Sequence[Message]) -> None:
    """Find whatever can be found for all of them at once, before their mails are built."""
    for function in _look_ups:
        function(messages)


def registered_kinds() -> frozenset[Kind]:
    """The kinds that somebody knows how to make."""
    return frozenset(_builders)


def build_email(message: Message) -> Email | None:
    """The mail of a row, made from today's facts, or None when there is nothing to say any more."""
    with translation.override(message.language):
        return _builders[Kind(message.kind)](message)
