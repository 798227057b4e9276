"""`import_staff` killed repeatedly ends like an undisturbed import (AVL-09)."""

import os
import subprocess
import sys
import time
from io import BytesIO
from typing import Any

from django.db import connection, transaction

from accounts.models import Account
from hr_feed.importer import import_feed
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from tests.hr_feed.hr_files import another, text_of
from tests.invariants import assert_nothing_is_half_done
from tests.project import PROJECT
from tests.stack import NEEDS_STACK, database_url

pytestmark = NEEDS_STACK

#: Three transactions of five thousand rows at most.
ROWS = 11_000
#: Killed as soon as more accounts than these are there: the row that is written then is of the next transaction.
KILLED_AFTER = (-1, 0, 5_000)


def outcome() -> dict[str, Any]:
    accounts = Account.objects.order_by("hr_id").values_list(
        "hr_id", "uid", "institutional_address", "recovery_address"
    )
    return {
        "accounts": list(accounts),
        "mails": sorted(Message.objects.values_list("person__hr_id", "kind", "address", "status")),
        "journal": sorted(JournalEntry.objects.exclude(account=None).values_list("account__hr_id", "event")),
    }


def is_writing() -> bool:
    """Whether the import has a transaction open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


def test_an_import_killed_three_times_ends_like_one_that_was_not(tmp_path):
    """AVL-09, AVL-02, LOG-03: within the first transaction, after it, and within the last; one invitation each."""
    file, rows = tmp_path / "people.csv", [another(number) for number in range(ROWS)]
    for number in range(0, ROWS, 55):
        rows[number] = another(number, hr_id=f"N{number}", family_name="Durand")  # namesakes
    file.write_text(text_of(*rows))
    with transaction.atomic():
        import_feed(BytesIO(file.read_bytes()))
        undisturbed = outcome()
        transaction.set_rollback(True)

    command = [sys.executable, "manage.py", "import_staff", str(file), "-v0", "--sure"]
    options: dict[str, Any] = {"cwd": PROJECT, "env": {**os.environ, "DATABASE_URL": database_url()}}
    for accounts in KILLED_AFTER:
        process = subprocess.Popen(command, **options)
        while not (is_writing() and Account.objects.count() > accounts):
            assert process.poll() is None, "it has ended by itself"
            time.sleep(0.001)
        process.kill()
        process.wait()
        assert Account.objects.count() < ROWS
        assert_nothing_is_half_done()
    subprocess.run(command, **options, check=True, timeout=60)

    invited = sorted(each["hr_id"] for each in rows)
    assert [mail[:2] for mail in undisturbed["mails"]] == [(hr_id, Kind.ACTIVATION) for hr_id in invited]
    assert undisturbed["journal"] == [(hr_id, Event.USER_CREATED) for hr_id in invited]
    assert outcome() == undisturbed
    assert_nothing_is_half_done()
