"""Where an act comes from, a page, the command line or the worker: for the journal, without passing requests around."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`source` is "web", "worker" or "command"; `device` a browser and a system by name, never a whole user agent."""

    source: str = "command"
    client_address: str | None = None
    device: str = ""
    request_id: str = ""


_COMMAND = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("origin", default=_COMMAND)


def current_request_context() -> RequestContext:
    """The origin of what is being done now."""
    return _current.get()


@contextmanager
def use_request_context(origin: RequestContext) -> Iterator[None]:
    """Everything recorded inside comes from `origin`."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
