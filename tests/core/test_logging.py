"""What the journal and the log say, how, and what they never say (LOG-01 to LOG-03)."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth import SESSION_KEY
from django.db import IntegrityError, transaction
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.services import set_language
from activation.enums import LinkRequestKind
from activation.first_connection.services import answer_link_request
from activation.links import activation_link
from activation.services import complete_activation, dispute_recovery_address, request_link
from agents.roles import Role
from agents.staff.services import grant_role, withdraw_role
from assistance.services import create_request
from core.client_ip import device_name
from core.logging import JsonFormatter, TextFormatter
from core.request_context import RequestContext, use_request_context
from core.security_log import log_security_event
from journal.events import Event
from journal.models import JournalEntry
from journal.services import ALSO, record_event
from mailrouting.services import choose_redirection
from outbox.enums import Kind
from tests.accounts.recovery.recovering import ask, change_to, link_of, wish
from tests.activation.wizard.client import PASSWORD, answered_until, link_to
from tests.agents.signed_in import an_agent, enrol_device, submit_code, verified_agent, wrong_code
from tests.assistance.asking import request_data as asked_for
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account, reloaded
from tests.fuzz import N
from tests.hr_feed.hr_files import another, imported
from tests.locking import locked_account
from tests.signing_in import browser_of, submit_login

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0"
WRONG, ANOTHER_PASSWORD = "canary-password-1", "une-phrase-du-bureau-bleu"
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
        origin = {"source": "web", "client_address": "198.51.100.42", "request_id": WEB.request_id}
        what = {"logger": "core.security_log", "event": "authn_login_fail", "outcome": "failure", "level": "WARNING"}
        assert log() == [{"time": "2026-07-01T21:59:59.500Z", **what, **origin, "account": 17, "actor": None}]

    def test_no_text_forges_a_line(self, raw):
        """LOG-02: whatever the pack holds, one line, printable."""
        for nasty in (*N.values(), "\x7f"):
            logging.getLogger("x").warning("Not Found: %s", f"/{nasty}/")
            log_security_event("x", outcome="failure", reason=nasty)
        text = raw.getvalue()
        assert all(" " <= sign <= "~" for sign in text.replace("\n", ""))
        assert [json.loads(line)["event"] for line in text.splitlines()] == ["log", "x"] * (len(N) + 1)

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
        for words in ("INFO core.security_log authn_login_success outcome=success", "/activation/…/", "Traceback"):
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


@pytest.mark.django_db(transaction=True)
def test_an_entry_of_the_journal_is_a_line_once_it_is_committed(log):
    """LOG-01, LOG-03: never after a rollback. LOG-02: with the response's reference, without details."""
    agent, person = active_account(is_staff=True), active_account()
    with transaction.atomic():
        record_event(account=person, event=Event.LINK_REQUESTED)
        transaction.set_rollback(True)
    with use_request_context(WEB), transaction.atomic():
        lock_account(account=active_account(), reason=LockReason.PHISHING, actor=agent)
        assert log() == []
    [line] = log(Event.LOCKED)
    assert (line["actor"], line["outcome"]) == (agent.pk, "success")
    assert (line["client_address"], line["request_id"]) == (WEB.client_address, WEB.request_id)
    assert (log(Event.LINK_REQUESTED), person.journal.filter(event=Event.LINK_REQUESTED).count()) == ([], 0)
    before = len(log())
    with transaction.atomic():
        for event in Event:
            record_event(account=person, actor=person, event=event, address="canari@exemple.net", reason="canary")
    assert [line["event"] for line in log()[before:]] == Event.values
    imported(*(another(number) for number in range(3)))
    _recorded, line = log(Event.USER_CREATED)
    assert (line["accounts"], line["source"]) == (3, "command"), "one line an import"
    assert JournalEntry.objects.filter(event=Event.USER_CREATED).count() == 1 + 3
    assert not any(canary in str(log()) + str(log("log")) for canary in ("canar", "exemple.net"))


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
    facts = [(line["page"], line["account"], line["outcome"]) for line in log("malicious_csrf")]
    assert facts == [("account-password", person.pk, "failure"), ("login", None, "failure")]
    assert browser.get(reverse("admin:index")).status_code == 403
    [line] = log("authz_fail")
    assert (line["account"], line["page"], line["outcome"]) == (person.pk, "admin:index", "failure")
    assert Client(headers={"Host": "canary.example"}).get("/").status_code == 400
    [line] = log("input_validation_fail")
    assert (line["reason"], line["outcome"]) == ("DisallowedHost", "failure")
    time_machine.shift(31 * 60)
    browser.get(reverse("account"))
    assert [line["account"] for line in log("session_expired")] == [person.pk]
    assert SESSION_KEY not in browser.session
    assert "canary" not in str(log())


