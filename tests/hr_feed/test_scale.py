"""Large files: a fixed number of statements, chunks, an import that was killed (AVL-09)."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from hr_feed import importer
from hr_feed.importer import import_feed
from journal.models import JournalEntry
from outbox.enums import Status
from outbox.models import Message
from tests.concurrency import attempted_together
from tests.hr_feed.hr_files import another, imported, stream_of, text_of

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).resolve().parents[2]
SLOW_IMPORT = """
import sys, time
import django
django.setup()
from django.db import connection
from hr_feed import importer
from hr_feed.importer import import_feed
importer.ROWS_IN_A_CHUNK = 50
def progress(done, total):
    print(done, flush=True)
    time.sleep(0.2)
with open(sys.argv[1], "rb") as stream:
    import_feed(stream, progress=progress)
"""


def people(count: int, **facts: str) -> list[dict[str, str]]:
    """Every tenth is a homonym."""
    return [another(n, **({"family_name": "Durand"} if n % 10 == 0 else {}), **facts) for n in range(1, count + 1)]


def statements_for(rows: list[dict[str, str]]) -> int:
    with CaptureQueriesContext(connection) as queries:
        imported(*rows)
    return len(queries)


def other_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(cursor.fetchall())


@pytest.mark.django_db
def test_the_number_of_statements_does_not_depend_on_the_number_of_rows():
    few, many = people(20), [{**cells, "hr_id": f"M{cells['hr_id']}"} for cells in people(2_000)]
    assert statements_for(few) == statements_for(many) <= 20
    assert Account.objects.count() == 2_020
    imported(*people(2_000))
    changed = people(2_000, employer="CNRS", phone="07 12 34 56 78")
    for cells in changed:
        cells["recovery_address"] = f"nouvelle.{cells['recovery_address']}"
    few = statements_for(changed[:20])
    assert statements_for(changed[20:]) == few <= 20
    assert Message.objects.filter(status=Status.QUEUED, address__startswith="nouvelle.").count() == 2_000


@pytest.mark.django_db
def test_several_chunks_are_one_file(monkeypatch):
    """ADM-08"""
    monkeypatch.setattr(importer, "ROWS_IN_A_CHUNK", 7)
    rows = people(50)
    rows[40] = {**rows[40], "hr_id": rows[0]["hr_id"]}
    rows[45] = {**rows[45], "recovery_address": rows[1]["recovery_address"]}
    seen: list[tuple[int, int]] = []
    preview = imported(*rows, dry_run=True)
    report = imported(*rows, progress=lambda done, total: seen.append((done, total)))
    assert preview == report
    assert [(problem.line, problem.severity.value) for problem in report.problems] == [(42, "error"), (47, "warning")]
    assert (report.read, report.created, report.refused) == (50, 49, 1)
    assert [done for done, _total in seen] == [8, 15, 22, 29, 36, 43, 50, 51]


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_an_import_killed_without_warning_ends_the_same_when_run_again(tmp_path):
    """AVL-09"""
    file = tmp_path / "people.csv"
    file.write_text(text_of(*people(500)))
    database = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "config.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_IMPORT, str(file)], cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    with process.stdout:
        assert [process.stdout.readline() for _ in range(3)][-1].strip() == "151"
        process.send_signal(signal.SIGKILL)
        process.wait()

    deadline = time.monotonic() + 10
    while other_connections() and time.monotonic() < deadline:
        time.sleep(0.1)
    half_way = Account.objects.count()
    report = import_feed(stream_of(*people(500)))

    assert 150 <= half_way < 500
    assert (report.unchanged, report.created) == (half_way, 500 - half_way)
    assert Account.objects.count() == JournalEntry.objects.count() == Message.objects.count() == 500
    homonyms = Account.objects.filter(institutional_address__startswith="camille.durand")
    assert set(homonyms.values_list("institutional_address", flat=True)) == {
        f"camille.durand{number}@univ-exemple.fr" for number in ("", *range(2, 51))
    }


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_give_no_login_twice():
    """AVL-05"""
    for first in (100, 300, 500):
        files = [[another(n, family_name="Durand") for n in range(start, start + 40)] for start in (first, first + 100)]
        reports = attempted_together(*(partial(imported, *rows) for rows in files))
        assert [getattr(report, "created", report) for report in reports] == [40, 40]
    assert Account.objects.values("uid").distinct().count() == 240
