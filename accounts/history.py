"""The history of an account: entries of the journal and mails, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import CharField, F, QuerySet, TextChoices, Value
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message


class Topic(TextChoices):
    ALL = "", _("Tout")
    SIGN_INS = "connexions", _("Connexions")
    CHANGES = "changements", _("Changements")
    MAILS = "e-mails", _("E-mails")

    @classmethod
    def named(cls, name: str) -> "Topic":
        """ALL for an unknown name."""
        return cls(name) if name in cls.values else cls.ALL


SIGN_IN_EVENTS = (
    Event.SIGNED_IN,
    Event.SIGN_IN_FAILED,
    Event.SIGNED_OUT,
    Event.SESSION_ENDED,
    Event.SESSIONS_ENDED,
)
JOURNAL, OUTBOX = "journal", "outbox"


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    entry: JournalEntry | None = None
    mail: Message | None = None


class History(Sequence[Line]):
    """Reads only the slice that is asked for."""

    def __init__(self, rows: QuerySet[Any, Any]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows.count()

    def __getitem__(self, index: Any) -> Any:
        rows = list(self._rows[index])
        entries = JournalEntry.objects.select_related("actor").in_bulk([pk for _at, pk, of in rows if of == JOURNAL])
        mails = Message.objects.in_bulk([pk for _at, pk, of in rows if of == OUTBOX])
        return [
            Line(at, entries.get(pk) if of == JOURNAL else None, mails.get(pk) if of == OUTBOX else None)
            for at, pk, of in rows
        ]


def history(*, account: Account, topic: Topic) -> History:
    entries, mails = entry_rows(account), mail_rows(account)
    if topic is Topic.MAILS:
        return History(mails.order_by("-moment", "-pk"))
    if topic is Topic.SIGN_INS:
        return History(entries.filter(event__in=SIGN_IN_EVENTS).order_by("-moment", "-pk"))
    if topic is Topic.CHANGES:
        return History(entries.exclude(event__in=SIGN_IN_EVENTS).order_by("-moment", "-pk"))
    return History(entries.union(mails, all=True).order_by("-moment", "-pk"))


def entry_rows(account: Account) -> QuerySet[Any, Any]:
    """Rows to be filtered and ordered by `-moment`, `-pk`."""
    return _rows(account.journal.all(), "at", JOURNAL)


def mail_rows(account: Account) -> QuerySet[Any, Any]:
    return _rows(account.messages.all(), "created_at", OUTBOX)


def _rows(found: QuerySet[Any], moment: str, of: str) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = found.annotate(moment=F(moment), of=Value(of, CharField()))
    return rows.values_list("moment", "pk", "of")
