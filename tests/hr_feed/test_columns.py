"""Follows the recipe « Add an HR column » of CONTRIBUTING with a toy column."""

from collections.abc import Iterator

import pytest
from django.db import connection, models

from accounts.models import Account
from hr_feed.columns import COLUMNS, Column
from hr_feed.importer import import_feed
from hr_feed.parsing.validators import InvalidCell
from hr_feed.report import FieldChange
from journal.events import Event
from journal.models import JournalEntry
from tests.hr_feed.hr_files import another, imported, problems_in, row, stream_of

pytestmark = pytest.mark.django_db


def office(raw: str) -> str:
    if not raw.isascii():
        raise InvalidCell("Un bureau est en ASCII")
    return raw


@pytest.fixture
def office_column(monkeypatch) -> Iterator[None]:
    """The two steps of the recipe: a field of Account with its migration, an entry of COLUMNS."""
    field = models.CharField("bureau", max_length=20, blank=True, db_default="")
    field.contribute_to_class(Account, "office")
    with connection.schema_editor() as editor:
        editor.add_field(Account, field)
    monkeypatch.setitem(COLUMNS, "office", Column("office", office, shown=True))
    yield
    Account._meta.local_fields.remove(field)
    Account._meta._expire_cache()
    del Account.office


def test_a_column_is_added_in_one_place(office_column):
    without = [column for column in COLUMNS if column != "office"]
    imported(row(office="B12"))
    assert Account.objects.get().office == "B12"
    preview = imported(row(office="C3"), another(2, office="é"), dry_run=True)
    assert preview.changed[0].changes == (FieldChange("office", "B12", "C3"),)
    assert problems_in(preview) == [(3, "HR2", "office", "error")]
    assert import_feed(stream_of(row(), columns=without)).unchanged == 1
    assert imported(row(office="C3")).updated == 1
    assert Account.objects.get().office == "C3"
    assert JournalEntry.objects.get(event=Event.USER_UPDATED).details == {"fields": ["office"]}
    assert imported(row(office="")).updated == 1
