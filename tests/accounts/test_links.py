"""Links in mails: until when, for which account and purpose, and where their secret is not stored."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from time_machine import travel

from accounts.links.account_links import not_me_link, password_reset_link, recovery_address_link
from accounts.links.signed_link import InvalidLink, LinkExpired, SignedLink
from accounts.models import Account, Session
from activation.enums import LinkRequestKind
from activation.links import activation_link, reactivation_link, reminders_link
from activation.services import request_link
from mailrouting.links import redirection_link
from mailrouting.services import choose_redirection
from tests.accounts.recovery.recovering import change_to, wish
from tests.activation.wizard.client import everything_stored
from tests.factories import active_account, pending_account, reloaded
from tests.locking import unlocked_account
from tests.signing_in import browser_of, is_signed_in

pytestmark = pytest.mark.django_db


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Issued at, last valid second: the tables of TOK-04 and TOK-03.
DEADLINES = [
    ("2026-03-28 22:59:59", "2026-03-29 21:59:59"),
    ("2026-03-28 23:30:00", "2026-03-30 21:59:59"),
    ("2026-03-29 00:59:59", "2026-03-30 21:59:59"),
    ("2026-10-23 22:30:00", "2026-10-25 22:59:59"),
    ("2026-10-24 08:00:00", "2026-10-25 22:59:59"),
    ("2026-10-25 00:30:00", "2026-10-26 22:59:59"),
    ("2026-10-25 01:30:00", "2026-10-26 22:59:59"),
    ("2026-06-09 22:00:00", "2026-06-11 21:59:59"),
    ("2026-06-10 21:59:59", "2026-06-11 21:59:59"),
    ("2026-12-31 10:00:00", "2027-01-01 22:59:59"),
    ("2028-02-28 10:00:00", "2028-02-29 22:59:59"),
]


@pytest.fixture(params=["UTC", "Europe/Paris"])
def time_zone_of_the_server(request, monkeypatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def token_for(person: Account, issued: datetime | None = None) -> str:
    return activation_link.token(person, activation_link.deadline(issued or timezone.now()))


def path_of(token: str, link: SignedLink = activation_link) -> str:
    return reverse(link.url_name, args=[token])


class TestDeadline:
    def test_a_link_is_good_through_the_last_second_of_the_next_day(self, time_zone_of_the_server):
        """TOK-03, TOK-04: to the second, on both nights when clocks change, whatever the server's own time zone."""
        person = pending_account()
        for issued, last_second in DEADLINES:
            token, deadline = token_for(person, utc(issued)), utc(last_second)
            with travel(deadline + timedelta(milliseconds=999), tick=False):
                assert activation_link.open(token).deadline == deadline, issued
            with travel(deadline + timedelta(seconds=1), tick=False), pytest.raises(LinkExpired) as refused:
                activation_link.open(token)
            assert refused.value.deadline == deadline, issued
        assert len({token_for(person, utc(issued)) for issued, _last_second in DEADLINES}) == 7

    def test_a_link_made_by_a_clock_five_minutes_fast_is_good_and_one_from_the_future_is_not(self):
        """AVL-07: shortly before midnight the fast clock names a deadline one day later."""
        person = pending_account()
        with travel(utc("2026-06-10 21:58:30"), tick=False):
            assert activation_link.open(token_for(person, utc("2026-06-10 22:01:30"))).account == person
        now = utc("2026-06-10 21:30:00")
        for ahead in (timedelta(hours=1), timedelta(days=1), timedelta(days=400)):
            with travel(now, tick=False), pytest.raises(InvalidLink):
                activation_link.open(token_for(person, now + ahead))


class TestSecret:
    def test_ten_thousand_tokens_are_all_different(self):
        """TOK-01, TOK-11: each with a signature of 256 bits, in letters that mail software leaves alone."""
        deadline = utc("2026-06-11 21:59:59")
        people = [Account(pk=number, recovery_address="camille@exemple.net") for number in range(1, 10_001)]
        for person in people:
            person.lock_count = 0
        tokens = {activation_link.token(person, deadline) for person in people}
        assert len(tokens) == len({token[-43:] for token in tokens}) == 10_000
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{97}", token) for token in tokens)

    def test_the_secret_is_stored_nowhere(self, mail_delivery, django_capture_on_commit_callbacks, caplog):
        """TOK-01: not in a table, a session, Redis or a log; before its link was opened and after it."""
        with django_capture_on_commit_callbacks(execute=True):
            request_link(login=pending_account().login, wish=LinkRequestKind.FIRST_CONNECTION)
        link = mail_delivery.last_link()
        [token] = re.findall(r"[\w-]{97}", link)
        assert token not in caplog.text + everything_stored()
        assert Client().get(link, follow=True).status_code == 200
        sessions = [session.get_decoded() for session in Session.objects.all()]
        assert token not in caplog.text + everything_stored() + str(sessions)


