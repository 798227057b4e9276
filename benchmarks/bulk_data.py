"""100,000 accounts with their locks, journal, mails and requests, written within seconds: PostgreSQL copies one row of
each table, as the services would leave it, in a transaction that is never committed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, models, transaction
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.models import Account, Lock
from assistance.models import AssistanceRequest
from assistance.services import create_request
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.assistance.asking import request_data
from tests.factories import active_account
from tests.locking import UNLOCK_REASONS

PEOPLE, ENTRIES, MAILS, REQUESTS, PROPOSALS = 100_000, 100_000, 50_000, 20_000, 2_000
#: Who came two days ago; how many are called « Martin »; how much is in the journal of one person; what waits.
NEWCOMERS, MARTINS, ENTRIES_OF_ONE, WAITING_REQUESTS = 12_000, 2_000, 2_000, 5_000
#: The first account is the one after this key; the others follow without a gap.
BEFORE_THE_FIRST = 1_000_000
FIRST_ACCOUNT = BEFORE_THE_FIRST + 1
A_YEAR = timedelta(days=365)

GIVEN_NAMES = "Camille,Éléonore,Zoé,Inès,Paul,François-Xavier,Sami,Léa,Jean,Maëlys,Noël,Aïcha,Hugo,Chloé,Théo,Anaïs,Li"
BEGINNINGS = "Du,Le,Be,Fer,Mo,Gar,Rou,Vin,Lam,Che,Pe,Ro,Gi,Bou,De,Mer,Cha,Tho,Guil,Fa,O’,d’A,El ,M’Ba,Nguy"
ENDS = "rand,fèvre,nard,reau,lin,nier,ssel,cent,bert,valier,tit,bin,rard,cher,lorme,cier,puis,mas,laume,bre,ñez,ün"


#: How to make each index again that no constraint needs.
INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY (%s::regclass[]) AND NOT indisunique
"""


def one_of(names: str, chosen: str) -> str:
    """The name of a list that the expression `chosen` points at, round and round."""
    quoted = names.replace("'", "''")
    return f"(string_to_array('{quoted}', ','))[1 + ({chosen}) % {len(names.split(','))}]"


FAMILY_NAME = f"{one_of(BEGINNINGS, 'n / 7')} || {one_of(ENDS, 'n / 11')}"
OWNER = f"{BEFORE_THE_FIRST} + 1 + n % {PEOPLE}"
PERSON = {
    "id": f"{BEFORE_THE_FIRST} + n",
    "hr_id": "'S' || n",
    "uid": "'p' || n",
    "institutional_address": "'personne.' || n || '@univ-exemple.fr'",
    "recovery_address": "'personne.' || n || '@exemple.net'",
    "given_name": one_of(GIVEN_NAMES, "n"),
    "family_name": f"CASE WHEN n % {PEOPLE // MARTINS} = 0 THEN 'Martin' ELSE {FAMILY_NAME} END",
}


def times(number: int, span: timedelta = A_YEAR) -> str:
    """An instant for each of `number` rows, the oldest first, the last one now."""
    apart = span.total_seconds() / number
    return f"now() - ({number} - n) * interval '{apart} seconds'"


def multiply(row: models.Model, number: int, *, first: int = 1, **columns: str) -> None:
    """Write copies of a row, of which the expressions `columns` differ; `n` counts from `first` to `number`."""
    fields = row._meta.concrete_fields
    names = [field.column for field in fields if field.column != "id" or "id" in columns]
    assert set(columns) <= set(names), columns
    table, values = row._meta.db_table, ", ".join(columns.get(name, f"one.{name}") for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)})"
            f" SELECT {values} FROM {table} one, generate_series({first}, {number}) n WHERE one.id = {row.pk}"
            " ORDER BY n"
        )


def _insert_people(example: Account) -> None:
    """One in ten has left, the newcomers of this autumn have not activated yet, and some others never have."""
    joined = times(PEOPLE, A_YEAR * 4)
    is_pending = f"(n > {PEOPLE - NEWCOMERS} OR n % 40 = 1)"
    has_activated = f"CASE WHEN NOT {is_pending} THEN {joined} END"
    multiply(
        example,
        PEOPLE,
        **PERSON,
        password=f"CASE WHEN {is_pending} THEN '!' ELSE one.password END",
        end_date="CASE WHEN n % 10 = 9 THEN current_date - 1 - n % 700 END",
        charter_accepted_at=has_activated,
        activated_at=has_activated,
        password_changed_at=has_activated,
        created_at=f"CASE WHEN n > {PEOPLE - NEWCOMERS} THEN now() - interval '2 days' ELSE {joined} END",
    )


