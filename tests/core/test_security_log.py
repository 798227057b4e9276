"""The events of LOG-01, each by the name of the OWASP vocabulary: the flow is driven, and the log has the line."""

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
from tests.accounts.recovery.recovering import ask, browser_of, change_to, wish
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

pytestmark = pytest.mark.django_db

Line = dict[str, Any]
WRONG_PASSWORD = "canary-password-1"
ANOTHER_PASSWORD = "une-phrase-du-bureau-bleu"


@pytest.fixture
def told(django_capture_on_commit_callbacks) -> Iterator[Callable[..., list[Line]]]:
    """What the log says when something is done and committed: the lines of one event, or of all."""
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


# What happens, by the name that the log has for it


def signs_in() -> None:
    Client().post(reverse("login"), {"login": active_account().login, "password": A_GOOD_PASSWORD})


def types_a_wrong_password(times: int = 1) -> None:
    person = active_account()
    for _ in range(times):
        Client().post(reverse("login"), {"login": person.login, "password": WRONG_PASSWORD})


def is_released() -> None:
    person = active_account()
    lock_account(account=person, reason=LockReason.PHISHING)
    unlock(person)


def chooses_a_first_password() -> None:
    browser, person = Client(), pending_account()
    begun_until(browser, person, "activation-password")
    browser.post(reverse("activation-password"), {"password": A_GOOD_PASSWORD})


def changes_the_password(present: str = A_GOOD_PASSWORD, new: str = ANOTHER_PASSWORD) -> None:
    browser = browser_of(active_account())
    browser.post(reverse("account-password"), {"current_password": present, "password": new})


def is_mailed_a_link() -> None:
    person = pending_account()
    activation_link.url(person, activation_link.deadline(timezone.now()))


def opens_a_used_link() -> None:
    person = pending_account()
    link = link_to(person)
    Account.objects.filter(pk=person.pk).update(activated_at=timezone.now(), charter_accepted_at=timezone.now())
    Client().get(link)


def works_as_an_agent() -> None:
    _agent, browser = verified_agent()
    browser.get(reverse("admin:accounts"))


def asks_too_often() -> None:
    for _ in range(31):
        Client().get(reverse("activation-link", args=["A" * 97]))


def is_changed_by_hr() -> None:
    imported(row())
    imported(row(family_name="Autre"))


def has_left() -> None:
    active_account(end_date=timezone.localdate() - timedelta(days=1))
    record_closings()


def reads_ones_data() -> None:
    browser_of(active_account()).post(reverse("account-data-copy"), {"current_password": A_GOOD_PASSWORD})


def asks_for_a_link() -> None:
    answer_link_request(
        request_id=request_link(login=pending_account().login, wish=LinkRequestKind.FIRST_CONNECTION).pk
    )


def exports_a_list() -> None:
    _agent, browser = verified_agent(Role.RESPONSABLES)
    answer = browser.post(reverse("admin:export-accounts"), {"reason": "Demande écrite du RSSI"})
    assert b"".join(answer.streaming_content)


def gives_a_wrong_code() -> None:
    agent = an_agent()
    submit_code(agent_browser_of(agent), wrong_code(enrol_device(agent)))


