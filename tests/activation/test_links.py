"""The activation link: what opens it, what revokes it, what its pages show and what they never show."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.enums import LockReason
from accounts.links.signed_link import LinkRefused
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.links import activation_link
from activation.models import Charter, LinkRequest
from activation.services import dispute_recovery_address
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    answer,
    begun_until,
    everything_about,
    link_to,
)
from tests.factories import active_account, pending_account
from tests.fuzz import TOKEN
from tests.locking import UNLOCK_REASONS
from tests.mail_delivery import link_in
from tests.mailrouting.forwarding import change, link_of
from tests.normalised import normalised_answer

pytestmark = pytest.mark.django_db

NEW_LINK = "activation-new-link"
SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; SafeLinks)",
    "Barracuda Sentinel (EE)",
    "curl/8.9.1",
    "",
)
PARIS = ZoneInfo("Europe/Paris")


def days_ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def opens(link: str) -> bool:
    """Whether a new browser gets the first page."""
    page = Client().get(link, follow=True)
    assert page.status_code in (200, 404, 410)
    return page.status_code == 200


def names_account(page: str, person: Account) -> bool:
    facts = (person.given_name, person.family_name, person.login, person.recovery_address, person.uid)
    return any(fact in page for fact in facts)


def test_a_wizard_begun_before_the_deadline_may_be_finished_after_it(client, time_machine):
    """TOK-03: within the limits of the session."""
    Charter.objects.create(version="ancienne", text_fr="# Charte", published_at=datetime(2020, 1, 1, tzinfo=UTC))
    issued, person = datetime(2026, 6, 10, 12, 0, tzinfo=PARIS), pending_account()
    time_machine.move_to(issued + timedelta(days=1, hours=11, minutes=50), tick=False)
    client.get(link_to(person, built_at=issued))
    client.post(reverse("activation"))
    deadline = activation_link.deadline(issued)
    time_machine.move_to(deadline + timedelta(minutes=5), tick=False)
    for step in (CHARTER, DIRECTORY, MAILBOX, PASSWORD):
        answer(client, step)
    assert Account.objects.get(pk=person.pk).activated_at > deadline


def test_scanners_that_open_the_link_leave_it_as_it_was(client):
    """TOK-06: GET, HEAD and OPTIONS, then the user."""
    person = pending_account()
    link, before = link_to(person), everything_about(person)
    for user_agent in SCANNERS:
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


def activated_elsewhere(person: Account) -> None:
    begun_until(browser := Client(), person, PASSWORD)
    answer(browser, PASSWORD)


def locked(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)


def locked_and_released(person: Account) -> None:
    locked(person)
    person.locks.update(released_at=timezone.now(), **UNLOCK_REASONS)


def address_corrected(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(recovery_address="correcte@exemple.net")


def disputed(person: Account) -> None:
    dispute_recovery_address(account=person)


def departed(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=days_ago(1).date())


@pytest.mark.parametrize(
    "event", [activated_elsewhere, locked, locked_and_released, address_corrected, disputed, departed]
)
def test_what_revokes_the_links_and_the_sessions_they_opened(client, event):
    """TOK-07, HLP-01: every link of the account, not only the last; the next click of an open wizard writes nothing."""
    person = pending_account()
    links = [link_to(person), link_to(person, built_at=days_ago(1))]
    assert all(opens(link) for link in links)
    begun_until(client, person, PASSWORD)
    event(person)
    before = everything_about(person)
    seen, sent = client.get(reverse(PASSWORD)), answer(client, PASSWORD, {"password": "une-autre-phrase-de-passe"})
    assert (seen.status_code, sent.status_code) == (410, 410)
    assert not names_account(sent.content.decode(), person)
    assert not any(opens(link) for link in links)
    assert everything_about(person) == before


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
    """TOK-10: neither page names the account. Without a link opened before, the login is typed."""
    person = pending_account()
    assert client.post(reverse(NEW_LINK))["Location"] == reverse("first-connection")
    assert not LinkRequest.objects.exists()
    assert client.get(reverse(NEW_LINK)).status_code == 405
    page = client.get(link_to(person, built_at=days_ago(3)), follow=True)
    answered = client.post(reverse(NEW_LINK), follow=True)
    html = page.content.decode()
    assert (page.status_code, "Il a expiré le" in html, reverse(NEW_LINK) in html) == (410, True, True)
    assert answered.redirect_chain == [(reverse("first-connection-answer"), 302)]
    assert not names_account(html + answered.content.decode(), person)
    assert mail_delivery.last_mail()["To"] == person.recovery_address
    assert opens(mail_delivery.last_link())


def test_a_used_link_says_so_and_where_to_log_in(client):
    """TOK-10"""
    person = pending_account()
    link = link_to(person)
    activated_elsewhere(person)
    page = client.get(link, follow=True)
    html = page.content.decode()
    assert (page.status_code, "déjà actif" in html, reverse("login") in html) == (410, True, True)
    assert not names_account(html, person)


def test_the_link_of_a_locked_account_looks_like_an_expired_one(client, mail_delivery):
    """HLP-02, ENU-01: the mail that answers it has no link that sets a password."""
    person = pending_account()
    link = link_to(person)
    locked(person)
    mail_delivery.deliver().clear()
    page = client.get(link, follow=True)
    client.post(reverse(NEW_LINK))
    assert (page.status_code, "Il a expiré le" in page.content.decode()) == (410, True)
    [mail] = mail_delivery.deliver()
    assert mail["To"] == person.recovery_address
    assert Message.objects.latest("pk").kind == Kind.LOCKED
    assert "/activation/" not in mail.get_body(("plain",)).get_content()


def test_every_other_bad_link_gets_one_same_page():
    """TOK-10: made up, cut, of another purpose, of a departed user, of an address that was corrected."""
    gone, corrected, good = pending_account(), pending_account(), link_to(pending_account())
    gone_link, corrected_link = link_to(gone), link_to(corrected)
    departed(gone)
    address_corrected(corrected)
    other_purpose = link_of(change(active_account())).replace("/redirection/", "/activation/")
    bad = [gone_link, corrected_link, other_purpose, good[:-3] + "/", "/activation/abc/", good.lower()]
    [page] = {normalised_answer(Client().get(link), link) for link in bad}
    assert page.status == 404


def test_hostile_tokens_get_a_page_and_change_nothing(client):
    """INP-01"""
    person = pending_account()
    valid, before = link_to(person).split("/")[-2], everything_about(person)
    for number, line in enumerate(TOKEN):
        made = {"VALID[:-1]": valid[:-1], "VALID.swapcase()": valid.swapcase()}
        token = made.get(line, line.replace("VALID", valid, 1))
        for prefix in ("/activation/", "/redirection/", "/reactivation/", "/rappels/"):
            response = client.get(f"{prefix}{token}/", follow=True, REMOTE_ADDR=f"198.51.100.{number}")
            assert response.status_code in {200, 400, 404, 405, 410}, (prefix, line[:30])
    assert everything_about(person) == before


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=120))
def test_any_text_in_the_place_of_the_token_opens_nothing(text):
    """TOK-10"""
    with pytest.raises(LinkRefused):
        activation_link.open(text)


@pytest.mark.parametrize("path", ["activation", "reactivation"])
def test_many_bad_links_from_one_client_throttle_that_client_only(client, path):
    """TOK-10: 30 in a minute, then 429; others still open theirs."""
    link = link_to(pending_account())
    assert [client.get(f"/{path}/faux-{number}/").status_code for number in range(31)] == [404] * 30 + [429]
    throttled = client.get(link)
    assert (throttled.status_code, int(throttled["Retry-After"]) > 0) == (429, True)
    assert "Trop de demandes" in throttled.content.decode()
    assert Client(REMOTE_ADDR="198.51.100.7").get(link).status_code == 302