class TestPurposeAndPerson:
    def test_a_token_opens_nothing_but_its_own_page(self):
        """TOK-02: a good token of every purpose at every page gets the answer to a made-up one; the signature decides."""
        person, pending = active_account(), pending_account()
        redirection = choose_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        wished, entry = wish(active_account()), change_to(active_account())
        about = {
            activation_link: (pending, 0),
            reminders_link: (pending, 0),
            reactivation_link: (unlocked_account(), 0),
            redirection_link: (person, redirection.pk),
            password_reset_link: (person, password_reset_link.subject(person)),
            recovery_address_link: (reloaded(wished.account), wished.pk),
            not_me_link: (reloaded(entry.account), entry.pk),
        }
        kinds = set(map(type, about))
        assert kinds == set(SignedLink.__subclasses__())
        assert len({link.purpose for link in kinds}) == len({link.url_name for link in kinds}) == len(kinds)
        for (link, (owner, subject)), (number, page) in product(about.items(), enumerate(about)):
            token = link.token(owner, link.deadline(timezone.now()), subject)
            answer = Client(REMOTE_ADDR=f"198.51.100.{number}").get(path_of(token, page))
            assert answer.status_code == (302 if page is link else 404), (link, page)
            if page is not link:
                with pytest.raises(InvalidLink):
                    page.read(token)

    def test_a_token_that_was_changed_cut_or_recombined_is_refused(self):
        """TOK-02: cut; another account or deadline under a good signature. Other changes: `test_altered_link_is_refused`."""
        one, other = token_for(pending_account()), token_for(pending_account())
        later = token_for(pending_account(), timezone.now() + timedelta(days=1))
        forged = [one[:length] for length in (0, 1, 53, 54, 96)]
        forged += [one[:54] + other[54:], other[:54] + one[54:], later[:54] + one[54:], one[54:] + one[:54]]
        for token in forged:
            with pytest.raises(InvalidLink):
                activation_link.open(token)


class TestGuessing:
    def test_thirty_bad_tokens_in_a_minute_are_enough_at_every_page(self):
        """TOK-10: then 429 with the time to wait. A good link opens even there: others share the address."""
        good = path_of(token_for(pending_account()))
        for number, link in enumerate(SignedLink.__subclasses__()):
            bad, address = reverse(link.url_name, args=["A" * 97]), f"203.0.113.{number}"
            answers = [Client().get(bad, REMOTE_ADDR=address) for _ in range(31)]
            assert [answer.status_code for answer in answers] == [404] * 30 + [429], link
            assert 1 <= int(answers[30]["Retry-After"]) <= 61
            assert answers[30]["Referrer-Policy"] == "no-referrer"
            assert Client().get(good, REMOTE_ADDR=address).status_code == 302

    def test_what_mail_software_appends_does_no_harm(self):
        """TOK-11, TOK-09: trackers in the query and punctuation after it. No other address reveals this one."""
        path = path_of(token_for(pending_account()))
        assert Client().get(f"{path}?utm_source=x&fbclid=y").status_code == 302
        appended = ". > ) %3E %20 %C2%A0%C2%BB = ), ; '/ _ ** &gt; %22&#62; =20"
        for tail in appended.split():
            first = Client().get(path + tail)
            assert (first["Location"], first["Referrer-Policy"]) == (path, "no-referrer"), tail
            assert Client().get(path + tail, follow=True).status_code == 200, tail
        for tail in (".", "%3E", ")"):
            assert Client().get(path.rstrip("/") + tail, follow=True).status_code == 404, tail
        for elsewhere in (f"/nulle-part{path}", f"/{path}.", f"/en/en{path}.", f"{path}a/"):
            answer = Client().get(elsewhere)
            assert (answer.status_code, answer["Referrer-Policy"]) == (404, "no-referrer"), elsewhere


def test_a_new_key_keeps_links_and_sessions_only_with_the_old_one_as_fallback(settings):
    """TOK-12: without a 5xx."""
    token, browser = token_for(pending_account()), browser_of(active_account())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "b" * 60, [settings.SECRET_KEY]
    assert token_for(activation_link.open(token).account) != token
    assert is_signed_in(browser)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "c" * 60, []
    assert Client().get(path_of(token)).status_code == 404
    assert not is_signed_in(browser)
