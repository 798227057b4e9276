"""A mail server that is away over the night when clocks change, and then fussy (AVL-03); with the clock stopped."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.utils import timezone

from accounts.links.signed_link import LinkExpired
from activation.links import activation_link
from devtools.mailcatcher import Envelope, MailCatcher, Stage, accept
from devtools.processes import free_port
from outbox import dispatch as sending
from outbox.dispatch import send_due
from outbox.enums import Status
from outbox.models import Message
from tests.faults.spare_worker import queued_mail
from tests.faults.tally import Tally
from tests.mail_delivery import link_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

BEGAN = datetime(2026, 3, 28, 22, 50, tzinfo=UTC)
RECOVERED = datetime(2026, 3, 30, 7, 50, tzinfo=UTC)
FIRST_DEADLINE = datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC)
LAST_DEADLINE = datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)
PRINTED = "jusqu’au mardi 31\u00a0mars 2026 à 23\u00a0h\u00a059 (heure de Paris)"


class GreylistingServer:
    """It sends everybody away a first time, one mailbox as often as asked, and does not know another."""

    def __init__(self, *, unknown: str) -> None:
        self.unknown = unknown
        self.seen: set[str] = set()

    def __call__(self, stage: Stage, envelope: Envelope) -> str:
        if stage != "rcpt":
            return accept(stage, envelope)
        recipient = envelope.recipients[-1]
        is_new = recipient not in self.seen
        self.seen.add(recipient)
        if is_new:
            return "451 4.7.1 Greylisted" if len(self.seen) % 2 else "421 4.7.0 Try again later"
        return "550 5.1.1 No such mailbox" if recipient == self.unknown else accept(stage, envelope)


def test_after_33_hours_away_each_mail_leaves_with_a_living_link(mail_server: MailCatcher, settings, tally):
    """AVL-03: retries back off; a row that cannot be rendered delays no other; 550 is final."""
    waits: dict[int, list[float]] = defaultdict(list)
    with time_machine.travel(BEGAN, tick=False) as clock:
        killed_after_250 = queued_mail()
        send_due()
        killed_after_250.refresh_from_db()
        killed_after_250.lease(timezone.now(), sending.LEASE)
        killed_after_250.save()
        settings.EMAIL_PORT = free_port()
        good = queued_mail()
        while next_try() < RECOVERED:
            try_once(clock, waits)
        poison, unwanted = Message.objects.create(kind="nonsense", address="poison@exemple.net"), queued_mail()
        settings.EMAIL_PORT = mail_server.port
        mail_server.answer = GreylistingServer(unknown=unwanted.address)
        while Message.objects.unfinished().exclude(pk=poison.pk).exists():
            try_once(clock, waits)

    for message in (killed_after_250, good, unwanted, poison):
        message.refresh_from_db()
    statuses = [message.status for message in (killed_after_250, good, unwanted, poison)]
    assert statuses == [Status.SENT, Status.SENT, Status.REFUSED, Status.QUEUED]
    assert unwanted.answer == "550 5.1.1 No such mailbox"
    assert good.sent_at < RECOVERED + timedelta(hours=2.4)
    early, *late = mail_server.messages
    assert sorted(mail["To"] for mail in late) == sorted([killed_after_250.address, good.address])
    assert ends_at(link_in(early), FIRST_DEADLINE), "an older link keeps its own"
    for mail in late:
        assert PRINTED in text_of(mail)
        assert ends_at(link_in(mail), LAST_DEADLINE)
    assert early["Message-ID"] not in {mail["Message-ID"] for mail in late}, "another day, another mail"

    assert 24 <= waits[good.pk][0] <= 36
    for waited in (waits[killed_after_250.pk], waits[good.pk]):
        assert all(later > 0.8 / 1.2 * wait for wait, later in pairwise(waited)), waited
        assert 2 * max(waited[:3]) < max(waited) <= 3600 * 1.2, waited
        assert len({round(wait) for wait in waited[8:]}) > 3, "they would all come back at once"
    poison.delete()
    assert tally(mail_server.messages) == Tally(sent=2, lost=0, doubled=1)


def try_once(clock: time_machine.Traveller, waits: dict[int, list[float]]) -> None:
    clock.move_to(next_try())
    tries = dict(Message.objects.unfinished().values_list("pk", "attempts"))
    send_due()
    for row in Message.objects.filter(status=Status.QUEUED):
        if row.attempts > tries[row.pk]:
            waits[row.pk].append((row.due_at - timezone.now()).total_seconds())
            assert len(waits[row.pk]) < 80, "too many retries"


def next_try() -> datetime:
    return min(row.leased_until or row.due_at for row in Message.objects.unfinished())


def ends_at(path: str, deadline: datetime) -> bool:
    return is_good(path, deadline) and not is_good(path, deadline + timedelta(seconds=1))


def is_good(path: str, moment: datetime) -> bool:
    with time_machine.travel(moment, tick=False):
        try:
            activation_link.open(path.split("/")[-2])
        except LinkExpired:
            return False
    return True
