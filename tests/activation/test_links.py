"""The activation link: what opens it, what kills it, what it tells, and what it never tells."""

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
from mailrouting.links import redirection_link
from mailrouting.services import choose_redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import PASSWORD, answer, begun_until, everything_about, link_to
from tests.factories import active_account, pending_account
from tests.fuzz import TOKEN
from tests.locking import UNLOCK_REASONS
from tests.mail_delivery import link_in
from tests.normalised import normalised_answer

pytestmark = pytest.mark.django_db

SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; SafeLinks)",
    "Barracuda Sentinel (EE)",
    "python-requests/2.32",
    "curl/8.9.1",
    "",
)
PARIS = ZoneInfo("Europe/Paris")


def opens(link: str) -> bool:
    """Whether a browser that has never been here gets the first page."""
    page = Client().get(link, follow=True)
    assert page.status_code in (200, 404, 410)
    return page.status_code == 200


def without_names(page: str, person: Account) -> bool:
    told = (person.given_name, person.family_name, person.login, person.recovery_address, person.uid)
    return not any(fact in page for fact in told)


@pytest.fixture
def charter_of_all_times() -> None:
    """In force on the nights of the clock changes, before the first real one was published."""
    Charter.objects.create(version="de tout temps", text_fr="# Charte", published_at=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.usefixtures("charter_of_all_times")
def test_a_journey_begun_before_the_deadline_may_be_finished_after_it(client, time_machine):
    """TOK-03: within the limit of the visit."""
    issued = datetime(2026, 6, 10, 12, 0, tzinfo=PARIS)
    person = pending_account()
    time_machine.move_to(issued + timedelta(days=1, hours=11, minutes=50), tick=False)
    deadline = activation_link.deadline(issued)
    client.get(reverse("activation-link", args=[activation_link.token(person, deadline)]))
    client.post(reverse("activation"))

    time_machine.move_to(deadline + timedelta(minutes=5), tick=False)
    for step in ("activation-charter", "activation-directory", "activation-mailbox", PASSWORD):
        answer(client, step)

    person.refresh_from_db()
    assert person.is_active
    assert person.activated_at > deadline


def test_scanners_that_open_the_link_leave_it_as_it_was(client):
    """TOK-06: 20 GET, 5 HEAD, 1 OPTIONS, then the person."""
    person = pending_account()
    link = link_to(person)
    before = everything_about(person)

    for number in range(26):
        scanner = Client(headers={"User-Agent": SCANNERS[number % len(SCANNERS)]})
        ask = scanner.get if number < 20 else scanner.head if number < 25 else scanner.options
        assert ask(link, follow=True).status_code in (200, 405)

    assert everything_about(person) == before
    begun_until(client, person, PASSWORD)
    assert answer(client, PASSWORD)["Location"] == reverse("activation-done")


def test_a_scanner_may_open_the_link_of_a_forwarding_address_too():
    """TOK-06: opening does not confirm."""
    person = active_account()
    redirection = choose_redirection(account=person, target="ailleurs@exemple.net", keep_copy=True)
    deadline = redirection_link.deadline(timezone.now())
    link = reverse("redirection-link", args=[redirection_link.token(person, deadline, redirection.pk)])

    for user_agent in SCANNERS:
        page = Client(headers={"User-Agent": user_agent}).get(link, follow=True)
        Client(headers={"User-Agent": user_agent}).head(link, follow=True)
        assert 'method="post"' in page.content.decode()

    redirection.refresh_from_db()
    assert redirection.verified_at is None


def test_the_secret_leaves_the_address_bar_at_once(client):
    """TOK-09: a redirect without the token, no referrer, nothing cached, nothing repeated.

    The page after it, which has no secret in its address, needs a referrer for the CSRF check of its form.
    """
    person = pending_account()
    link = link_to(person)
    token = link.split("/")[-2]

    redirected = client.get(link)
    page = client.get(redirected["Location"])

    assert redirected.status_code == 302
    assert redirected["Location"] == reverse("activation")
    assert redirected["Referrer-Policy"] == "no-referrer"
    assert page["Referrer-Policy"] == "same-origin"
    for response in (redirected, page):
        assert "no-store" in response["Cache-Control"]
        assert token not in response.content.decode()
    assert token not in str(client.session.items())


def test_the_page_of_a_refused_link_keeps_no_secret_either(client):
    """TOK-09."""
    person = pending_account()
    link = link_to(person, built_at=timezone.now() - timedelta(days=3))

    redirected = client.get(link)
    page = client.get(redirected["Location"])

    assert redirected["Location"] == reverse("activation")
    assert redirected["Referrer-Policy"] == "no-referrer"
    assert link.split("/")[-2] not in page.content.decode()


def activated_elsewhere(person: Account) -> None:
    begun_until(browser := Client(), person, PASSWORD)
    answer(browser, PASSWORD)


def locked(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)


def locked_and_released(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)
    person.locks.update(released_at=timezone.now(), **UNLOCK_REASONS)


def address_corrected(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(recovery_address="correcte@exemple.net")


def disputed(person: Account) -> None:
    dispute_recovery_address(account=person)


def departed(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))


KILLING_EVENTS = [activated_elsewhere, locked, locked_and_released, address_corrected, disputed, departed]


@pytest.mark.parametrize("event", KILLING_EVENTS)
def test_what_ends_a_link(event):
    """TOK-07: issue, trigger, open: refused; every link of the person, not only the last."""
    person = pending_account()
    links = [link_to(person), link_to(person, built_at=timezone.now() - timedelta(days=1))]
    assert all(opens(link) for link in links)

    event(person)

    assert not any(opens(link) for link in links)


@pytest.mark.parametrize("event", KILLING_EVENTS)
def test_what_ends_a_link_ends_the_journeys_it_opened(client, event):
    """TOK-07, HLP-01: the next click of an open journey is refused and writes nothing."""
    person = pending_account()
    begun_until(client, person, PASSWORD)
    event(person)
    before = everything_about(person)

    seen, sent = client.get(reverse(PASSWORD)), answer(client, PASSWORD, {"password": "une-autre-phrase-de-passe"})

    assert (seen.status_code, sent.status_code) == (410, 410)
    assert without_names(sent.content.decode(), person)
    assert everything_about(person) == before


def test_asking_for_more_links_kills_none(client, mail_delivery):
    """TOK-07, D2: five strangers ask for links while the person is at step 4, with the link of the day before; the person
    finishes; then all are dead."""
    person = pending_account()
    yesterday = link_to(person, built_at=timezone.now() - timedelta(days=1))
    client.get(yesterday)
    client.post(reverse("activation"))
    for step in ("activation-charter", "activation-directory"):
        answer(client, step)
    for _ in range(5):
        Client().post(reverse("first-connection"), {"login": person.login})
    links = [yesterday, *map(link_in, mail_delivery.deliver())]
    assert (len(links), len(set(links))) == (1 + 3, 2)
    assert all(opens(link) for link in links)

    answer(client, "activation-mailbox")
    assert answer(client, PASSWORD)["Location"] == reverse("activation-done")

    assert not any(opens(link) for link in links)


def test_an_expired_link_says_when_and_offers_another(client, mail_delivery):
    """Design §4: one button, no typing; TOK-10: no name, no address."""
    person = pending_account()

    page = client.get(link_to(person, built_at=timezone.now() - timedelta(days=3)), follow=True)
    answered = client.post(reverse("activation-new-link"))

    html = page.content.decode()
    assert page.status_code == 410
    assert "Il a expiré le" in html
    assert reverse("activation-new-link") in html
    assert without_names(html, person)
    assert answered["Location"] == reverse("first-connection-answer")
    assert without_names(client.get(answered["Location"]).content.decode(), person)
    assert mail_delivery.last_mail()["To"] == person.recovery_address
    assert opens(mail_delivery.last_link())


def test_the_button_for_a_new_link_needs_a_link_opened_before(client):
    response = client.post(reverse("activation-new-link"))

    assert response["Location"] == reverse("first-connection")
    assert not LinkRequest.objects.exists()
    assert client.get(reverse("activation-new-link")).status_code == 405


def test_a_used_link_says_so_and_where_to_go(client):
    """Design §4; TOK-10: no name."""
    person = pending_account()
    link = link_to(person)
    activated_elsewhere(person)

    page = client.get(link, follow=True)

    html = page.content.decode()
    assert page.status_code == 410
    assert "déjà actif" in html
    assert reverse("login") in html
    assert without_names(html, person)


def test_a_locked_account_is_not_told_apart_from_an_expired_link(client, mail_delivery):
    """HLP-02, ENU-01: the page of an expired link; the mail that answers it holds no link that sets a password."""
    person = pending_account()
    link = link_to(person)
    locked(person)
    told = len(mail_delivery.deliver())

    page = client.get(link, follow=True)
    client.post(reverse("activation-new-link"))

    assert page.status_code == 410
    assert "Il a expiré le" in page.content.decode()
    mails = mail_delivery.deliver()[told:]
    assert [mail["To"] for mail in mails] == [person.recovery_address]
    assert Message.objects.latest("pk").kind == Kind.LOCKED
    assert "/activation/" not in mails[0].get_body(("plain",)).get_content()


def test_every_other_bad_link_gets_one_same_page():
    """TOK-10: made up, cut, of another purpose, of somebody who left, of an address that was corrected."""
    gone, corrected = pending_account(), pending_account()
    gone_link, corrected_link = link_to(gone), link_to(corrected)
    departed(gone)
    address_corrected(corrected)
    with_mailbox = active_account()
    redirection = choose_redirection(account=with_mailbox, target="ailleurs@exemple.net", keep_copy=True)
    deadline = redirection_link.deadline(timezone.now())
    other_purpose = reverse("activation-link", args=[redirection_link.token(with_mailbox, deadline, redirection.pk)])
    good = link_to(pending_account())

    bad = [gone_link, corrected_link, other_purpose, good[:-3] + "/", "/activation/abc/", good.lower()]
    pages = {normalised_answer(Client().get(link), link) for link in bad}

    assert len(pages) == 1
    assert pages.pop().status == 404


def test_hostile_tokens_get_a_page_and_change_nothing(client):
    """INP-01, F7: the TOKEN pack."""
    person = pending_account()
    valid = link_to(person).split("/")[-2]
    before = everything_about(person)

    for number, line in enumerate(TOKEN):
        made = {"VALID[:-1]": valid[:-1], "VALID.swapcase()": valid.swapcase()}
        token = made.get(line, line.replace("VALID", valid, 1))
        for prefix in ("/activation/", "/redirection/"):
            response = client.get(f"{prefix}{token}/", follow=True, REMOTE_ADDR=f"198.51.100.{number}")
            assert response.status_code in {200, 400, 404, 405, 410}, (prefix, line[:30])

    assert everything_about(person) == before


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=120))
def test_whatever_stands_in_the_place_of_the_token_opens_nothing(text):
    """TOK-10."""
    with pytest.raises(LinkRefused):
        activation_link.open(text)


def test_too_many_bad_links_from_one_client_are_slowed_for_that_client_only(client):
    """TOK-10: 30 in a minute, then 429; others still open theirs."""
    person = pending_account()

    answers = [client.get(f"/activation/faux-{number}/").status_code for number in range(31)]
    slowed = client.get(link_to(person))
    elsewhere = Client(REMOTE_ADDR="198.51.100.7").get(link_to(person))

    assert answers[:30] == [404] * 30
    assert slowed.status_code == 429
    assert int(slowed["Retry-After"]) > 0
    assert "Trop de demandes" in slowed.content.decode()
    assert elsewhere.status_code == 302


def test_the_link_without_its_last_slash_still_opens(client):
    """TOK-11: people lose the end of what they copy."""
    response = client.get(link_to(pending_account()).rstrip("/"), follow=True)

    assert response.status_code == 200
