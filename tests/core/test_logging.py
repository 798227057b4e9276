"""What the log says, how, and what it never says (LOG-01, LOG-02)."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from config import error_views
from core.logging import JsonFormatter, TextFormatter
from core.request_context import RequestContext, use_request_context
from core.security_log import log_security_event
from hr_feed.importer import import_feed
from journal.events import Event
from journal.services import record_event
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import N

TOKEN = "Ab3-" * 24 + "x"
WEB = RequestContext("web", "198.51.100.42", "Firefox (Linux)", "0123456789abcdef0123456789abcdef")
Lines = Callable[..., list[dict[str, Any]]]


@contextmanager
def written(formatter: logging.Formatter, level: int = logging.DEBUG) -> Iterator[io.StringIO]:
    """What is logged inside, as a process in production writes it."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(stream), root.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@pytest.fixture
def raw() -> Iterator[io.StringIO]:
    with written(JsonFormatter()) as stream:
        yield stream


@pytest.fixture
def log(raw) -> Lines:
    """The events so far, or the lines of one event; "log" is that of the libraries' own messages."""

    def lines(event: str = "") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in raw.getvalue().splitlines()]
        return [line for line in found if (line["event"] == event if event else line["event"] != "log")]

    return lines


class TestLines:
    def test_an_event_says_when_what_who_from_where_and_how_it_ended(self, time_machine, log):
        """LOG-02: in UTC, with the response's reference, by which all lines of one request are found."""
        time_machine.move_to("2026-07-01T23:59:59.5+02:00", tick=False)
        with use_request_context(WEB):
            log_security_event("authn_login_fail", outcome="failure", account=17, actor=None)
        [line] = log()
        assert line == {
            "time": "2026-07-01T21:59:59.500Z",
            "level": "WARNING",
            "logger": "core.security_log",
            "event": "authn_login_fail",
            "request_id": WEB.request_id,
            "outcome": "failure",
            "source": "web",
            "client_address": "198.51.100.42",
            "account": 17,
            "actor": None,
        }

    def test_no_text_forges_a_line(self, raw):
        """LOG-02: whatever the pack holds, one line, printable."""
        for nasty in N.values():
            logging.getLogger("x").warning("Not Found: %s", f"/{nasty}/")
            log_security_event("x", outcome="failure", reason=nasty)
        text = raw.getvalue()
        assert all(" " <= sign <= "~" for sign in text.replace("\n", ""))
        assert [json.loads(line)["event"] for line in text.splitlines()] == ["log", "x"] * len(N)

    def test_secrets_and_addresses_are_masked_wherever_they_stand(self, raw):
        """LOG-02, TOK-09: in a message, a fact, an exception and its cause; names of machines are kept."""
        try:
            try:
                raise OSError(f"no route to camille@exemple.net via {TOKEN}")
            except OSError as cause:
                raise ValueError(f"/activation/{TOKEN}/ of camille@exemple.net\nborn 1984-02-29") from cause
        except ValueError:
            logging.getLogger("x").exception("%s %s", TOKEN, "<Camille.Durand@univ-exemple.fr>")
            # Celery writes the traceback, with values, into the message.
            logging.getLogger("x").exception("Task a[1] raised unexpected: x\nTraceback: 1984")
        log_security_event("x", outcome="failure", reason=f"{TOKEN} camille@exemple.net")
        # Django hangs the whole request on its records.
        request = RequestFactory().post("/connexion/", {"password": "canary-password"})
        logging.getLogger("django.request").error("Failed", extra={"request": request, "status_code": 500})
        logging.getLogger("x").info("celery@worker1 ready; redis://:**@redis:6379/0 is away")
        for canary in (TOKEN.lower(), "camille", "1984", "canary", "status_code"):
            assert canary not in raw.getvalue().lower()
        first, second, *_, last = (json.loads(line) for line in raw.getvalue().splitlines())
        assert first["exception"] == ["ValueError: /activation/…/ of …@…", "OSError: no route to …@… via …"]
        assert any("test_logging.py" in frame for frame in first["trace"])
        assert second["message"] == "Task a[1] raised unexpected: x"
        assert last["message"] == "celery@worker1 ready; redis://:**@redis:6379/0 is away"

    def test_developers_read_text_without_the_secret_of_a_link_and_libraries_log_no_tickets(self, log):
        """TOK-09, LOG-02: LOG_LEVEL=DEBUG does not reach them."""
        for name in ["authlib.oauth2", "cas", "requests", "urllib3.connectionpool"]:
            logging.getLogger(name).debug("GET /serviceValidate?ticket=ST-1")
            logging.getLogger(name).info("the same")
        assert log("log") == []
        with written(TextFormatter()) as stream:
            log_security_event("authn_login_success", outcome="success", account=17)
            try:
                raise ValueError(f"Not Found: /activation/{TOKEN}/")
            except ValueError:
                logging.getLogger("x").exception("failed")
        text = stream.getvalue()
        for words in (
            "INFO core.security_log authn_login_success outcome=success",
            "Not Found: /activation/…/",
            "Traceback",
        ):
            assert words in text
        assert TOKEN not in text


