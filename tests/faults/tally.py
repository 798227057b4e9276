"""What became of the mails after an accident: counted row by row, and shown when all tests have run.

Each mail names its row: the Message-ID begins with the row's reference. A test asks for `tally`:

    assert tally(stack.catcher.messages) == Tally(sent=5, lost=0, doubled=1)

Whatever else a fault test counts, it tells with `record_property("fault", "200 requests, 180 pages, 20 × 503")`.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import EmailMessage

import pytest

from outbox.enums import Status
from outbox.models import Message

FAULT = "fault"
#: The row itself says that no mail will leave.
ENDED_WITHOUT_MAIL = (Status.CANCELLED, Status.REFUSED, Status.GIVEN_UP)


@dataclass(frozen=True)
class Tally:
    """Rows whose mail arrived; rows whose mail should have and did not; copies beyond the first."""

    sent: int
    lost: int
    doubled: int

    def __str__(self) -> str:
        return f"sent {self.sent}, lost {self.lost}, doubled {self.doubled}"


def count_mails(mails: Iterable[EmailMessage]) -> Tally:
    """Compare the mails with all the rows. Raises AssertionError for a mail that belongs to no row."""
    copies = Counter(mail["Message-ID"].lstrip("<").partition(".")[0] for mail in mails)
    statuses = {message.reference.hex: message.status for message in Message.objects.all()}
    assert set(copies) <= set(statuses), "a mail without a row"
    lost = [row for row, status in statuses.items() if row not in copies and status not in ENDED_WITHOUT_MAIL]
    return Tally(sent=len(copies), lost=len(lost), doubled=copies.total() - len(copies))


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[Iterable[EmailMessage]], Tally]:

    def count(mails: Iterable[EmailMessage]) -> Tally:
        counted = count_mails(mails)
        sys.stdout.write(f"{counted}\n")
        record_property(FAULT, str(counted))
        return counted

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
    ]
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {line}"
        for report in reports
        for name, line in report.user_properties
        if name == FAULT
    ]
    if lines:
        terminalreporter.section("faults")
        terminalreporter.write("\n".join(sorted(lines)) + "\n")
