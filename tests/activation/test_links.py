"""The activation link: what revokes it, what its pages show and what they never show. What is true of the links of every
purpose is proven in tests/accounts/test_links.py."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.links import activation_link
from activation.models import LinkRequest
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email
from tests.activation import states
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    activate,
    answer,
    begun_until,
    everything_about,
    link_to,
)
from tests.factories import active_account, events_of, pending_account, reloaded
from tests.mail_delivery import link_in, text_of
from tests.mailrouting.forwarding import change, link_of
from tests.normalised import normalised_answer

pytestmark = pytest.mark.django_db

NEW_LINK = "activation-new-link"
EXPIRED, USED, UNKNOWN = (410, "Il a expiré le"), (410, "déjà actif"), (404, "")
REVOKED_BY = {
    activate: USED,
    states.lock: EXPIRED,
    states.lock_and_release: UNKNOWN,
    states.correct_the_address: UNKNOWN,
    states.dispute_the_address: UNKNOWN,
    states.leave: UNKNOWN,
}


def days_ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def opens(link: str) -> bool:
    return Client().get(link, follow=True).status_code == 200


def names_account(page: str, person: Account) -> bool:
    facts = (person.given_name, person.family_name, person.login, person.recovery_address, person.uid)
    return any(fact in page for fact in facts)


def test_a_wizard_begun_before_the_deadline_may_be_finished_after_it(client, time_machine):
    """TOK-03: within the limits of the session."""
    issued, person = datetime(2026, 11, 10, 12, tzinfo=UTC), pending_account()
    deadline = activation_link.deadline(issued)
    time_machine.move_to(deadline - timedelta(minutes=10), tick=False)
    client.get(link_to(person, built_at=issued))
    client.post(reverse("activation"))
    time_machine.move_to(deadline + timedelta(minutes=5), tick=False)
    for step in (CHARTER, DIRECTORY, MAILBOX, PASSWORD):
        answer(client, step)
    assert reloaded(person).activated_at > deadline


def test_scanners_that_open_the_link_leave_it_as_it_was(client):
    """TOK-06: GET, HEAD and OPTIONS, then the user."""
    person = pending_account()
    link, before = link_to(person), everything_about(person)
    for user_agent in ("Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; SafeLinks)", "curl/8.9.1", ""):
        scanner = Client(headers={"User-Agent": user_agent})
        for ask in (scanner.get, scanner.get, scanner.head, scanner.options):
            assert ask(link, follow=True).status_code in (200, 405)
    assert everything_about(person) == before
    begun_until(client, person, PASSWORD)
    assert answer(client, PASSWORD)["Location"] == reverse("activation-done")


def test_the_secret_leaves_the_address_bar_at_once(client):
    """TOK-09, TOK-11: a redirect without the token, no referrer, not cached, not repeated; also of an expired link, and
    without its last slash.

    The next page, without a secret in its URL, needs a referrer for the CSRF check of its form.
    """
    person = pending_account()
    for link, status in ((link_to(person), 200), (link_to(person, built_at=days_ago(3)), 410)):
        token = link.split("/")[-2]
        redirected = client.get(link)
        page = client.get(redirected["Location"])
        assert (redirected.status_code, redirected["Location"]) == (302, reverse("activation"))
        assert redirected["Referrer-Policy"] == "no-referrer"
        assert (page.status_code, page["Referrer-Policy"]) == (status, "same-origin")
        for response in (redirected, page):
            assert "no-store" in response["Cache-Control"]
            assert token not in response.content.decode()
        assert token not in str(client.session.items())
    assert client.get(link_to(person).rstrip("/"), follow=True).status_code == 200


@pytest.mark.parametrize(("event", "answered"), REVOKED_BY.items())
def test_what_revokes_the_links_and_the_sessions_they_opened(client, event, answered):
    """TOK-07, TOK-10, HLP-01: every link of the account, not only the last; the next click of an open wizard writes
    nothing. A used link says where to log in, that of a locked account looks expired, and neither names the account."""
    person = pending_account()
    links = [link_to(person), link_to(person, built_at=days_ago(1))]
    assert all(opens(link) for link in links)
    begun_until(client, person, PASSWORD)
    event(person)
    before = everything_about(person)
    seen, sent = client.get(reverse(PASSWORD)), answer(client, PASSWORD, {"password": "une-autre-phrase-de-passe"})
    assert (seen.status_code, sent.status_code) == (410, 410)
    assert everything_about(person) == before
    for link in links:
        page = Client().get(link, follow=True)
        html = page.content.decode()
        assert (page.status_code, answered[1] in html) == (answered[0], True)
        assert answered != USED or reverse("login") in html
        assert not names_account(html + sent.content.decode(), person)


def test_asking_for_more_links_revokes_none(client, mail_delivery):
    """TOK-07: other clients ask for five links while the user is at step 4, with the link of the day before; once the user
    has finished, all are revoked."""
    person = pending_account()
    yesterday = link_to(person, built_at=days_ago(1))
    client.get(yesterday)
    client.post(reverse("activation"))
    for step in (CHARTER, DIRECTORY):
        answer(client, step)
    for _ in range(5):
        Client().post(reverse("first-connection"), {"login": person.login})
    links = [yesterday, *map(link_in, mail_delivery.deliver())]
    assert (len(links), len(set(links))) == (1 + 3, 2)
    assert all(opens(link) for link in links)
    answer(client, MAILBOX)
    assert answer(client, PASSWORD)["Location"] == reverse("activation-done")
    assert not any(opens(link) for link in links)


def test_an_expired_link_says_when_and_offers_another_by_one_button(client, mail_delivery):
    """TOK-10, HLP-02: neither page names the account, a link opened before is needed, and a lock is answered by mail."""
    person, locked = pending_account(), pending_account()
    assert client.post(reverse(NEW_LINK))["Location"] == reverse("first-connection")
    assert not LinkRequest.objects.exists()
    page = client.get(link_to(person, built_at=days_ago(3)), follow=True)
    answered = client.post(reverse(NEW_LINK), follow=True)
    html = page.content.decode()
    assert (page.status_code, "Il a expiré le" in html, reverse(NEW_LINK) in html) == (410, True, True)
    assert answered.redirect_chain == [(reverse("first-connection-answer"), 302)]
    assert not names_account(html + answered.content.decode(), person)
    assert mail_delivery.last_mail()["To"] == person.recovery_address
    assert opens(mail_delivery.last_link())

    client.get(link_to(locked))
    states.lock(locked)
    client.get(link_to(locked))
    client.post(reverse(NEW_LINK))
    mail = mail_delivery.last_mail()
    assert (mail["To"], "/activation/" in text_of(mail)) == (locked.recovery_address, False)
    assert Message.objects.latest("pk").kind == Kind.LOCKED


def test_every_other_bad_link_gets_one_same_page():
    """TOK-10: made up, cut, of another purpose, of a departed user, of an address that was corrected."""
    gone, corrected, good = pending_account(), pending_account(), link_to(pending_account())
    gone_link, corrected_link = link_to(gone), link_to(corrected)
    states.leave(gone)
    states.correct_the_address(corrected)
    other_purpose = link_of(change(active_account())).replace("/redirection/", "/activation/")
    bad = [gone_link, corrected_link, other_purpose, good[:-3] + "/", "/activation/abc/", good.lower()]
    [page] = {normalised_answer(Client().get(link), link) for link in bad}
    assert page.status == 404


def test_a_wrong_recipient_stops_the_mails_by_a_button(client, mail_delivery):
    """TOK-06, TOK-07: opening the page changes nothing; the button revokes the link, and no other mail leaves."""
    person = pending_account()
    link, before = link_to(person), everything_about(person)
    client.get(link)
    assert client.get(reverse("activation-not-me")).status_code == 200
    assert everything_about(person) == before
    assert client.post(reverse("activation-not-me")).status_code == 200
    assert reloaded(person).recovery_address_disputed_at is not None
    assert events_of(person) == [Event.RECOVERY_ADDRESS_DISPUTED]
    assert (client.get(reverse("activation")).status_code, client.get(link).status_code) == (410, 404)
    queue_email(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language=person.language)
    assert mail_delivery.deliver() == []
