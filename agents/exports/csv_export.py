"""Export a list as a CSV file for a spreadsheet, and record who took it and why.

The file is complete and in the journal before its first byte leaves: an interrupted download is recorded, the row
count is exact, and no database connection waits for a slow client.
"""

import csv
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from io import TextIOWrapper
from tempfile import TemporaryFile
from typing import IO, Any

from django.db import transaction
from django.db.models import QuerySet, TextChoices
from django.utils import timezone

from accounts.enums import Category, State
from accounts.models import Account, AccountQuerySet
from agents.journal.filters import Entries
from agents.journal.formatting import author_of, every_correction, facts_of, name_of, source_of
from assistance.models import AssistanceRequest, AssistanceRequestQuerySet
from core.csv import escape_formula
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event

#: More would exceed the 30 s that a web process has for a response.
MAX_ROWS = 150_000
#: Rows held in memory at a time.
CHUNK_SIZE = 2_000


class TooManyRows(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Table:
    """`what` names the list in the journal."""

    what: str
    columns: Sequence[str]
    rows: QuerySet[Any]
    cells: Callable[[Any], Sequence[str]]

    def length(self) -> int:
        """At most MAX_ROWS + 1."""
        return self.rows.order_by()[: MAX_ROWS + 1].count()


@transaction.atomic
def export(
    *, table: Table, actor: Account, reason: str, filters: Sequence[str] = (), account: Account | None = None
) -> IO[bytes]:
    """Return the file, at its beginning, for the caller to close. Raises TooManyRows.

    `filters` describe the selection in French; `account` is set when all rows are about one.
    """
    if table.length() > MAX_ROWS:
        raise TooManyRows
    with ExitStack() as stack:
        file = stack.enter_context(TemporaryFile())
        rows = _write(table, file)
        record_event(
            account=account,
            actor=actor,
            event=Event.LIST_EXPORTED,
            what=table.what,
            rows=rows,
            filters=list(filters),
            reason=reason,
        )
        file.seek(0)
        stack.pop_all()
    return file


def _write(table: Table, file: IO[bytes]) -> int:
    """French spreadsheets expect a BOM and semicolons."""
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(table.columns)
    written = 0
    for row in table.rows.iterator(chunk_size=CHUNK_SIZE):
        written += 1
        writer.writerow([escape_formula(cell) for cell in table.cells(row)])
    # Flushes too; the file itself stays open.
    text.detach()
    return written


def journal_table(entries: Entries) -> Table:
    people = [f"{who}__{name}" for who in ("account", "actor") for name in ("given_name", "family_name")]
    logins = ["account__institutional_address", "actor__institutional_address"]
    fields = ["event", "at", "source", "client_address", "device", "details"]
    events = _labels(Event)
    corrections = cache(every_correction)

    def cells(entry: JournalEntry) -> Sequence[str]:
        return (
            _timestamp(entry.at),
            events.get(entry.event, entry.event),
            entry.account.login if entry.account else "",
            name_of(entry.account) if entry.account else "",
            author_of(entry),
            entry.actor.login if entry.actor else "",
            source_of(entry),
            entry.client_address or "",
            entry.device,
            "\n".join(f"{label}\N{NO-BREAK SPACE}: {fact}" for label, fact in facts_of(entry, corrections())),
        )

    return Table("Journal", JOURNAL_COLUMNS, entries.only(*fields, *people, *logins), cells)


def accounts_table(accounts: AccountQuerySet) -> Table:
    # The password is read for the state alone.
    fields = ["given_name", "family_name", "institutional_address", "category", "hr_id", "created_at", "activated_at"]
    categories, states = _labels(Category), _labels(State)

    def cells(account: Account) -> Sequence[str]:
        return (
            account.family_name,
            account.given_name,
            account.login,
            categories[account.category],
            states[account.state],
            account.hr_id or "",
            _timestamp(account.created_at),
            _timestamp(account.activated_at),
        )

    return Table("Comptes", ACCOUNT_COLUMNS, accounts.only(*fields, "end_date", "password"), cells)


def requests_table(requests: AssistanceRequestQuerySet) -> Table:
    return Table("Demandes d’assistance", REQUEST_COLUMNS, requests, _request_cells)


def _request_cells(request: AssistanceRequest) -> Sequence[str]:
    return (
        request.reference,
        request.get_state_display(),
        request.get_reason_display(),
        _timestamp(request.asked_at),
        _timestamp(request.taken_at),
        _timestamp(request.closed_at),
        name_of(request.taken_by) if request.taken_by else "",
    )


def _labels(vocabulary: type[TextChoices]) -> dict[str, str]:
    """Translated once, not at each row."""
    return {value: str(label) for value, label in vocabulary.choices}


def _timestamp(instant: datetime | None) -> str:
    """A format that every spreadsheet reads as a date and sorts."""
    return f"{timezone.localtime(instant):%Y-%m-%d %H:%M:%S}" if instant else ""


JOURNAL_COLUMNS = (
    "Date",
    "Évènement",
    "Identifiant du compte",
    "Personne",
    "Par",
    "Identifiant de l’auteur",
    "Origine",
    "Adresse réseau",
    "Appareil",
    "Précisions",
)
ACCOUNT_COLUMNS = ("Nom", "Prénom", "Identifiant", "Profil", "État", "Numéro RH", "Créé le", "Activé le")
REQUEST_COLUMNS = ("Référence", "État", "Motif", "Demandée le", "Prise en charge le", "Clôturée le", "Agent")
