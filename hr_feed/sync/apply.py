"""Bringing the database in line with one chunk of checked rows: a fixed number of statements, however many rows."""

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
from accounts.signals import accounts_updated
from core.request_context import current_request_context
from hr_feed.parsing.rows import Person
from hr_feed.report import Problem
from hr_feed.sync.diff import AccountDifference, normalized_facts
from hr_feed.sync.login_assignment import Newcomer
from journal.events import Event
from journal.models import JournalEntry
from journal.services import log_journal_event
from outbox.enums import UNFINISHED, Kind, Priority, Status

# "!" and something that nobody can guess: a password that nobody can have (Django's unusable password).
_CREATED = """
WITH created AS (
    INSERT INTO accounts_account (
        hr_id, uid, institutional_address, family_name, given_name, birth_date, category, employer, recovery_address,
        start_date, end_date, language, ine, phone, password, is_superuser, is_staff, created_at
    )
    SELECT
        hr_id, names.uid, names.address, family_name, given_name, birth_date, category, employer, recovery_address,
        start_date, end_date, coalesce(language, 'fr'), ine, phone,
        '!' || md5(%(seed)s || line), false, false, %(now)s
    FROM hr_feed
    JOIN json_to_recordset(%(names)s::json) AS names(line integer, uid text, address text) USING (line)
    ORDER BY line
    RETURNING id, recovery_address, language, end_date
)
"""
_ACTIVATION_MAILS = """
INSERT INTO outbox_message (
    kind, person_id, address, language, priority, status, created_at, due_at, attempts, reference, provider_id, answer
)
SELECT
    %(kind)s, id, recovery_address, language, %(priority)s, %(status)s, %(now)s, %(now)s, 0,
    md5(%(seed)s || id)::uuid, '', ''
"""
_ENTRIES = """
INSERT INTO journal_journalentry (
    account_id, actor_id, event, at, source, client_address, device, request_id, details
)
SELECT account_id, %(actor)s, event, %(now)s, %(source)s, %(client_address)s, %(device)s, %(request_id)s, details
"""
# Each with its mail and its entry in one statement: nothing of 5,000 people goes to and fro in between.
CREATE_ACCOUNTS = "\n".join(
    [
        _CREATED,
        ", mailed AS (",
        _ACTIVATION_MAILS,
        "FROM created WHERE coalesce(end_date >= %(today)s, true) ORDER BY id",
        ")",
        _ENTRIES,
        "FROM (SELECT id AS account_id, %(event)s AS event, '{}'::jsonb AS details FROM created ORDER BY id) told",
    ]
)
UPDATE_FACTS = """
UPDATE accounts_account account SET
    family_name = feed.family_name,
    given_name = feed.given_name,
    birth_date = feed.birth_date,
    category = feed.category,
    employer = feed.employer,
    start_date = feed.start_date,
    end_date = CASE WHEN %(has_end_date)s THEN feed.end_date ELSE account.end_date END,
    ine = CASE WHEN %(has_ine)s THEN feed.ine ELSE account.ine END,
    phone = CASE WHEN %(has_phone)s THEN feed.phone ELSE account.phone END,
    language = CASE WHEN account.activated_at IS NULL THEN coalesce(feed.language, account.language)
        ELSE account.language END,
    erased_at = NULL
FROM hr_feed feed
WHERE feed.hr_id = account.hr_id AND account.id = ANY(%(ids)s)
"""
CORRECT_RECOVERY_ADDRESSES = """
UPDATE accounts_account account
SET recovery_address = feed.recovery_address, recovery_address_disputed_at = NULL
FROM hr_feed feed
WHERE feed.hr_id = account.hr_id AND account.id = ANY(%(ids)s)
"""
# One pass over the mails of these people, whatever PostgreSQL knows of tables that have just grown.
CANCEL_MAILS_TO_OLD_ADDRESSES = """
UPDATE outbox_message message
SET status = %(cancelled)s, leased_until = NULL
FROM accounts_account account
WHERE account.id = ANY(%(ids)s)
    AND message.person_id = account.id
    AND message.status = ANY(%(unfinished)s)
    AND message.address <> account.recovery_address
"""
QUEUE_ACTIVATION_MAILS = f"""{_ACTIVATION_MAILS}
FROM accounts_account
WHERE id = ANY(%(ids)s) AND coalesce(end_date >= %(today)s, true)
ORDER BY id
"""
RECORD = f"""{_ENTRIES}
FROM json_to_recordset(%(entries)s::json) AS entry(account_id bigint, event text, details jsonb)
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one chunk asks for."""

    newcomers: Sequence[Newcomer]
    #: New people who cannot be given an account.
    nameless: Sequence[Problem]
    differences: Sequence[AccountDifference]

    @property
    def updates(self) -> list[AccountDifference]:
        """Facts to be changed."""
        return [difference for difference in self.differences if difference.fields]

    @property
    def corrections(self) -> list[AccountDifference]:
        """Recovery addresses to be replaced."""
        return [difference for difference in self.differences if difference.is_correction]

    @property
    def proposals(self) -> list[AccountDifference]:
        """Recovery addresses to be shown to the agents."""
        return [difference for difference in self.differences if difference.is_proposal]

    @property
    def returns(self) -> list[AccountDifference]:
        """People who never activated, had left and are here again."""
        return [difference for difference in self.differences if difference.comes_back]


