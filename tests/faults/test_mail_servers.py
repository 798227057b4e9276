"""Mail servers in every kind of trouble (EML-05), at the other end of a worker that sends as in production."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import trustme
from django.utils import timezone

from devtools.mailcatcher import Stage, accept
from outbox.enums import Status
from outbox.models import Message
from outbox.tasks import send_due_messages, send_message
from tests.faults.spare_worker import PausedServer, SpareWorker, presenting, queued_mail
from tests.faults.tally import Tally
from tests.stack import NEEDS_STACK, wait_until

pytestmark = NEEDS_STACK

#: Where a server may stop talking for good, and what is then still unsure.
HANGS: tuple[Stage, ...] = ("connect", "starttls", "mail", "rcpt", "data")
#: What it may say instead of "250", and at which stage.
ANSWERS: dict[str, tuple[Stage, str]] = {
    "busy": ("connect", "421 4.3.2 Too busy"),
    "takes STARTTLS back": ("starttls", "454 4.7.0 TLS not available"),
    "greylists": ("rcpt", "451 4.7.1 Greylisted, come back later"),
    "full": ("data", "452 4.3.1 No space left"),
}
NOT_WANTED = "550 5.1.1 No such mailbox"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def answering(said: str, *, at_stage: Stage):
    return lambda stage, envelope: said if stage == at_stage else accept(stage, envelope)


@contextmanager
def unreachable(spare: SpareWorker) -> Iterator[None]:
    spare.server.stop()
    try:
        yield
    finally:
        spare.server.start()


@contextmanager
def without_starttls(spare: SpareWorker) -> Iterator[None]:
    spare.server.tls = None
    yield


@contextmanager
def certified(spare: SpareWorker, certificate: trustme.LeafCert) -> Iterator[None]:
    spare.server.tls = presenting(certificate)
    yield


@contextmanager
def answering_with(spare: SpareWorker, stage: Stage, said: str) -> Iterator[None]:
    spare.server.answer = answering(said, at_stage=stage)
    yield


def troubles(spare: SpareWorker):
    host, authority = spare.server.host, spare.authority
    yield "offers no STARTTLS", without_starttls(spare)
    yield "certificate of an unknown authority", certified(spare, trustme.CA().issue_cert(host))
    yield "certificate for another host", certified(spare, authority.issue_cert("smtp.evil.example"))
    yield "certificate that has expired", certified(spare, authority.issue_cert(host, not_after=LONG_AGO))
    for name, (stage, said) in ANSWERS.items():
        yield name, answering_with(spare, stage, said)


def test_nothing_leaves_in_the_clear_and_every_mail_leaves_once_the_trouble_is_over(stack, spare, tally):
    """EML-05, AVL-03: refused, hanging, greylisted, badly certified, without STARTTLS; each is retried and warned of."""
    halts = [PausedServer(stage, then="421 4.4.2 Too late") for stage in HANGS]
    rows = {f"hangs at {halt.stage}": queued_mail() for halt in halts}
    for halt, row in zip(halts, rows.values(), strict=True):
        spare.halts(halt, send_message, row.pk)

    # While those wait for their ten seconds to be over, the others of the eight processes meet the rest.
    certificate = spare.server.tls
    for name, trouble in troubles(spare):
        rows[name] = queued_mail()
        with trouble:
            spare.give(send_message, rows[name].pk)
            tried(spare, rows[name])
        spare.server.answer, spare.server.tls = accept, certificate
    with answering_with(spare, "rcpt", NOT_WANTED):
        not_wanted = queued_mail()
        spare.give(send_message, not_wanted.pk)
        tried(spare, not_wanted)
    for name, row in rows.items():
        tried(spare, row)
        assert not name.startswith("hangs") or "timed out" in row.answer, name
    rows["goes away with the mail in its hands"] = queued_mail()
    spare.halts(PausedServer("data"), send_message, rows["goes away with the mail in its hands"].pk)
    with unreachable(spare):
        tried(spare, rows["goes away with the mail in its hands"])
        rows["refuses connections"] = queued_mail()
        spare.give(send_message, rows["refuses connections"].pk)
        tried(spare, rows["refuses connections"])

    wrong = {name: row.answer for name, row in rows.items() if not waits(row) or not warned_of(spare, row)}
    assert wrong == {}
    assert (not_wanted.status, not_wanted.answer) == (Status.REFUSED, NOT_WANTED)
    assert spare.server.messages == []

    spare.server.answer = accept
    Message.objects.filter(status=Status.QUEUED).update(due_at=timezone.now())
    spare.give(send_due_messages)
    spare.server.wait_for(len(rows), timeout=30)
    wait_until(lambda: Message.objects.filter(status=Status.SENT).count() == len(rows), stack.log("spare"), seconds=10)
    assert set(Message.objects.filter(status=Status.SENT).values_list("attempts", flat=True)) == {2}
    assert all(mail.envelope.encrypted for mail in spare.server.messages)
    assert stack.catcher.messages == []
    assert tally(spare.server.messages) == Tally(sent=len(rows), lost=0, doubled=0)


def tried(spare: SpareWorker, row: Message) -> None:

    def given_back() -> bool:
        row.refresh_from_db()
        return row.attempts == 1 and row.leased_until is None

    wait_until(given_back, spare.stack.log("spare"), seconds=30)


def waits(row: Message) -> bool:
    return (
        row.status == Status.QUEUED
        and row.answer != ""
        and timedelta(0) < row.due_at - timezone.now() < timedelta(seconds=36)
    )


def warned_of(spare: SpareWorker, row: Message) -> bool:
    lines = [json.loads(line) for line in spare.stack.log("spare").read_text().splitlines()]
    return any(line["level"] == "WARNING" and f"Mail {row.pk} " in line.get("message", "") for line in lines)
