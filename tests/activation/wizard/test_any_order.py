"""In any order of clicks, in two browsers, the invariants of the wizard hold."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account
from activation.models import CharterAcceptance
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    STEPS,
    VERIFICATION,
    answer,
    forward_to,
    link_to,
)
from tests.factories import pending_account
from tests.invariants import assert_nothing_is_half_done

pytestmark = pytest.mark.django_db

Act = Callable[[Client, Account], object]
ACTS: dict[str, Act] = {
    "open the link": lambda browser, person: browser.get(link_to(person)),
    "begin": lambda browser, person: browser.post(reverse("activation")),
    "accept": lambda browser, person: answer(browser, CHARTER),
    "list me": lambda browser, person: answer(browser, DIRECTORY, {"listed": "yes", "understood": "on"}),
    "do not list me": lambda browser, person: answer(browser, DIRECTORY),
    "no forwarding": lambda browser, person: answer(browser, MAILBOX, {}),
    "forward": lambda browser, person: answer(browser, MAILBOX, forward_to(f"{person.pk}@exemple.org")),
    "forward to the recovery address": lambda browser, person: answer(
        browser, MAILBOX, forward_to(person.recovery_address)
    ),
    "go on": lambda browser, person: answer(browser, VERIFICATION),
    "choose a password": lambda browser, person: answer(browser, PASSWORD),
    "nonsense": lambda browser, person: answer(browser, DIRECTORY, {"listed": "x"}),
    "lose the cookies": lambda browser, person: browser.cookies.clear(),
    "read every step": lambda browser, person: [browser.get(reverse(step)).status_code for step in STEPS],
}
# Most walks go forward, so that some reach the end.
FORWARD = ["open the link", "begin", "accept", "list me", "forward", "go on", "choose a password"]
WALKS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([*ACTS, *FORWARD, *FORWARD])), max_size=25)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=WALKS)
def test_no_order_of_clicks_breaks_an_invariant(walk):
    """SES-02: never a 5xx (the client would raise it); active means all answers, and one mail."""
    person, browsers = pending_account(), (Client(), Client())
    for which, name in walk:
        ACTS[name](browsers[which], person)
    assert_nothing_is_half_done()
    person = Account.objects.get(pk=person.pk)
    assert person.activated_at is None or hasattr(person, "redirection")
    assert CharterAcceptance.objects.filter(account=person).count() <= 1
    assert Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count() <= 3


def test_the_walk_forward_activates():
    """The property above would hold for a portal that activates no account."""
    person, browser = pending_account(), Client()
    for name in FORWARD:
        ACTS[name](browser, person)
    assert Account.objects.get(pk=person.pk).is_active
    assert_nothing_is_half_done()
