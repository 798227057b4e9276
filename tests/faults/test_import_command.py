"""`import_staff` killed repeatedly ends like an undisturbed import (AVL-09)."""

import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from accounts.models import Account
from hr_feed.importer import import_feed
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from tests.hr_feed.hr_files import another, row, text_of
from tests.invariants import assert_nothing_is_half_done
from tests.stack import NEEDS_STACK, PROJECT, database_url

pytestmark = NEEDS_STACK

#: Three transactions of five thousand rows at most.
ROWS = 11_000
#: Killed as soon as more accounts than these are there: the row that is written then is of the next transaction.
KILLED_AFTER = (-1, 0, 5_000)


def some_file() -> str:
    people = [another(number) for number in range(ROWS)]
    namesakes = {"family_name": "Durand", "given_name": "Camille"}
    people[:: ROWS // 200] = [
        row(hr_id=f"N{number}", recovery_address=f"n{number}@exemple.net", **namesakes)
        for number in range(len(people[:: ROWS // 200]))
    ]
    return text_of(*people)


def outcome() -> dict[str, Any]:
    return {
        "accounts": list(
            Account.objects.order_by("hr_id").values_list("hr_id", "uid", "institutional_address", "recovery_address")
        ),
        "mails": sorted(Message.objects.values_list("person__hr_id", "kind", "address", "status")),
        "journal": sorted(JournalEntry.objects.exclude(account=None).values_list("account__hr_id", "event")),
    }


def command(file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_staff", str(file), "-v0"],
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": database_url()},
    )


def is_writing() -> bool:
    """Whether the import has a transaction open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


def test_an_import_killed_three_times_ends_like_one_that_was_not(tmp_path, record_property):
    """AVL-09, AVL-02, LOG-03: within the first transaction, after it, and within the last; one invitation each."""
    file = tmp_path / "people.csv"
    file.write_text(some_file())
    with transaction.atomic():
        import_feed(BytesIO(file.read_bytes()))
        undisturbed = outcome()
        transaction.set_rollback(True)

    left_behind = []
    for accounts in KILLED_AFTER:
        process = command(file)
        while not (is_writing() and Account.objects.count() > accounts):
            assert process.poll() is None, "it has ended by itself"
            time.sleep(0.001)
        process.kill()
        process.wait()
        left_behind.append(Account.objects.count())
        assert_nothing_is_half_done()
    assert command(file).wait(60) == 0

    disturbed = outcome()
    invited = [hr_id for hr_id, kind, *_ in disturbed["mails"] if kind == Kind.ACTIVATION]
    record_property(
        "fault", f"import killed with {left_behind} accounts; sent {len(set(invited))}, doubled {len(invited) - ROWS}"
    )
    assert left_behind == sorted(left_behind)
    assert left_behind[-1] < ROWS
    assert len(invited) == len(set(invited)) == ROWS
    assert disturbed["journal"] == [(hr_id, Event.USER_CREATED) for hr_id in sorted(set(invited))]
    assert disturbed == undisturbed
    assert_nothing_is_half_done()