def _insert_locks(example: Account) -> None:
    """One in fifty was locked once; five hundred are."""
    now = timezone.now()
    over = Lock.objects.create(account=example, reason=LockReason.PHISHING, released_at=now, **UNLOCK_REASONS)
    multiply(over, PEOPLE // 50, account_id=f"{BEFORE_THE_FIRST} + n * 50", locked_at=times(PEOPLE // 50))
    still = Lock.objects.create(account=example, reason=LockReason.SUSPICIOUS_ACTIVITY)
    multiply(still, 500, account_id=f"{BEFORE_THE_FIRST} + n * 100 + 4", locked_at=times(500))


def _insert_journal(example: Account) -> None:
    """What people do all the year; one of them does it all the time."""
    entry = JournalEntry.objects.create(account=example, actor=example, event=Event.SIGNED_IN, source="web")
    events = ",".join((Event.SIGNED_IN, Event.SIGNED_IN, Event.SIGNED_OUT, Event.ACCOUNT_OPENED, Event.SIGN_IN_FAILED))
    owner = f"CASE WHEN n % {ENTRIES // ENTRIES_OF_ONE} = 0 THEN {FIRST_ACCOUNT} ELSE {OWNER} END"
    multiply(entry, ENTRIES, account_id=owner, actor_id=owner, at=times(ENTRIES), event=one_of(events, "n"))
    address = "jsonb_build_object('proposed', 'rh.' || n || '@exemple.org')"
    proposed = {"event": f"'{Event.RECOVERY_ADDRESS_PROPOSED}'", "details": address, "actor_id": "NULL"}
    multiply(entry, PROPOSALS, account_id=f"{BEFORE_THE_FIRST} + n * 40", at=times(PROPOSALS), **proposed)


def _insert_mails(example: Account) -> None:
    mail = Message.objects.create(kind=Kind.NEW_LINK, person=example, address="?", status=Status.DELIVERED)
    multiply(
        mail,
        MAILS,
        person_id=OWNER,
        address="'personne.' || n || '@exemple.net'",
        status="CASE WHEN n % 200 = 0 THEN 'bounced' ELSE 'delivered' END",
        created_at=times(MAILS),
        due_at=times(MAILS),
        deadline=f"{times(MAILS)} + interval '1 day'",
        reference="gen_random_uuid()",
        provider_id="'id-' || n",
    )


def _insert_requests(example: Account) -> None:
    """A bad week: five thousand wait, those of the year before are closed; one in three has no account."""
    request = create_request(**request_data())
    owner = f"CASE WHEN n % 3 > 0 THEN {OWNER} END"
    facts = {"contact_address": "'personne.' || n || '@exemple.net'", "account_id": owner}
    multiply(request, WAITING_REQUESTS, reference="'W' || n", asked_at=times(WAITING_REQUESTS, A_YEAR / 52), **facts)
    closed = {"state": "'solved'", "taken_at": times(REQUESTS), "closed_at": times(REQUESTS)}
    multiply(request, REQUESTS, reference="'C' || n", asked_at=times(REQUESTS), **closed, **facts)


@contextmanager
def university_data() -> Iterator[None]:
    """Rows that are rolled back at the end of the block."""
    with transaction.atomic():
        with in_bulk():
            example = active_account(category=Category.STUDENT, start_date=timezone.localdate())
            for insert in (_insert_people, _insert_locks, _insert_journal, _insert_mails, _insert_requests):
                insert(example)
        yield
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f"VACUUM ANALYZE {table}")


@contextmanager
def in_bulk() -> Iterator[None]:
    """In a transaction, write rows without triggers, foreign keys and indexes, which come at the end: seconds."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL session_replication_role = replica")
        cursor.execute(INDEXES, [_tables()])
        indexes = dict(cursor.fetchall())
        for name in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield
        for definition in indexes.values():
            cursor.execute(definition)
        cursor.execute(f"SET LOCAL session_replication_role = origin; ANALYZE {', '.join(_tables())}")


def _tables() -> list[str]:
    return [model._meta.db_table for model in (Account, Lock, JournalEntry, Message, AssistanceRequest)]
