"""Arbitrary and hostile HR files (ADM-08)."""

from io import BytesIO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import Account
from core.email_addresses import canonical_address
from hr_feed.columns import COLUMNS
from hr_feed.importer import import_feed
from hr_feed.parsing.parser import UnreadableFile
from hr_feed.report import ImportReport, Severity
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message
from tests.fuzz import BIRTH, EMAIL, INE, PHONE, N
from tests.hr_feed.hr_files import CAMILLE, another, imported, imported_account, row, text_of

pytestmark = pytest.mark.django_db

HEADER = ";".join(COLUMNS).encode() + b"\n"
# The database is rolled back after the test, not after each example.
with_a_database = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CELLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([value for value in N.values() if isinstance(value, str) and len(value) < 1_000]),
    st.sampled_from([*CAMILLE.values(), *BIRTH, *INE, *PHONE, *(address for address, _wanted in EMAIL)]),
)


def assert_adds_up(report: ImportReport) -> None:
    """Each row is counted, each refused row has a reason."""
    changed = report.updated + report.corrected + report.proposed
    assert report.read - report.refused - report.created - changed <= report.unchanged
    assert min(report.created, report.unchanged, report.refused) >= 0
    refused_lines = {problem.line for problem in report.problems if problem.severity == Severity.ERROR}
    assert len(refused_lines) == report.refused
    assert all(problem.reason for problem in report.problems)


@with_a_database
@given(content=st.binary(max_size=600))
@example(content=b'"' * 50 + b"\n" * 50)
@example(content=b"\x00;" * 12)
@example(content=b'"\n' * 30 + b'";')
def test_any_bytes_are_refused_as_a_whole_and_behind_a_good_header_row_by_row(content):
    with pytest.raises(UnreadableFile, match=r"\w"):
        import_feed(BytesIO(content))
    assert_adds_up(import_feed(BytesIO(HEADER + content)))


@with_a_database
@given(facts=st.fixed_dictionaries({}, optional={column: CELLS for column in COLUMNS if column != "hr_id"}))
def test_any_cells_are_imported_or_reported(facts):
    report = import_feed(BytesIO(text_of(row(**facts)).encode(errors="surrogatepass")))
    assert_adds_up(report)
    if not report.refused:
        camille = imported_account()
        assert canonical_address(camille.recovery_address) == camille.recovery_address
        assert canonical_address(camille.login) == camille.login == camille.login.lower()
        assert all(map(str.isprintable, (camille.full_name, camille.employer, camille.ine, camille.phone)))


def test_hostile_rows_do_not_affect_the_good_ones(monkeypatch):
    """ADM-08: even for the same person; the number of problems kept is bounded."""
    monkeypatch.setattr("hr_feed.report.MOST_PROBLEMS", 8)
    good = [another(n) for n in (1, 2, 3)]
    hostile = [
        {"recovery_address": "a@univ-exemple.fr"},
        {"recovery_address": "a@exemple.net,b@evil.example"},
        {"recovery_address": "jean@exemple.net\r\nBcc: victime@example.org"},
        {"family_name": "Dur\r\nBcc: victime@example.org"},
        {"family_name": '=HYPERLINK("https://evil.example")'},
        {"category": "is_staff"},
        {"given_name": "\u202egpj.exe"},
        {"employer": "a\x00b"},
    ]
    bad = [another(1), *(another(11 + n, **facts) for n, facts in enumerate(hostile))]

    report = imported(another(1, ine="?"), *good, *bad)

    assert (report.created, report.refused) == (3, len(bad) + 1)
    assert (len(report.problems), report.problems_left_out) == (8, 2)
    assert set(Account.objects.values_list("hr_id", flat=True)) == {"HR1", "HR2", "HR3"}
    assert Message.objects.count() == JournalEntry.objects.filter(event=Event.USER_CREATED).count() == 3


def test_extra_columns_named_like_ours_give_no_rights():
    """INP-06"""
    extra = {"is_staff": "1", "is_superuser": "1", "activated_at": "2026-01-01", "uid": "root"}
    import_feed(BytesIO(text_of(row(**extra), columns=(*COLUMNS, *extra)).encode()))
    camille = imported_account()
    given_to = camille.is_staff, camille.is_superuser, camille.activated_at, camille.uid
    assert given_to == (False, False, None, "cdurand")


def test_an_account_that_hr_does_not_know_is_never_touched():
    agent = Account.objects.create(
        uid="cdurand", institutional_address="camille.durand@univ-exemple.fr", is_staff=True, category="staff"
    )
    imported(row())
    assert Account.objects.get(pk=agent.pk).hr_id is None
    assert (imported_account().uid, imported_account().login) == ("cdurand2", "camille.durand2@univ-exemple.fr")
