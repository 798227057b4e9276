"""A mass of invitations, at the pace that the mail server allows (AVL-09)."""

import time
from threading import Event, Lock

from devtools.mailcatcher import Envelope, Stage, accept
from outbox.dispatch import BATCH
from outbox.tasks import send_due_messages
from tests.factories import pending_account
from tests.faults.spare_worker import all_sent, queued_mails
from tests.faults.tally import Tally
from tests.stack import NEEDS_STACK, wait_until

pytestmark = NEEDS_STACK

#: More than both processes of the worker take at once.
INVITATIONS = 3 * BATCH
A_SECOND = 5
#: Of the minute that AVL-09 gives; a worker that is busy to the end of its batches needs twice as long.
PATIENCE = 20.0


class ThrottledServer:
    """A mail server that takes five mails a second until `unthrottled` is set."""

    def __init__(self) -> None:
        self.unthrottled = Event()
        self._turn = Lock()

    def __call__(self, stage: Stage, envelope: Envelope) -> str:
        if stage == "data" and not self.unthrottled.is_set():
            with self._turn:
                self.unthrottled.wait(1 / A_SECOND)
        return accept(stage, envelope)


def test_a_requested_link_does_not_wait_behind_thousands_of_invitations(stack, client, tally, record_property):
    """AVL-09: at 5 mails a second a new link arrives soon; the invitations keep their order."""
    stack.catcher.answer = pace = ThrottledServer()
    invitations = queued_mails(INVITATIONS)
    for _ in range(3):  # as many sweeps as beat has ordered in the first minute
        stack.send(send_due_messages)
    stack.catcher.wait_for(5, timeout=20)
    person = pending_account()
    began = time.monotonic()
    client.request_link(person.login)
    wait_until(
        lambda: person.recovery_address in {mail["To"] for mail in list(stack.catcher.messages)},
        stack.log("worker"),
        seconds=PATIENCE,
    )
    waited = time.monotonic() - began
    before = len(stack.catcher.messages)
    pace.unthrottled.set()
    all_sent(stack)

    mails = list(stack.catcher.messages)
    record_property("fault", f"new link after {waited:.1f} s at {A_SECOND} mails/s, {INVITATIONS + 1 - before} waited")
    places = {message.address: place for place, message in enumerate(invitations)}
    arrived = [places[mail["To"]] for mail in mails if mail["To"] in places]
    # Two processes send a batch each: the order holds between batches.
    assert max(abs(place - position) for position, place in enumerate(arrived)) < 2 * BATCH
    assert tally(mails) == Tally(sent=INVITATIONS + 1, lost=0, doubled=0)
