"""What became of the mails after an accident: counted row by row, and shown when all tests have run.

Each mail names its row: the Message-ID begins with the row's reference.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from email.message import EmailMessage
from typing import NamedTuple

import pytest

from outbox.enums import Status
from outbox.models import Message

FAULT = "fault"
#: The row itself says that no mail will leave.
ENDED_WITHOUT_MAIL = (Status.CANCELLED, Status.REFUSED, Status.GIVEN_UP)


class Tally(NamedTuple):
    """Rows whose mail arrived; rows whose mail should have and did not; copies beyond the first."""

    sent: int
    lost: int
    doubled: int


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[Iterable[EmailMessage]], Tally]:
    """Compares the mails with all the rows."""

    def count(mails: Iterable[EmailMessage]) -> Tally:
        copies = Counter(mail["Message-ID"].lstrip("<").partition(".")[0] for mail in mails)
        statuses = {message.reference.hex: message.status for message in Message.objects.all()}
        assert set(copies) <= set(statuses), "a mail without a row"
        lost = [row for row, status in statuses.items() if row not in copies and status not in ENDED_WITHOUT_MAIL]
        counted = Tally(sent=len(copies), lost=len(lost), doubled=copies.total() - len(copies))
        record_property(FAULT, "sent {}, lost {}, doubled {}".format(*counted))
        return counted

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for _fault, counted in (each for each in report.user_properties if each[0] == FAULT and report.when == "call"):
            terminalreporter.write_line(f"{report.nodeid}: {counted}")