def apply(
    changes: Changes, *, people: dict[int, Person], columns: frozenset[str], today: date, actor: Account | None
) -> None:
    """Make the accounts, change what differs, queue the mails, write the journal; in the caller's transaction.

    `people` are the staged ones by line. A correction kills the links and mails of the old address (TOK-07). Absent
    people are left alone.
    """
    moment = _Moment(timezone.now(), today, actor)
    _create_accounts(changes.newcomers, moment)
    _change(UPDATE_FACTS, changes.updates, **normalized_facts(columns))
    accounts_updated.send(sender=Account, accounts=_ids(changes.updates), actor=actor)
    _change(CORRECT_RECOVERY_ADDRESSES, changes.corrections)
    _cancel_mails_to_old_addresses(_ids(changes.corrections))
    _execute(QUEUE_ACTIVATION_MAILS, ids=_ids([*changes.corrections, *changes.returns]), **moment.of_mails())
    _record(list(_entries(changes, people)), moment)


@dataclass(frozen=True, slots=True)
class _Moment:
    """When, and by whom, as parameters of the statements."""

    now: datetime
    today: date
    actor: Account | None

    def of_mails(self) -> dict[str, Any]:
        """A person's own requests go before these mails."""
        return {
            "now": self.now,
            "today": self.today,
            "kind": Kind.ACTIVATION.value,
            "priority": Priority.BULK.value,
            "status": Status.QUEUED.value,
            "seed": token_hex(),
        }

    def of_entries(self) -> dict[str, Any]:
        """Where the entries of the journal come from."""
        origin = current_request_context()
        return {
            "now": self.now,
            "actor": self.actor_id,
            "source": origin.source,
            "client_address": origin.client_address,
            "device": origin.device,
            "request_id": origin.request_id,
        }

    @property
    def actor_id(self) -> int | None:
        """The key of the agent who imports, if it is one."""
        return self.actor.pk if self.actor else None


def _create_accounts(newcomers: Sequence[Newcomer], moment: _Moment) -> None:
    names = [{"line": one.person.line, "uid": one.uid, "address": one.institutional_address} for one in newcomers]
    _execute(
        CREATE_ACCOUNTS,
        names=json.dumps(names),
        event=Event.USER_CREATED.value,
        **moment.of_mails() | moment.of_entries(),
    )
    if newcomers:
        log_journal_event(Event.USER_CREATED, actor=moment.actor_id, accounts=len(newcomers))


def _change(statement: str, differences: Sequence[AccountDifference], **parameters: bool) -> None:
    _execute(statement, ids=_ids(differences), **parameters)


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


def _record(entries: list[dict[str, object]], moment: _Moment) -> None:
    """Write the entries; the log has one line for all those of a kind, not thousands."""
    _execute(RECORD, entries=json.dumps(entries), **moment.of_entries())
    for event, number in Counter(str(entry["event"]) for entry in entries).items():
        log_journal_event(Event(event), actor=moment.actor_id, accounts=number)


def _execute(statement: str, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _ids(differences: Sequence[AccountDifference]) -> list[int]:
    return [difference.account_id for difference in differences]