FLOWS: dict[str, Callable[[], None]] = {
    "authn_login_success": signs_in,
    "authn_login_fail": types_a_wrong_password,
    "authn_login_fail_max": lambda: types_a_wrong_password(6),
    "authn_login_lock": lambda: lock_account(account=active_account(), reason=LockReason.PHISHING),
    "authn_login_unlock": is_released,
    "authn_password_change": chooses_a_first_password,
    "authn_password_change_self": changes_the_password,
    "authn_password_change_fail": lambda: changes_the_password(present=WRONG_PASSWORD),
    "authn_otp_fail": gives_a_wrong_code,
    "authn_token_created": is_mailed_a_link,
    "authn_token_revoked": lambda: dispute_recovery_address(account=pending_account()),
    "authn_token_reuse": opens_a_used_link,
    "authz_fail": lambda: browser_of(active_account()).get(reverse("admin:index")),
    "authz_admin": works_as_an_agent,
    "excess_rate_limit_exceeded": asks_too_often,
    "input_validation_fail": lambda: Client(headers={"Host": "evil.example"}).get("/"),
    "malicious_csrf": lambda: Client(enforce_csrf_checks=True).post(reverse("login")),
    "session_created": signs_in,
    "user_created": lambda: imported(row()),
    "user_updated": is_changed_by_hr,
    "user_archived": has_left,
    "sensitive_read": reads_ones_data,
    "sensitive_update": lambda: change_to(active_account()),
    "privilege_permissions_changed": lambda: grant_role(account=active_account(), role=Role.LECTURE),
    "charter_accepted": lambda: accept_charter(account=pending_account(), charter=Charter.objects.in_force()),
    "directory_consent_given": lambda: record_directory_consent(account=pending_account(), listed=True, wording="?"),
    "redirection_chosen": lambda: choose_redirection(
        account=active_account(), target="ailleurs@exemple.org", keep_copy=True
    ),
    "data_purged": lambda: purge(),
    "link_requested": asks_for_a_link,
    "hr_import_finished": lambda: imported_by_an_agent(row(), agent=an_agent(Role.RESPONSABLES)),
    "data_exported_by_agent": exports_a_list,
}
FAILURES = {
    *("authn_login_fail", "authn_login_fail_max", "authn_password_change_fail", "authn_otp_fail"),
    *("authn_token_reuse", "authz_fail", "excess_rate_limit_exceeded", "input_validation_fail"),
    "malicious_csrf",
}


def test_every_event_of_the_vocabulary_is_logged(told):
    """LOG-01; LOG-02: accounts by number, and nothing that was typed."""
    wrong = {}
    for name, flow in FLOWS.items():
        clear_redis()
        lines = told(flow)
        outcomes = {(line["outcome"], line["level"]) for line in lines if name in names_of(line)}
        if outcomes != {("failure", "WARNING") if name in FAILURES else ("success", "INFO")}:
            wrong[name] = outcomes
        said = json.dumps(lines)
        for canary in (WRONG_PASSWORD, A_GOOD_PASSWORD, ANOTHER_PASSWORD, "@exemple", "@univ-exemple"):
            assert canary not in said, name
    assert wrong == {}


def test_a_role_that_is_withdrawn_is_a_change_of_privileges(told):
    """LOG-01"""
    [line] = [
        line
        for line in told(lambda: withdraw_role(account=an_agent()), "privilege_permissions_changed")
        if "also" in line
    ]
    assert line["event"] == Event.ROLE_WITHDRAWN


def test_other_names_of_an_event_are_not_those_of_the_journal():
    for event in ALSO:
        assert not set(ALSO[event].split()) - {
            "authn_token_revoked",
            "sensitive_update",
            Event.ROLE_GIVEN.value,
        }


def recovery_link_of(person: Account) -> str:
    """The path of the link that proves another recovery address, for which the person asks."""
    change = wish(person)
    token = recovery_address_link.token(person, recovery_address_link.deadline(timezone.now()), change.pk)
    return reverse("recovery-address-link", args=[token])


class TestLinks:
    def test_a_killed_link_that_is_opened_is_told(self, told):
        """LOG-01: a stolen mail is tried after its owner has reacted. The page says what it says of any bad link."""
        for purpose in ["activation", "recovery-address"]:
            if purpose == "activation":
                person = pending_account()
                link = link_to(person)
                dispute_recovery_address(account=person)
            else:
                person = active_account()
                link = recovery_link_of(person)
                wish(person, "encore-une-autre@exemple.org")

            answers = []
            [line] = told(lambda: answers.append(Client().get(link)), "authn_token_reuse")

            assert (line["account"], line["purpose"], line["why"]) == (person.pk, purpose, "killed")
            assert answers[0].status_code == 404

    def test_a_used_link_is_told_at_each_click(self, told):
        """LOG-01, LOG-04"""
        person = pending_account()
        link = link_to(person)
        Account.objects.filter(pk=person.pk).update(activated_at=timezone.now(), charter_accepted_at=timezone.now())

        lines = told(lambda: [Client().get(link, follow=True) for _ in range(2)], "authn_token_reuse")

        assert [(line["account"], line["why"]) for line in lines] == [(person.pk, "used")] * 2
        assert link.split("/")[-2] not in json.dumps(lines)

    def test_a_used_link_of_the_other_pages_is_told_too(self, told):
        """LOG-01"""
        person = active_account()
        link = recovery_link_of(person)
        browser = Client()
        browser.get(link, follow=True)
        browser.post(reverse("recovery-address"))

        [line] = told(lambda: Client().get(link, follow=True), "authn_token_reuse")

        assert (line["account"], line["purpose"], line["why"]) == (person.pk, "recovery-address", "used")

    def test_a_made_up_link_is_no_reuse(self, told):
        for typed in ["A" * 97, "court"]:
            assert told(lambda: Client().get(reverse("activation-link", args=[typed])), "authn_token_reuse") == []

    def test_a_link_that_expired_or_still_opens_is_no_reuse(self, told):
        person = pending_account()
        old = link_to(person, built_at=timezone.now() - timedelta(days=5))
        for link in (old, link_to(person)):
            assert told(lambda link=link: Client().get(link), "authn_token_reuse") == []


