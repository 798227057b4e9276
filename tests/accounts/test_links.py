"""Links in mails: until when, for which account and purpose, and where their secret is not stored."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
import redis
import time_machine
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links.account_links import not_me_link, password_reset_link, recovery_address_link
from accounts.links.signed_link import InvalidLink, LinkExpired, LinkUsed, SignedLink
from accounts.models import Account, Session
from activation.enums import LinkRequestKind
from activation.links import activation_link, reactivation_link, reminders_link
from activation.services import request_link
from config.celery import app
from mailrouting.links import redirection_link
from mailrouting.models import Redirection
from mailrouting.services import choose_redirection
from outbox.enums import Kind
from outbox.services import queue_email
from tests.accounts.recovery.recovering import change_to, end_lock, lock, wish
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account, reloaded
from tests.fuzz import TOKEN
from tests.locking import unlocked_account
from tests.memory import clear_redis
from tests.normalised import normalised_answer
from tests.signing_in import is_signed_in

pytestmark = pytest.mark.django_db

PARIS = ZoneInfo("Europe/Paris")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


# Issued at, last valid second: the tables of TOK-04 and TOK-03.
DEADLINES = [
    (utc("2026-03-28 09:00:00"), utc("2026-03-29 21:59:59")),
    (utc("2026-03-28 22:59:59"), utc("2026-03-29 21:59:59")),
    (utc("2026-03-28 23:30:00"), utc("2026-03-30 21:59:59")),
    (utc("2026-03-29 00:59:59"), utc("2026-03-30 21:59:59")),
    (utc("2026-03-29 01:00:00"), utc("2026-03-30 21:59:59")),
    (utc("2026-10-23 22:30:00"), utc("2026-10-25 22:59:59")),
    (utc("2026-10-24 08:00:00"), utc("2026-10-25 22:59:59")),
    (utc("2026-10-25 00:30:00"), utc("2026-10-26 22:59:59")),
    (utc("2026-10-25 01:30:00"), utc("2026-10-26 22:59:59")),
    (utc("2026-10-25 22:30:00"), utc("2026-10-26 22:59:59")),
    (paris("2026-06-10 00:00:00"), utc("2026-06-11 21:59:59")),
    (paris("2026-06-10 12:00:00"), utc("2026-06-11 21:59:59")),
    (paris("2026-06-10 23:59:59"), utc("2026-06-11 21:59:59")),
    (utc("2026-12-31 10:00:00"), utc("2027-01-01 22:59:59")),
    (utc("2028-02-28 10:00:00"), utc("2028-02-29 22:59:59")),
]


@pytest.fixture
def process_in_paris(monkeypatch) -> Iterator[None]:
    """Tests run in UTC otherwise."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def token_for(person: Account, issued: datetime | None = None) -> str:
    return activation_link.token(person, activation_link.deadline(issued or timezone.now()))


def path_of(link: SignedLink, token: str) -> str:
    return reverse(link.url_name, args=[token])


def person_with_redirection() -> tuple[Account, Redirection]:
    person = active_account()
    return person, choose_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)


def good_links() -> dict[SignedLink, tuple[Account, datetime, int]]:
    """What a good token of each purpose is made of."""
    person, pending, released = active_account(), pending_account(), unlocked_account()
    forwarding, redirection = person_with_redirection()
    wished = wish(active_account())
    entry = change_to(active_account())
    about = {
        activation_link: (pending, 0),
        reminders_link: (pending, 0),
        reactivation_link: (released, 0),
        redirection_link: (forwarding, redirection.pk),
        password_reset_link: (person, password_reset_link.subject(person)),
        recovery_address_link: (reloaded(wished.account), wished.pk),
        not_me_link: (reloaded(entry.account), entry.pk),
    }
    return {link: (owner, link.deadline(timezone.now()), subject) for link, (owner, subject) in about.items()}


def redirection_token(person: Account, redirection: Redirection) -> str:
    return redirection_link.token(person, redirection_link.deadline(timezone.now()), redirection.pk)


