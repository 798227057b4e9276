"""The journal: who, what, when and from where, in the same transaction as the change (LOG-01 to LOG-03)."""

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.services import set_language
from activation.services import complete_activation
from core.client_ip import device_name
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.services import record_event
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, PASSWORD, answer, answered_until, begin
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
EDGE = f"{CHROME} Edg/126.0"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15"
)


def sign_in(browser: Client, person: Account) -> HttpResponse:
    return browser.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})


def test_an_entry_says_who_what_when_and_from_where(settings):
    """LOG-01, LOG-02, ENU-06: with the response's reference; forwarded addresses count from a trusted proxy only."""
    forwarded = {"User-Agent": FIREFOX, "X-Forwarded-For": "1.2.3.4, 203.0.113.9"}
    for proxies, peer, recorded in [
        ([], "10.0.0.1", "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9"),
        (["10.0.0.0/8"], "2001:db8::17", "2001:db8::17"),
    ]:
        settings.TRUSTED_PROXIES = proxies
        person, before = active_account(), timezone.now()
        response = sign_in(Client(REMOTE_ADDR=peer, headers=forwarded), person)
        entry = person.journal.get(event=Event.SIGNED_IN)
        assert entry.account == entry.actor == person
        assert before <= entry.at <= timezone.now()
        assert (entry.source, entry.client_address, entry.device) == ("web", recorded, "Firefox (Linux)")
        assert len(entry.request_id) == 32
        assert entry.request_id == response["X-Request-Id"]
    with use_request_context(RequestContext(source="worker")):
        record_event(account=person, event=Event.LINK_REQUESTED)
    lock_account(account=person, reason=LockReason.PHISHING, actor=(agent := active_account(is_staff=True)))
    for event, source, actor in ((Event.LINK_REQUESTED, "worker", None), (Event.LOCKED, "command", agent)):
        entry = person.journal.get(event=event)
        assert (entry.source, entry.client_address, entry.actor) == (source, None, actor)


def test_a_device_is_recorded_by_browser_and_system_only():
    """LOG-02: enough to recognise a device, too little to track its owner."""
    devices = {FIREFOX: "Firefox (Linux)", CHROME: "Chrome (Windows)", EDGE: "Edge (Windows)", SAFARI: "Safari (macOS)"}
    for user_agent, device in {**devices, "x" * 5000: "", "": "", "\x00<b>": ""}.items():
        request = RequestFactory().get("/", headers={"User-Agent": user_agent})
        assert device_name(request) == device


def test_an_activation_is_recorded_step_by_step(client):
    """LOG-01: in order, each step once, by the account owner."""
    person = pending_account()
    begin(client, person)
    begin(Client(), person)
    for step in (CHARTER, DIRECTORY, MAILBOX, PASSWORD):
        answer(client, step)
    entries = person.journal.order_by("pk")
    assert [entry.event for entry in entries] == [
        Event.ACTIVATION_STARTED,
        Event.CHARTER_ACCEPTED,
        Event.DIRECTORY_CONSENT_REFUSED,
        Event.REDIRECTION_DECLINED,
        Event.MAILBOX_CREATED,
        Event.PASSWORD_SET,
        Event.USER_ACTIVATED,
    ]
    assert {entry.actor_id for entry in entries} == {person.pk}
    assert A_GOOD_PASSWORD not in str(list(entries.values()))


def test_entry_and_change_are_committed_together_or_not_at_all(monkeypatch):
    """LOG-03, AVL-02: when a later statement fails, and when the entry cannot be written."""
    person = pending_account()
    answered_until(person, PASSWORD)
    before = person.journal.count()

    def activate_and_fail() -> None:
        complete_activation(account=person, password=A_GOOD_PASSWORD)
        assert person.journal.count() > before
        raise RuntimeError("afterwards")

    with pytest.raises(RuntimeError, match="afterwards"), transaction.atomic():
        activate_and_fail()
    assert person.journal.count() == before

    def fail(**kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("accounts.services.record_event", fail)
    with pytest.raises(OSError, match="disk full"), transaction.atomic():
        set_language(account=person, language="en")
    person = Account.objects.get(pk=person.pk)
    assert (person.activated_at, person.language) == (None, "fr")
