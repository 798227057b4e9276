"""Each flow of LOG-01 writes the event that the OWASP vocabulary names."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.expiry import record_closings
from accounts.links.account_links import recovery_address_link
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.enums import LinkRequestKind
from activation.first_connection.services import answer_link_request
from activation.links import activation_link
from activation.models import Charter
from activation.services import accept_charter, dispute_recovery_address, request_link
from agents.roles import Role
from agents.staff.services import grant_role, withdraw_role
from assistance.services import create_request
from core.logging import JsonFormatter
from directory.services import record_directory_consent
from journal.events import Event
from journal.services import ALSO
from mailrouting.services import choose_redirection
from outbox.enums import Kind
from privacy.purge import purge
from tests.accounts.recovery.recovering import ask, change_to, wish
from tests.activation.wizard.client import begun_until, link_to
from tests.agents.hr_imports import imported as imported_by_an_agent
from tests.agents.signed_in import an_agent, enrol_device, submit_code, verified_agent, wrong_code
from tests.agents.signed_in import signed_in_browser as agent_browser_of
from tests.assistance.asking import request_data as asked_for
from tests.core.test_logging import written
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.hr_feed.hr_files import imported, row
from tests.locking import unlock
from tests.memory import clear_redis
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

Line = dict[str, Any]
WRONG_PASSWORD = "canary-password-1"
ANOTHER_PASSWORD = "une-phrase-du-bureau-bleu"


@pytest.fixture
def logged(django_capture_on_commit_callbacks) -> Iterator[Callable[..., list[Line]]]:
    """The lines of one event, or of all, that an act and its commit write."""
    with written(JsonFormatter()) as stream:

        def lines(act: Callable[[], object], name: str = "") -> list[Line]:
            start = stream.tell()
            with django_capture_on_commit_callbacks(execute=True):
                act()
            stream.seek(start)
            found = [json.loads(line) for line in stream.read().splitlines()]
            return [line for line in found if not name or name in names_of(line)]

        yield lines


def names_of(line: Line) -> list[str]:
    """An event of the journal may be several of the vocabulary."""
    return [line["event"], *line.get("also", "").split()]


def post(page: str, browser: Client | None = None, **data: str) -> None:
    (browser or Client()).post(reverse(page), data)


def type_wrong_passwords(times: int = 1) -> None:
    login = active_account().login
    for _ in range(times):
        post("login", login=login, password=WRONG_PASSWORD)


def lock_and_unlock() -> None:
    person = active_account()
    lock_account(account=person, reason=LockReason.PHISHING)
    unlock(person)


def choose_a_first_password() -> None:
    browser = Client()
    begun_until(browser, pending_account(), "activation-password")
    post("activation-password", browser, password=A_GOOD_PASSWORD)


def change_password(current: str) -> None:
    post("account-password", browser_of(active_account()), current_password=current, password=ANOTHER_PASSWORD)


def used_link() -> str:
    person = pending_account()
    link = link_to(person)
    Account.objects.filter(pk=person.pk).update(activated_at=timezone.now(), charter_accepted_at=timezone.now())
    return link


def let_an_account_close() -> None:
    active_account(end_date=timezone.localdate() - timedelta(days=1))
    record_closings()


def answer_a_link_request() -> None:
    login = pending_account().login
    answer_link_request(request_id=request_link(login=login, wish=LinkRequestKind.FIRST_CONNECTION).pk)


def export_accounts() -> None:
    _agent, browser = verified_agent(Role.RESPONSABLES)
    response = browser.post(reverse("admin:export-accounts"), {"reason": "Demande écrite du RSSI"})
    assert b"".join(response.streaming_content)


def type_a_wrong_code() -> None:
    agent = an_agent()
    submit_code(agent_browser_of(agent), wrong_code(enrol_device(agent)))


def sign_in() -> None:
    post("login", login=active_account().login, password=A_GOOD_PASSWORD)


FLOWS: dict[str, Callable[[], object]] = {
    "authn_login_success": sign_in,
    "authn_login_fail": type_wrong_passwords,
    "authn_login_fail_max": lambda: type_wrong_passwords(6),
    "authn_login_lock": lambda: lock_account(account=active_account(), reason=LockReason.PHISHING),
    "authn_login_unlock": lock_and_unlock,
    "authn_password_change": choose_a_first_password,
    "authn_password_change_self": lambda: change_password(A_GOOD_PASSWORD),
    "authn_password_change_fail": lambda: change_password(WRONG_PASSWORD),
    "authn_otp_fail": type_a_wrong_code,
    "authn_token_created": lambda: activation_link.url(pending_account(), activation_link.deadline(timezone.now())),
    "authn_token_revoked": lambda: dispute_recovery_address(account=pending_account()),
    "authn_token_reuse": lambda: Client().get(used_link()),
    "authz_fail": lambda: browser_of(active_account()).get(reverse("admin:index")),
    "authz_admin": lambda: verified_agent()[1].get(reverse("admin:accounts")),
    "excess_rate_limit_exceeded": lambda: [
        Client().get(reverse("activation-link", args=["A" * 97])) for _ in range(31)
    ],
    "input_validation_fail": lambda: Client(headers={"Host": "evil.example"}).get("/"),
    "malicious_csrf": lambda: Client(enforce_csrf_checks=True).post(reverse("login")),
    "session_created": sign_in,
    "user_created": lambda: imported(row()),
    "user_updated": lambda: [imported(row()), imported(row(family_name="Autre"))],
    "user_archived": let_an_account_close,
    "sensitive_read": lambda: post("account-data-copy", browser_of(active_account()), current_password=A_GOOD_PASSWORD),
    "sensitive_update": lambda: change_to(active_account()),
    "privilege_permissions_changed": lambda: grant_role(account=active_account(), role=Role.LECTURE),
    "charter_accepted": lambda: accept_charter(account=pending_account(), charter=Charter.objects.in_force()),
    "directory_consent_given": lambda: record_directory_consent(account=pending_account(), listed=True, wording="?"),
    "redirection_chosen": lambda: choose_redirection(
        account=active_account(), target="ailleurs@exemple.org", keep_copy=True
    ),
    "data_purged": purge,
    "link_requested": answer_a_link_request,
    "hr_import_finished": lambda: imported_by_an_agent(row(), agent=an_agent(Role.RESPONSABLES)),
    "data_exported_by_agent": export_accounts,
}
FAILURES = {
    *("authn_login_fail", "authn_login_fail_max", "authn_password_change_fail", "authn_otp_fail"),
    *("authn_token_reuse", "authz_fail", "excess_rate_limit_exceeded", "input_validation_fail"),
    "malicious_csrf",
}


def test_every_event_of_the_vocabulary_is_logged(logged):
    """LOG-01; LOG-02: accounts by number, and nothing that was typed."""
    wrong = {}
    for name, flow in FLOWS.items():
        clear_redis()
        lines = logged(flow)
        outcomes = {(line["outcome"], line["level"]) for line in lines if name in names_of(line)}
        if outcomes != {("failure", "WARNING") if name in FAILURES else ("success", "INFO")}:
            wrong[name] = outcomes
        for canary in (WRONG_PASSWORD, A_GOOD_PASSWORD, ANOTHER_PASSWORD, "@exemple", "@univ-exemple"):
            assert canary not in json.dumps(lines), name
    assert wrong == {}
    [line] = [line for line in logged(lambda: withdraw_role(account=an_agent())) if "also" in line]
    assert names_of(line) == [Event.ROLE_WITHDRAWN, "privilege_permissions_changed"]
    allowed = {"authn_token_revoked", "sensitive_update", Event.ROLE_GIVEN.value}
    assert {name for names in ALSO.values() for name in names.split()} <= allowed


def recovery_link_of(person: Account) -> str:
    """The link that proves another recovery address."""
    change = wish(person)
    token = recovery_address_link.token(person, recovery_address_link.deadline(timezone.now()), change.pk)
    return reverse("recovery-address-link", args=[token])


def test_a_used_or_revoked_link_that_is_opened_is_logged_at_each_click(logged):
    """LOG-01, LOG-04: a stolen mail is tried after its owner has reacted. Unknown, expired and open links are not."""
    disputed, changing, active, proven = pending_account(), active_account(), pending_account(), active_account()
    links = {person: link_to(person) for person in (disputed, active)}
    links |= {person: recovery_link_of(person) for person in (changing, proven)}
    dispute_recovery_address(account=disputed)
    wish(changing, "encore-une-autre@exemple.org")
    Account.objects.filter(pk=active.pk).update(activated_at=timezone.now(), charter_accepted_at=timezone.now())
    browser = Client()
    browser.get(links[proven], follow=True)
    browser.post(reverse("recovery-address"))
    for person, purpose, why in [
        (disputed, "activation", "killed"),
        (changing, "recovery-address", "killed"),
        (active, "activation", "used"),
        (proven, "recovery-address", "used"),
    ]:
        responses = []
        visit = lambda link=links[person]: responses.extend(Client().get(link) for _ in range(2))  # noqa: E731
        lines = logged(visit, "authn_token_reuse")
        facts = [(line["account"], line["purpose"], line["why"]) for line in lines]
        assert facts == [(person.pk, purpose, why)] * 2
        assert why == "used" or responses[0].status_code == 404
        assert links[person].split("/")[-2] not in json.dumps(lines)
    person = pending_account()
    old = link_to(person, built_at=timezone.now() - timedelta(days=5))
    unknown = [reverse("activation-link", args=[typed]) for typed in ("A" * 97, "court")]
    assert logged(lambda: [Client().get(link) for link in (old, link_to(person), *unknown)], "authn_token_reuse") == []


def test_a_mail_that_a_limit_holds_back_is_logged(logged, mail_delivery):
    """LOG-01, ENU-05, HLP-08: where the page says nothing, or not why."""

    def refusals(act: Callable[[], object]) -> list[tuple[str, int | None]]:
        return [(line["limit"], line["account"]) for line in logged(act, "excess_rate_limit_exceeded")]

    person = pending_account()
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
    choose_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
    resent = refusals(lambda: browser.post(reverse("redirection-verification-resend")))
    assert resent == [(f"mails-{Kind.REDIRECTION_VERIFICATION}", person.pk)]

    for refused in (False, False, False, True):
        person = active_account()
        chosen = {"account": person, "target": "une-seule@exemple.org", "keep_copy": True}
        found = refusals(lambda chosen=chosen: choose_redirection(**chosen))
        assert found == ([(f"mails-{Kind.REDIRECTION_VERIFICATION}", person.pk)] if refused else [])

    agent = an_agent()
    device, browser = enrol_device(agent), agent_browser_of(agent)
    codes = refusals(lambda: [submit_code(browser, wrong_code(device)) for _ in range(3)])
    assert set(codes) == {("second-factor-codes", agent.pk)}


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
