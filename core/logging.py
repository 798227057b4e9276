"""Log formatters: one JSON object per line, no forged lines, secrets and addresses masked.

JSON logging libraries copy every attribute of a record (Django attaches the request) and the values of exceptions. Here
only fields given as `extra={"facts": {…}}` are written.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from core.request_context import IN_ENVIRONMENT, RequestContext, current_request_context

# The secret of a mailed link; no other word of a log line is that long.
LINK_SECRET = re.compile(r"[\w-]{40,}")
# Not host names, which have no dot or a hidden user: "celery@worker1", "redis://:**@redis".
_WORD = r"[^\s@:;,=*<>()\[\]{}\"'`]"
MAIL_ADDRESS = re.compile(rf"{_WORD}+@{_WORD}+\.{_WORD}+")
# PostgreSQL quotes whole rows there. Some callers write line ends as two characters.
QUOTED_ROWS = re.compile(r"(?:\\n|\s)*(?:DETAIL|CONTEXT|LINE \d+):.*", re.DOTALL)
DEEPEST_FRAMES = 12


def mask(text: str) -> str:
    """Remove secrets of links, mail addresses and database rows."""
    return MAIL_ADDRESS.sub("…@…", LINK_SECRET.sub("…", QUOTED_ROWS.sub("", text)))


def to_json_line(facts: Mapping[str, object]) -> str:
    """One line of printable ASCII."""
    return json.dumps(facts)


def timestamp(seconds: float) -> str:
    """ISO 8601 in UTC: "2026-09-07T08:00:00.000Z"."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """For machines: events have named fields and numbers of accounts, other lines a masked message."""

    def format(self, record: logging.LogRecord) -> str:
        context = _context_of(record)
        facts: dict[str, object] = {
            "time": timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": "log",
            "request_id": context.request_id or None,
        }
        if context.task_id:
            facts["task_id"] = context.task_id
        return to_json_line(facts | self._message(record) | _exception(record))

    def _message(self, record: logging.LogRecord) -> dict[str, object]:
        facts = getattr(record, "facts", None)
        if facts is None:
            return {"message": mask(_message_without_traceback(record))}
        return {"event": record.getMessage(), **{name: _field(fact) for name, fact in facts.items()}}


class TextFormatter(logging.Formatter):
    """For development: the event, its fields, whole tracebacks."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}{fields}", style="{", defaults={"fields": ""})

    def format(self, record: logging.LogRecord) -> str:
        record.fields = "".join(f" {name}={fact}" for name, fact in getattr(record, "facts", {}).items())
        return LINK_SECRET.sub("…", super().format(record))


def _field(fact: object) -> object:
    return fact if fact is None or isinstance(fact, int | float) else mask(str(fact))


def _message_without_traceback(record: logging.LogRecord) -> str:
    """Some libraries write the traceback, with values, into the message."""
    message = record.getMessage()
    return message.partition("\n")[0] if record.exc_info else message


def _context_of(record: logging.LogRecord) -> RequestContext:
    """Django logs a refused request after the response, with the request."""
    environment = getattr(getattr(record, "request", None), "META", {})
    context: RequestContext = environment.get(IN_ENVIRONMENT) or current_request_context()
    return context


def _exception(record: logging.LogRecord) -> dict[str, object]:
    """The chain of exceptions and the frames of the last one: files and lines, no values."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)[-DEEPEST_FRAMES:]
    return {
        "exception": [f"{type(one).__name__}: {mask(str(one).partition(chr(10))[0])}" for one in _chain(error)],
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