@pytest.mark.django_db
def test_an_entry_says_who_what_when_and_from_where(settings):
    """LOG-01, LOG-02: with the response's reference."""
    forwarded = {"User-Agent": FIREFOX, "X-Forwarded-For": "1.2.3.4, 203.0.113.9"}
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    person, before = active_account(), timezone.now()
    response = submit_login(Client(REMOTE_ADDR="10.0.0.1", headers=forwarded), person)
    entry = person.journal.get(event=Event.SIGNED_IN)
    assert entry.account == entry.actor == person
    assert before <= entry.at <= timezone.now()
    assert (entry.source, entry.client_address, entry.device) == ("web", "203.0.113.9", "Firefox (Linux)")
    assert (entry.request_id, len(entry.request_id)) == (response["X-Request-Id"], 32)
    with use_request_context(WEB):
        asked = request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
    with use_request_context(RequestContext(source="worker")):
        answer_link_request(request_id=asked.pk)
    agent = active_account(is_staff=True)
    lock_account(account=person, reason=LockReason.PHISHING, actor=agent)
    entries = [person.journal.get(event=event) for event in (Event.LINK_REQUESTED, Event.LOCKED)]
    facts = [(entry.source, entry.client_address, entry.actor) for entry in entries]
    assert facts == [("worker", WEB.client_address, None), ("command", None, agent)]
    # Enough to recognise a device, too little to track its owner.
    for user_agent, device in {EDGE: "Edge (Windows)", "x" * 5000: "", "": "", "\x00<b>": ""}.items():
        assert device_name(RequestFactory().get("/", headers={"User-Agent": user_agent})) == device


@pytest.mark.django_db
def test_entry_and_change_are_committed_together_or_not_at_all(monkeypatch):
    """LOG-03, AVL-02: when a later statement fails, and when the entry cannot be written."""
    person = pending_account()
    answered_until(person, PASSWORD)
    before = person.journal.count()
    with suppress(InterruptedError), transaction.atomic():
        complete_activation(account=person, password=A_GOOD_PASSWORD)
        assert person.journal.count() > before
        raise InterruptedError
    assert person.journal.count() == before
    monkeypatch.setattr("accounts.services.record_event", Mock(side_effect=OSError("disk full")))
    with pytest.raises(OSError, match="disk full"), transaction.atomic():
        set_language(account=person, language="en")
    person = reloaded(person)
    assert (person.activated_at, person.language) == (None, "fr")


@pytest.fixture
def logged(raw, django_capture_on_commit_callbacks) -> Lines:
    """The lines of one event, or of all, that an act and its commit write, with their names in the vocabulary."""

    def lines(act: Callable[[], object], name: str = "") -> list[dict[str, Any]]:
        start = len(raw.getvalue())
        with django_capture_on_commit_callbacks(execute=True):
            act()
        found = [json.loads(line) for line in raw.getvalue()[start:].splitlines()]
        named = [{**line, "names": [line["event"], *line.get("also", "").split()]} for line in found]
        return [line for line in named if not name or name in line["names"]]

    return lines


@pytest.mark.django_db
def test_every_event_of_the_vocabulary_is_logged(logged):
    """LOG-01; LOG-02: accounts by number, and nothing that was typed. See above for other entries and refusals."""
    person, newcomer, agent, page = active_account(), pending_account(), an_agent(), reverse("account-password")
    browser, agents_browser, device = browser_of(active_account()), browser_of(agent), enrol_device(agent)
    typed = {"current_password": A_GOOD_PASSWORD, "password": ANOTHER_PASSWORD}
    mistyped = {**typed, "current_password": WRONG}
    flows = {
        "authn_login_success session_created": lambda: submit_login(Client(), person),
        "authn_login_fail authn_login_fail_max": lambda: [submit_login(Client(), person, WRONG) for _ in range(6)],
        "authn_login_lock authn_token_revoked": locked_account,
        "authn_password_change_fail": lambda: browser.post(page, mistyped),
        "authn_password_change_self authn_token_revoked": lambda: browser.post(page, typed),
        "authn_otp_fail": lambda: submit_code(agents_browser, wrong_code(device)),
        "authn_token_created": lambda: activation_link.url(newcomer, activation_link.deadline(timezone.now())),
        "authn_token_revoked": lambda: dispute_recovery_address(account=newcomer),
        "sensitive_update authn_token_revoked": lambda: change_to(active_account()),
        "privilege_permissions_changed": lambda: grant_role(account=person, role=Role.LECTURE),
        "privilege_permissions_withdrawn privilege_permissions_changed": lambda: withdraw_role(account=person),
    }
    for names, flow in flows.items():
        lines = logged(flow)
        for name in names.split():
            outcomes = {(line["outcome"], line["level"]) for line in lines if name in line["names"]}
            assert outcomes == {("failure", "WARNING") if "_fail" in name else ("success", "INFO")}, name
        for canary in (WRONG, A_GOOD_PASSWORD, ANOTHER_PASSWORD, "@exemple", "@univ-exemple"):
            assert canary not in json.dumps(lines), names
    allowed = {"authn_token_revoked", "sensitive_update", Event.ROLE_GIVEN.value}
    assert {name for names in ALSO.values() for name in names.split()} <= allowed


