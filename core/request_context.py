"""Where an action comes from, for journal and log, without passing requests around."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

#: Where a request's context is in its WSGI environment, for what is logged after the response.
IN_ENVIRONMENT = "portal.request_context"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`source` is "web", "worker" or "command"; `device` a browser and system, never a whole user agent; `known_to`
    digests of the logins that have signed in from this browser, the last one first. In a worker, `request_id` is that
    of the request that caused the task.
    """

    source: str = "command"
    client_address: str | None = None
    device: str = ""
    request_id: str = ""
    known_to: tuple[str, ...] = ()
    task_id: str = ""


_COMMAND = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("request_context", default=_COMMAND)


def current_request_context() -> RequestContext:
    return _current.get()


@contextmanager
def use_request_context(context: RequestContext) -> Iterator[None]:
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
