"""How log lines are written: one JSON object each, in which nothing can be forged, and without what logs must not say.

No library: those for JSON logs copy whatever hangs on a record (Django hangs the request there) and write an exception
with the values in it. Here a field is written because it was given on purpose, as `extra={"facts": {…}}` (LOG-02).
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from core.request_context import current_request_context

# The secret of a mailed link: no other word of a log line is that long (TOK-09, LOG-02).
LINK_SECRET = re.compile(r"[\w-]{40,}")
# Not the names of machines, which have no dot or hide the user: "celery@worker1", "redis://:**@redis".
_WORD = r"[^\s@:;,=*<>()\[\]{}\"'`]"
MAIL_ADDRESS = re.compile(rf"{_WORD}+@{_WORD}+\.{_WORD}+")
# Where PostgreSQL quotes whole rows: names, dates of birth, hashes. Some callers write line ends as two characters.
ROWS_OF_THE_DATABASE = re.compile(r"(?:\\n|\s)*(?:DETAIL|CONTEXT|LINE \d+):.*", re.DOTALL)
DEEPEST_FRAMES = 12


def mask(text: str) -> str:
    """The text without secrets of links, mail addresses and rows of the database."""
    return MAIL_ADDRESS.sub("…@…", LINK_SECRET.sub("…", ROWS_OF_THE_DATABASE.sub("", text)))


def to_json_line(facts: Mapping[str, object]) -> str:
    """The facts as one JSON object of printable ASCII on one line, whatever is in them."""
    # The one control character that JSON leaves as it is.
    return json.dumps(facts).replace("\x7f", "\\u007f")


def timestamp(seconds: float) -> str:
    """That moment in UTC: "2026-09-07T08:00:00.000Z"."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """What machines read. Events say their facts by name and people by number; other lines have a masked message."""

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line."""
        facts: dict[str, object] = {
            "time": timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": "log",
            "request_id": current_request_context().request_id or None,
        }
        return to_json_line(facts | self._said(record) | _failure(record))

    def _said(self, record: logging.LogRecord) -> dict[str, object]:
        facts = getattr(record, "facts", None)
        if facts is None:
            return {"message": mask(_first_line_of_a_failure(record))}
        return {"event": record.getMessage(), **{name: _written(fact) for name, fact in facts.items()}}


class TextFormatter(logging.Formatter):
    """What people read on their own machine: the facts behind the event, tracebacks as Python writes them."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}{told}", style="{", defaults={"told": ""})

    def format(self, record: logging.LogRecord) -> str:
        """The record, on as many lines as it needs."""
        record.told = "".join(f" {name}={fact}" for name, fact in getattr(record, "facts", {}).items())
        return LINK_SECRET.sub("…", super().format(record))


def _written(fact: object) -> object:
    return fact if fact is None or isinstance(fact, int | float) else mask(str(fact))


def _first_line_of_a_failure(record: logging.LogRecord) -> str:
    """The message; some libraries write the traceback into it, with the values that ours leaves out."""
    message = record.getMessage()
    return message.partition("\n")[0] if record.exc_info else message


def _failure(record: logging.LogRecord) -> dict[str, object]:
    """Which exceptions led to which, and where the last one came from: files and lines, never values."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)[-DEEPEST_FRAMES:]
    return {
        "exception": [f"{type(one).__name__}: {mask(str(one).partition(chr(10))[0])}" for one in _chain(error)],
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, then what caused it, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
