"""Brings the database in line with one chunk of checked rows, in a fixed number of statements."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from secrets import token_hex
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Account
from accounts.returns import announce_reopening, start_anew
from accounts.signals import accounts_updated
from core.request_context import current_request_context
from hr_feed.columns import COLUMNS, columns_present, updated_columns
from hr_feed.parsing.rows import Person
from hr_feed.report import Problem
from hr_feed.sync.diff import ACCOUNTS, AccountDifference
from hr_feed.sync.login_assignment import Newcomer
from journal.events import Event
from journal.models import JournalEntry
from journal.services import log_journal_event
from outbox.enums import UNFINISHED, Kind, Priority, Status
from outbox.models import Message

MESSAGES = Message._meta.db_table

_ACTIVATION_MAILS = f"""
INSERT INTO {MESSAGES} (
    kind, person_id, address, language, priority, status, created_at, due_at, attempts, reference, provider_id, answer
)
SELECT
    %(kind)s, id, recovery_address, language, %(priority)s, %(status)s, %(now)s, %(now)s, 0,
    md5(%(seed)s || id)::uuid, '', ''
"""
_ENTRIES = f"""
INSERT INTO {JournalEntry._meta.db_table} (
    account_id, actor_id, event, at, source, client_address, device, request_id, details
)
SELECT account_id, %(actor)s, event, %(now)s, %(source)s, %(client_address)s, %(device)s, %(request_id)s, details
"""
CORRECT_RECOVERY_ADDRESSES = f"""
UPDATE {ACCOUNTS} account
SET recovery_address = feed.recovery_address, recovery_address_disputed_at = NULL
FROM hr_feed feed
WHERE feed.hr_id = account.hr_id AND account.id = ANY(%(ids)s)
"""
# Starts from the accounts: the planner has no statistics of tables that have just grown.
CANCEL_MAILS_TO_OLD_ADDRESSES = f"""
UPDATE {MESSAGES} message
SET status = %(cancelled)s, leased_until = NULL
FROM {ACCOUNTS} account
WHERE account.id = ANY(%(ids)s)
    AND message.person_id = account.id
    AND message.status = ANY(%(unfinished)s)
    AND message.address <> account.recovery_address
"""
QUEUE_ACTIVATION_MAILS = f"""{_ACTIVATION_MAILS}
FROM {ACCOUNTS}
WHERE id = ANY(%(ids)s) AND coalesce(end_date >= %(today)s, true)
ORDER BY id
"""
# The mails to the old addresses name the entries.
RECORD_AND_TELL_OLD_ADDRESSES = f"""
WITH entry AS (
    {_ENTRIES}
    FROM json_to_recordset(%(entries)s::json) AS entry(account_id bigint, event text, details jsonb)
    RETURNING id, account_id, event, details
)
INSERT INTO {MESSAGES} (
    kind, person_id, address, language, priority, status, created_at, due_at, attempts, reference, provider_id, answer,
    subject_id
)
SELECT
    %(kind)s, account.id, entry.details ->> 'old', account.language, %(priority)s, %(status)s, %(now)s, %(now)s, 0,
    md5(%(seed)s || account.id)::uuid, '', '', entry.id
FROM {ACCOUNTS} account
JOIN entry ON entry.account_id = account.id
WHERE account.id = ANY(%(told)s) AND entry.event = %(event)s AND coalesce(account.end_date >= %(today)s, true)
ORDER BY account.id
"""


def create_accounts_sql() -> str:
    """Accounts, mails and journal entries in one statement: no ids of 5,000 accounts travel back and forth.

    Passwords are unusable ("!" and a random suffix, as Django writes them).
    """
    columns = [column for column in COLUMNS.values() if column.name != "institutional_address"]
    return f"""
WITH created AS (
    INSERT INTO {ACCOUNTS} (
        {", ".join(column.name for column in columns)},
        uid, institutional_address, password, is_superuser, is_staff, created_at
    )
    SELECT
        {", ".join(column.initial_value for column in columns)},
        names.uid, names.address, '!' || md5(%(seed)s || line), false, false, %(now)s
    FROM hr_feed feed
    JOIN json_to_recordset(%(names)s::json) AS names(line integer, uid text, address text) USING (line)
    ORDER BY line
    RETURNING id, recovery_address, language, end_date
), mailed AS (
    {_ACTIVATION_MAILS}
    FROM created WHERE coalesce(end_date >= %(today)s, true) ORDER BY id
)
{_ENTRIES}
FROM (SELECT id AS account_id, %(event)s AS event, '{{}}'::jsonb AS details FROM created ORDER BY id) entry
"""


def update_facts_sql() -> str:
    return f"""