class TestDeadline:
    @pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
    def test_a_link_is_good_through_the_last_second_of_the_next_day(self, zone, request):
        """TOK-03, TOK-04: to the second, on both nights when clocks change, whatever the server's own time zone."""
        if zone == "Europe/Paris":
            request.getfixturevalue("process_in_paris")
        pending, (forwarding, redirection) = pending_account(), person_with_redirection()
        for issued, last_second in DEADLINES:
            with at(issued):
                tokens = {
                    activation_link: token_for(pending),
                    redirection_link: redirection_token(forwarding, redirection),
                }
            for link, token in tokens.items():
                for late in (timedelta(0), timedelta(milliseconds=999)):
                    with at(last_second + late):
                        assert link.open(token).deadline == last_second, issued
                with at(last_second + timedelta(seconds=1)), pytest.raises(LinkExpired) as refused:
                    link.open(token)
                assert refused.value.deadline == last_second, issued
        first, last = paris("2026-06-10 00:00:00"), paris("2026-06-10 23:59:59")
        assert token_for(pending, first) == token_for(pending, last) != token_for(pending, last + timedelta(seconds=1))


class TestClocks:
    """AVL-07"""

    def test_a_link_made_by_a_clock_five_minutes_fast_is_good_and_one_from_the_future_is_not(self):
        """AVL-07: shortly before midnight the fast clock names a deadline one day later; one set back moves none."""
        person = pending_account()
        with at(paris("2026-06-10 23:58:30")):
            assert activation_link.open(token_for(person, paris("2026-06-11 00:01:30"))).account == person
        now = paris("2026-06-10 23:30:00")
        for ahead in (timedelta(hours=1), timedelta(days=1), timedelta(days=400)):
            with at(now), pytest.raises(InvalidLink):
                activation_link.open(token_for(person, now + ahead))
        with at(utc("2026-06-10 09:58:30")):
            opened = activation_link.open(token_for(person, utc("2026-06-10 10:00:00")))
        assert opened.deadline == utc("2026-06-11 21:59:59")