@pytest.mark.django_db
def test_an_error_of_the_database_does_not_quote_the_row(raw):
    """LOG-02: PostgreSQL quotes the whole row, with name and date of birth, or the key, an address."""
    person = pending_account(family_name="Canari", birth_date=date(1977, 7, 7), ine="1234567890A")
    for change in ({"institutional_address": "CANARI@univ-exemple.fr"}, {"uid": active_account().uid}):
        try:
            with transaction.atomic():
                Account.objects.filter(pk=person.pk).update(**change)
        except IntegrityError as error:
            logging.getLogger("x").exception("Task x[1] raised unexpected: %r", error)
    text = raw.getvalue()
    assert text.count("IntegrityError") >= 2
    for canary in ("canari", "1977", "1234567890A", person.uid, person.recovery_address):
        assert canary.lower() not in text.lower()


@pytest.mark.django_db
class TestJournal:
    def test_each_committed_entry_is_a_line(self, log, django_capture_on_commit_callbacks):
        """LOG-01, LOG-03: not before the commit, and never after a rollback."""
        agent, person = active_account(is_staff=True), active_account()
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            record_event(account=person, event=Event.LINK_REQUESTED)
            transaction.set_rollback(True)
        with use_request_context(WEB), django_capture_on_commit_callbacks(execute=True):
            lock_account(account=person, reason=LockReason.PHISHING, actor=agent)
            assert log() == []
        [line] = log(Event.LOCKED)
        assert (line["account"], line["actor"], line["outcome"]) == (person.pk, agent.pk, "success")
        assert (line["client_address"], line["request_id"]) == (WEB.client_address, WEB.request_id)
        assert (log(Event.LINK_REQUESTED), person.journal.filter(event=Event.LINK_REQUESTED).count()) == ([], 0)

    def test_details_stay_in_the_journal(self, log, raw, django_capture_on_commit_callbacks):
        """LOG-02: of all events, since they name addresses."""
        person = pending_account()
        with django_capture_on_commit_callbacks(execute=True):
            for event in Event:
                record_event(account=person, actor=person, event=event, address="canari@exemple.net", reason="canary")
        assert [line["event"] for line in log()] == Event.values
        assert "canar" not in raw.getvalue()

    def test_an_import_is_one_line_for_each_kind_of_event(self, log, django_capture_on_commit_callbacks):
        """LOG-01, LOG-02: the journal has the accounts one by one."""
        header = "hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date\n"
        rows = "".join(f"C{n};Canari;Zoé;1977-07-07;staff;Univ;c{n}@exemple.net;2026-09-01\n" for n in range(3))
        with django_capture_on_commit_callbacks(execute=True):
            import_feed(io.BytesIO((header + rows).encode()))
        [line] = log(Event.USER_CREATED)
        assert (line["accounts"], line["source"]) == (3, "command")
        assert Account.objects.filter(hr_id__startswith="C").count() == 3


@pytest.mark.django_db(transaction=True)
def test_both_sign_ins_are_logged_with_the_reference_of_the_response(log):
    """LOG-01, LOG-02: a failure as a warning."""
    person, page = active_account(), reverse("login")
    failure = Client().post(page, {"login": person.login, "password": "canary-password-1"})
    success = Client().post(page, {"login": person.login, "password": A_GOOD_PASSWORD})
    lines = [line for line in log() if line["event"] in (Event.SIGN_IN_FAILED, Event.SIGNED_IN)]
    facts = [tuple(line[name] for name in ("event", "level", "outcome", "request_id", "account")) for line in lines]
    assert facts == [
        (Event.SIGN_IN_FAILED, "WARNING", "failure", failure["X-Request-Id"], person.pk),
        (Event.SIGNED_IN, "INFO", "success", success["X-Request-Id"], person.pk),
    ]
    assert "canary" not in str(log()) + str(log("log"))


@pytest.mark.django_db
def test_refusals_that_no_journal_holds_are_logged_by_page_and_account_number(log, time_machine):
    """LOG-01: a limit, a forged form, a forbidden page, a bad request, an expired session; nothing typed is quoted."""
    time_machine.move_to("2026-09-07T10:00:00+02:00", tick=False)
    for _ in range(31):
        Client().get(reverse("activation-link", args=["A" * 97]))
    [line] = log("excess_rate_limit_exceeded")
    assert (line["limit"], line["outcome"], line["client_address"]) == ("bad-links", "failure", "127.0.0.1")

    person, browser = active_account(), Client(enforce_csrf_checks=True)
    browser.force_login(person)
    browser.post(reverse("account-password"), {"password": "canary-password-1"})
    Client(enforce_csrf_checks=True).post(reverse("login"))
    facts = [(line["page"], line["account"]) for line in log("malicious_csrf")]
    assert facts == [("account-password", person.pk), ("login", None)]

    request = RequestFactory().get("/interdit/")
    request.user = person
    assert error_views.permission_denied(request, PermissionDenied()).status_code == 403
    [line] = log("authz_fail")
    assert (line["account"], line["page"]) == (person.pk, None)

    assert error_views.bad_request(HttpRequest(), SuspiciousOperation("canary")).status_code == 400
    [line] = log("input_validation_fail")
    assert line["reason"] == "SuspiciousOperation"

    time_machine.shift(31 * 60)
    browser.get(reverse("account"))
    assert [line["account"] for line in log("session_expired")] == [person.pk]
    assert SESSION_KEY not in browser.session
    assert "canary" not in str(log())