UPDATE {ACCOUNTS} account
SET {", ".join(f"{column.name} = {column.new_value}" for column in updated_columns())}, erased_at = NULL
FROM hr_feed feed
WHERE feed.hr_id = account.hr_id AND account.id = ANY(%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one chunk changes."""

    newcomers: Sequence[Newcomer]
    #: New people who cannot get a login, and rows whose number is another person's.
    refused: Sequence[Problem]
    #: About new people who may have an account already: nothing changes.
    questions: Sequence[Problem]
    differences: Sequence[AccountDifference]

    @property
    def updates(self) -> list[AccountDifference]:
        return [difference for difference in self.differences if difference.fields]

    @property
    def corrections(self) -> list[AccountDifference]:
        return [difference for difference in self.differences if difference.is_correction]

    @property
    def proposals(self) -> list[AccountDifference]:
        return [difference for difference in self.differences if difference.is_proposal]

    @property
    def anew(self) -> list[AccountDifference]:
        return [difference for difference in self.differences if difference.starts_anew]

    @property
    def reopened(self) -> list[AccountDifference]:
        return [difference for difference in self.differences if difference.reopens]

    @property
    def to_be_activated(self) -> list[AccountDifference]:
        """Employed again, or reached at another address."""
        pending = [one for one in self.differences if one.comes_back and (one.is_pending or one.starts_anew)]
        return [*self.corrections, *(one for one in pending if not one.is_correction)]


def apply(
    changes: Changes, *, people: dict[int, Person], columns: frozenset[str], today: date, actor: Account | None
) -> None:
    """Create and update accounts, queue mails and write the journal, in the caller's transaction.

    `people` are the staged rows by line. A corrected recovery address cancels the mails to the old one, whose links
    stop working, and which is told. Accounts that are not in the file are left alone.
    """
    run = _Run(timezone.now(), today, actor)
    _create_accounts(changes.newcomers, run)
    _execute(update_facts_sql(), ids=_ids(changes.updates), **columns_present(columns))
    accounts_updated.send(sender=Account, accounts=_ids(changes.updates), actor=actor)
    start_anew(_ids(changes.anew), actor=actor)
    announce_reopening(_ids(changes.reopened))
    _execute(CORRECT_RECOVERY_ADDRESSES, ids=_ids(changes.corrections))
    _cancel_mails_to_old_addresses(_ids(changes.corrections))
    _execute(QUEUE_ACTIVATION_MAILS, ids=_ids(changes.to_be_activated), **run.mail_parameters())
    # As an agent's correction does: the file may be wrong, and the old address right.
    told = [change for change in changes.corrections if change.can_be_mailed]
    _record(list(_entries(changes, people)), run, told=_ids(told))


@dataclass(frozen=True, slots=True)
class _Run:
    now: datetime
    today: date
    actor: Account | None

    def mail_parameters(self) -> dict[str, Any]:
        return {
            "now": self.now,
            "today": self.today,
            "kind": Kind.ACTIVATION.value,
            "priority": Priority.BULK.value,
            "status": Status.QUEUED.value,
            "seed": token_hex(),
        }

    def entry_parameters(self) -> dict[str, Any]:
        context = current_request_context()
        return {
            "now": self.now,
            "actor": self.actor_id,
            "source": context.source,
            "client_address": context.client_address,
            "device": context.device,
            "request_id": context.request_id,
        }

    @property
    def actor_id(self) -> int | None:
        return self.actor.pk if self.actor else None


def _create_accounts(newcomers: Sequence[Newcomer], run: _Run) -> None:
    names = [{"line": one.person.line, "uid": one.uid, "address": one.institutional_address} for one in newcomers]
    _execute(
        create_accounts_sql(),
        names=json.dumps(names),
        event=Event.USER_CREATED.value,
        **run.mail_parameters() | run.entry_parameters(),
    )
    if newcomers:
        log_journal_event(Event.USER_CREATED, actor=run.actor_id, accounts=len(newcomers))


def _cancel_mails_to_old_addresses(ids: list[int]) -> None:
    unfinished = [str(status) for status in UNFINISHED]
    _execute(CANCEL_MAILS_TO_OLD_ADDRESSES, ids=ids, cancelled=Status.CANCELLED, unfinished=unfinished)


def _entries(changes: Changes, people: dict[int, Person]) -> Iterator[dict[str, object]]:
    for change in changes.updates:
        yield _entry(change.account_id, Event.USER_UPDATED, fields=change.fields)
    for change in changes.corrections:
        new = people[change.line].recovery_address
        old = change.old_recovery_address
        yield _entry(change.account_id, Event.RECOVERY_ADDRESS_CORRECTED, old=old, new=new)
    proposed = [(change.account_id, people[change.line].recovery_address) for change in changes.proposals]
    for account_id, address in _not_yet_proposed(proposed):
        yield _entry(account_id, Event.RECOVERY_ADDRESS_PROPOSED, proposed=address)


def _entry(account_id: int, event: Event, **details: object) -> dict[str, object]:
    return {"account_id": account_id, "event": event, "details": details}


def _not_yet_proposed(proposals: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    earlier = JournalEntry.objects.filter(
        event=Event.RECOVERY_ADDRESS_PROPOSED, account__in=[account_id for account_id, _address in proposals]
    )
    known = set(earlier.values_list("account_id", "details__proposed"))
    return (proposal for proposal in proposals if proposal not in known)


def _record(entries: list[dict[str, object]], run: _Run, *, told: list[int]) -> None:
    """The log gets one line an event, with its number of accounts, not thousands."""
    mail = {**run.mail_parameters(), "kind": Kind.RECOVERY_CORRECTED.value, "told": told}
    event = Event.RECOVERY_ADDRESS_CORRECTED.value
    _execute(RECORD_AND_TELL_OLD_ADDRESSES, entries=json.dumps(entries), event=event, **mail | run.entry_parameters())
    for event, number in Counter(str(entry["event"]) for entry in entries).items():
        log_journal_event(Event(event), actor=run.actor_id, accounts=number)


def _execute(statement: str, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _ids(differences: Sequence[AccountDifference]) -> list[int]:
    return [difference.account_id for difference in differences]