class TestMailsThatAreNotSent:
    """LOG-01: where the page says nothing, or not why, the log does."""

    def test_a_link_asked_for_too_often(self, told, mail_delivery):
        """ENU-05"""
        person = pending_account()
        for _ in range(3):
            request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
        mail_delivery.deliver()
        request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)

        [line] = told(mail_delivery.deliver, "excess_rate_limit_exceeded")

        assert (line["limit"], line["account"]) == ("mails-new-link", person.pk)
        assert person.messages.count() == 3

    def test_an_acknowledgement_asked_for_too_often(self, told):
        """HLP-08"""

        def asks() -> None:
            create_request(**asked_for())

        assert told(asks, "excess_rate_limit_exceeded") == told(asks, "excess_rate_limit_exceeded") == []
        [line] = told(asks, "excess_rate_limit_exceeded")
        assert (line["limit"], line["account"]) == ("mails-assistance-received", None)

    def test_a_verification_of_a_recovery_address_asked_for_at_once_again(self, told):
        person = active_account()
        browser = browser_of(person)
        ask(browser)
        [line] = told(lambda: ask(browser), "excess_rate_limit_exceeded")
        assert (line["limit"], line["account"]) == (f"mails-{Kind.RECOVERY_VERIFICATION}", person.pk)

    def test_a_verification_of_a_redirection_asked_for_at_once_again(self, told):
        person = active_account()
        browser = browser_of(person)
        choose_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        resend = reverse("redirection-verification-resend")
        [line] = told(lambda: browser.post(resend), "excess_rate_limit_exceeded")
        assert (line["limit"], line["account"]) == (f"mails-{Kind.REDIRECTION_VERIFICATION}", person.pk)

    def test_a_fourth_person_who_forwards_to_one_address(self, told):
        """ENU-05"""
        for _ in range(3):
            choose_redirection(account=active_account(), target="ailleurs@exemple.org", keep_copy=True)
        person = active_account()
        chosen = {"account": person, "target": "ailleurs@exemple.org", "keep_copy": True}
        [line] = told(lambda: choose_redirection(**chosen), "excess_rate_limit_exceeded")
        assert (line["limit"], line["account"]) == (f"mails-{Kind.REDIRECTION_VERIFICATION}", person.pk)


def test_codes_that_come_too_fast_are_told(told):
    """LOG-01, ADM-04"""
    agent = an_agent()
    device = enrol_device(agent)
    browser = agent_browser_of(agent)
    lines = told(lambda: [submit_code(browser, wrong_code(device)) for _ in range(3)], "excess_rate_limit_exceeded")
    assert {(line["limit"], line["account"]) for line in lines} == {("second-factor-codes", agent.pk)}


def test_what_an_agent_does_is_told_by_the_name_of_the_page(told):
    """LOG-01: even where nothing changes, and no journal has it. What was looked for is not."""
    agent, browser = verified_agent()
    [line] = told(
        lambda: browser.get(reverse("admin:accounts"), {"q": "camille.durand@univ-exemple.fr"}), "authz_admin"
    )
    assert (line["account"], line["page"], line["method"]) == (agent.pk, "admin:accounts", "GET")
    assert "camille" not in json.dumps(line)


def test_an_agent_who_may_not_is_no_activity_but_a_refusal(told):
    """LOG-01, ADM-05"""
    _agent, browser = verified_agent(Role.LECTURE)
    names = [line["event"] for line in told(lambda: browser.get(reverse("admin:agents")))]
    assert "authz_fail" in names
    assert "authz_admin" not in names