@pytest.mark.django_db
def test_a_used_or_revoked_link_that_is_opened_is_logged_at_each_click(logged):
    """LOG-01, LOG-04: a stolen mail is tried after its owner has reacted. Unknown, expired and open links are not."""
    disputed, changing, active = pending_account(), active_account(), pending_account()
    links = {person: link_to(person) for person in (disputed, active)}
    links[changing] = link_of(wish(changing))
    dispute_recovery_address(account=disputed)
    wish(changing, "encore-une-autre@exemple.org")
    Account.objects.filter(pk=active.pk).update(activated_at=timezone.now(), charter_accepted_at=timezone.now())
    for person, purpose, why in [
        (disputed, "activation", "killed"),
        (changing, "recovery-address", "killed"),
        (active, "activation", "used"),
    ]:
        lines = logged(lambda link=links[person]: [Client().get(link) for _ in range(2)], "authn_token_reuse")
        facts = [(line["account"], line["purpose"], line["why"], line["outcome"]) for line in lines]
        assert facts == [(person.pk, purpose, why, "failure")] * 2
        assert links[person].split("/")[-2] not in json.dumps(lines)
    person = pending_account()
    old = link_to(person, built_at=timezone.now() - timedelta(days=5))
    others = [old, link_to(person), *(reverse("activation-link", args=[typed]) for typed in ("A" * 97, "court"))]
    assert logged(lambda: [Client().get(link) for link in others], "authn_token_reuse") == []


@pytest.mark.django_db
def test_a_mail_that_a_limit_holds_back_is_logged(logged, mail_delivery):
    """LOG-01, ENU-05, HLP-08: where the page says nothing, or not why."""

    def refusals(act: Callable[[], object]) -> list[tuple[str, int | None]]:
        return [(line["limit"], line["account"]) for line in logged(act, "excess_rate_limit_exceeded")]

    person, agent = pending_account(), an_agent()
    for _ in range(4):
        request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
    assert refusals(mail_delivery.deliver) == [("mails-new-link", person.pk)]
    assert person.messages.count() == 3
    acknowledged = [refusals(lambda: create_request(**asked_for())) for _ in range(3)]
    assert acknowledged == [[], [], [("mails-assistance-received", None)]]
    person = active_account()
    browser = browser_of(person)
    ask(browser)
    assert refusals(lambda: ask(browser)) == [(f"mails-{Kind.RECOVERY_VERIFICATION}", person.pk)]
    for refused in (0, 0, 0, 1):
        person = active_account()
        act = partial(choose_redirection, account=person, target="une-seule@exemple.org", keep_copy=True)
        assert refusals(act) == [(f"mails-{Kind.REDIRECTION_VERIFICATION}", person.pk)] * refused
    device, browser = enrol_device(agent), browser_of(agent)
    codes = refusals(lambda: [submit_code(browser, wrong_code(device)) for _ in range(4)])
    assert set(codes) == {("second-factor-codes", agent.pk)}


@pytest.mark.django_db
def test_an_agents_act_is_logged_by_the_name_of_the_page(logged):
    """LOG-01, ADM-05: even where nothing changes; a refusal is none. The words searched for are left out."""
    agent, browser = verified_agent()
    search = {"q": "camille.durand@univ-exemple.fr"}
    [line] = logged(lambda: browser.get(reverse("admin:accounts"), search), "authz_admin")
    assert (line["account"], line["page"], line["method"]) == (agent.pk, "admin:accounts", "GET")
    assert "camille" not in json.dumps(line)
    _agent, browser = verified_agent(Role.LECTURE)
    names = [line["event"] for line in logged(lambda: browser.get(reverse("admin:agents")))]
    assert ("authz_fail" in names, "authz_admin" in names) == (True, False)