class TestSecret:
    def test_ten_thousand_tokens_are_all_different(self):
        """TOK-01, TOK-11: each with a signature of 256 bits, in letters that mail software leaves alone."""
        deadline = utc("2026-06-11 21:59:59")
        people = [Account(pk=number, recovery_address="camille@exemple.net") for number in range(1, 10_001)]
        for person in people:
            person.lock_count = 0
        tokens = {activation_link.token(person, deadline) for person in people}
        assert len(tokens) == 10_000
        assert len({token[-43:] for token in tokens}) == 10_000
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{97}", token) for token in tokens)
        url = activation_link.url(people[-1], deadline)
        assert len(url.removeprefix(settings.PORTAL_URL)) <= 150

    def test_the_secret_is_stored_nowhere(self, mail_delivery, django_capture_on_commit_callbacks, caplog):
        """TOK-01: not in a table, in Redis or in a log; before the mail, after it, and once its link was opened."""
        declare_queues()
        person = pending_account()
        with django_capture_on_commit_callbacks(execute=True):
            request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
            queue_email(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr")
        assert task_arguments(), "the broker holds no task"
        assert all(isinstance(argument, int) for argument in task_arguments())
        with django_capture_on_commit_callbacks(execute=True):
            links = [mail_delivery.last_link()]
            person_with_redirection()
            links.append(mail_delivery.last_link())
        for link in links:
            [token] = re.findall(r"[\w-]{97}", link)
            assert_nowhere(token, caplog.text)
            assert Client().get(link, follow=True).status_code == 200
            assert_nowhere(token, caplog.text)


class TestPurposeAndPerson:
    def test_a_token_opens_nothing_but_its_own_page(self):
        """TOK-02: a good token of every purpose at every page gets the answer to a made-up one; the signature decides."""
        tokens = {type(link): link.token(*facts) for link, facts in good_links().items()}
        links = SignedLink.__subclasses__()
        assert set(tokens) == set(links)
        assert len({link.purpose for link in links}) == len({link.url_name for link in links}) == len(links)
        for (purpose, token), page in product(tokens.items(), tokens):
            wanted = 302 if page is purpose else 404
            client = Client(REMOTE_ADDR=f"198.51.100.{list(tokens).index(page)}")
            assert client.get(reverse(page.url_name, args=[token])).status_code == wanted, (purpose, page)
            if page is not purpose:
                with pytest.raises(InvalidLink):
                    page().read(token)

    def test_a_token_that_was_changed_cut_or_recombined_is_refused(self):
        """TOK-02: any one character; another account or deadline under a good signature."""
        one, other = token_for(pending_account()), token_for(pending_account())
        later = token_for(pending_account(), timezone.now() + timedelta(days=1))
        forged = [
            one[:position] + ("A" if character != "A" else "B") + one[position + 1 :]
            for position, character in enumerate(one)
        ]
        forged += [one[:length] for length in (0, 1, 53, 54, 96)]
        forged += [one[:54] + other[54:], other[:54] + one[54:], later[:54] + one[54:], one[54:] + one[:54]]
        for token in forged:
            with pytest.raises(InvalidLink):
                activation_link.open(token)

    def test_a_redirection_link_verifies_its_own_address_only(self):
        """TOK-02, FWD-01: neither the next address of its account nor the address of another account."""
        (person, redirection), (_, of_another) = person_with_redirection(), person_with_redirection()
        forged = redirection_link.token(person, redirection_link.deadline(timezone.now()), of_another.pk)
        assert Client().get(path_of(redirection_link, forged), follow=True).status_code == 404
        token = redirection_token(person, redirection)
        choose_redirection(account=person, target="encore.ailleurs@exemple.org", keep_copy=True)
        with pytest.raises(InvalidLink):
            redirection_link.open(token)


class TestOutcomes:
    def test_refusals_that_could_reveal_an_account_are_one_page(self):
        """TOK-10: malformed, made up, of another purpose, of no account, of a departed account."""
        person, redirection = person_with_redirection()
        departed = pending_account(end_date=timezone.localdate() - timedelta(days=1))
        deleted = pending_account()
        token_of_deleted = token_for(deleted)
        deleted.delete()
        tokens = ["x", "A" * 97, redirection_token(person, redirection), token_for(departed), token_of_deleted]
        paths = [path_of(activation_link, token) for token in tokens]
        [page] = {normalised_answer(Client().get(path), path) for path in paths}
        assert page.status == 404

    def test_a_change_of_the_state_revokes_the_link(self, django_assert_num_queries):
        """TOK-06, TOK-07, HLP-01: an address corrected or disputed; a lock, even once it is released."""

        def lock_and_unlock(person: Account) -> None:
            lock(person)
            end_lock(person)

        def update(**facts: object) -> Callable[[Account], object]:
            return lambda person: Account.objects.filter(pk=person.pk).update(**facts)

        now = timezone.now()
        for change, refusal in (
            (update(recovery_address="corrigee@exemple.net"), InvalidLink),
            (update(recovery_address_disputed_at=now), InvalidLink),
            (lock_and_unlock, InvalidLink),
            (update(activated_at=now, charter_accepted_at=now, password=make_password(A_GOOD_PASSWORD)), LinkUsed),
        ):
            person = pending_account()
            token = token_for(person)
            with django_assert_num_queries(1) as captured:
                activation_link.open(token)
            assert captured[0]["sql"].startswith("SELECT")
            assert "FOR UPDATE" not in captured[0]["sql"]
            change(person)
            with pytest.raises(refusal):
                activation_link.open(token)


class TestGuessing:
    def test_thirty_bad_tokens_in_a_minute_are_enough_at_every_page(self):
        """TOK-10: then 429 with the time to wait; a good link opened from another client still works."""
        good = path_of(activation_link, token_for(pending_account()))
        for number, link in enumerate(SignedLink.__subclasses__()):
            bad, address = reverse(link.url_name, args=["A" * 97]), f"203.0.113.{number}"
            answers = [Client().get(bad, REMOTE_ADDR=address) for _ in range(31)]
            assert [answer.status_code for answer in answers] == [404] * 30 + [429], link
            assert 1 <= int(answers[30]["Retry-After"]) <= 61
            assert answers[30]["Referrer-Policy"] == "no-referrer"
            assert Client().get(good, REMOTE_ADDR=address).status_code == 429
        assert Client().get(good, REMOTE_ADDR="203.0.113.200").status_code == 302

    def test_no_token_breaks_a_page(self):
        """TOK-02, TOK-11, INP-01: the TOKEN pack at every page."""
        valid = token_for(pending_account())
        for link in SignedLink.__subclasses__():
            prefix = reverse(link.url_name, args=["x"]).removesuffix("x/")
            for number, hostile_token in enumerate(hostile_tokens(valid)):
                for path in (prefix + hostile_token, prefix + hostile_token + "/"):
                    response = Client().get(path, REMOTE_ADDR=f"198.51.100.{number}")
                    assert response.status_code in {200, 301, 302, 400, 404, 405, 410}, (path[:120], response)
                    assert "Set-Cookie: a=b" not in str(response.headers)
            clear_redis()

    def test_what_mail_software_appends_does_no_harm(self):
        """TOK-11, TOK-09: trackers in the query and punctuation after the link are ignored. Without the last slash the
        page says what to check. No other address reveals this one."""
        path = path_of(activation_link, token_for(pending_account()))
        assert Client().get(f"{path}?utm_source=x&fbclid=y").status_code == 302
        for tail in (".", ">", ")", "%3E", "%20", "%C2%A0%C2%BB", "=", "),", ";", "'/"):
            first = Client().get(path + tail)
            assert (first["Location"], first["Referrer-Policy"]) == (path, "no-referrer"), tail
            assert Client().get(path + tail, follow=True).status_code == 200, tail
        for tail in (".", "%3E", ")"):
            answer = Client().get(path.rstrip("/") + tail, follow=True)
            assert answer.status_code == 404
            assert "activation/link_not_valid.html" in [template.name for template in answer.templates]
        for elsewhere in (f"/nulle-part{path}", f"/{path}.", f"/en/en{path}.", f"{path}a/"):
            answer = Client().get(elsewhere)
            assert (answer.status_code, answer["Referrer-Policy"]) == (404, "no-referrer"), elsewhere


class TestKeys:
    def test_a_new_key_keeps_links_and_sessions_only_with_the_old_one_as_fallback(self, settings, client):
        """TOK-12: without a 5xx."""
        token = token_for(pending_account())
        client.force_login(active_account())
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "b" * 60, [settings.SECRET_KEY]
        assert token_for(activation_link.open(token).account) != token
        assert is_signed_in(client)
        client.force_login(active_account())
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "c" * 60, []
        assert Client().get(path_of(activation_link, token)).status_code == 404
        assert client.get(reverse("account")).status_code == 302


def hostile_tokens(valid: str) -> Iterator[str]:
    """The TOKEN pack, with VALID replaced by a real token."""
    middle = len(valid) // 2
    other = "A" if valid[middle] != "A" else "B"
    made = {
        "VALID[:-1]": valid[:-1],
        "VALID with one character changed": valid[:middle] + other + valid[middle + 1 :],
        "VALID.swapcase()": valid.swapcase(),
        "token signed with a retired key": "retired" * 14,
    }
    for token in TOKEN:
        yield made.get(token, token.replace("VALID", valid).replace(" ", "%20"))


def declare_queues() -> None:
    """Clearing Redis between tests deletes the queues that this process has declared."""
    with app.connection_for_write() as broker:
        for name in ("urgent", "bulk"):
            app.amqp.queues[name](broker.default_channel).declare()


def task_arguments() -> list[object]:
    """The arguments of every task in the broker."""
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        waiting = [json.loads(task) for queue_name in ("urgent", "bulk") for task in broker.lrange(queue_name, 0, -1)]
    bodies = [json.loads(base64.b64decode(task["body"])) for task in waiting]
    return [argument for positional, named, _ in bodies for argument in (*positional, *named.values())]


def assert_nowhere(secret: str, log: str) -> None:
    assert secret not in log
    assert secret not in everything_in_the_database()
    for value in everything_in_redis():
        assert secret.encode() not in value
        assert base64.b64encode(secret.encode())[:-4] not in value


def everything_in_the_database() -> str:
    """Each row of each table as text, sessions decoded."""
    sessions = [str(session.get_decoded()) for session in Session.objects.all()]
    with connection.cursor() as cursor:
        rows = [row for table in connection.introspection.table_names() for row in rows_as_text(cursor, table)]
    assert len(rows) > 10
    return "\n".join(rows + sessions)


def rows_as_text(cursor, table: str) -> list[str]:
    cursor.execute(f'SELECT t::text FROM "{table}" t')
    return [row for (row,) in cursor.fetchall()]


def everything_in_redis() -> list[bytes]:
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        return [
            part for key in server.scan_iter() for part in (key, server.dump(key) or b"", *plain_value(server, key))
        ]


def plain_value(server: redis.Redis, key: bytes) -> list[bytes]:
    """The value itself: a dump is compressed."""
    kind = server.type(key)
    if kind == b"string":
        return [server.get(key) or b""]
    return [bytes(item) for item in server.lrange(key, 0, -1)] if kind == b"list" else []
