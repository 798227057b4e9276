"""What became of the mails after an accident, counted row by row: the Message-ID begins with the row's reference."""

from collections import Counter
from collections.abc import Iterable
from email.message import EmailMessage
from typing import NamedTuple

from outbox.enums import Status
from outbox.models import Message

#: The row itself says that no mail will leave.
ENDED_WITHOUT_MAIL = (Status.CANCELLED, Status.REFUSED, Status.GIVEN_UP)


class Tally(NamedTuple):
    """Rows whose mail arrived; rows whose mail should have and did not; copies beyond the first."""

    sent: int
    lost: int
    doubled: int


def tally(mails: Iterable[EmailMessage]) -> Tally:
    copies = Counter(mail["Message-ID"].lstrip("<").partition(".")[0] for mail in mails)
    statuses = {message.reference.hex: message.status for message in Message.objects.all()}
    assert set(copies) <= set(statuses), "a mail without a row"
    lost = [row for row, status in statuses.items() if row not in copies and status not in ENDED_WITHOUT_MAIL]
    return Tally(sent=len(copies), lost=len(lost), doubled=copies.total() - len(copies))
