"""Responsables manage agents: they add them, change their role and withdraw it (ADM-05)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from agents.models import BackupCode, EnrolmentCode
from agents.roles import Role
from agents.staff.services import (
    AccountIsNotAgent,
    CannotBeAgent,
    LastResponsable,
    RoleNotAllowed,
    RoleRefused,
    change_role,
    grant_role,
    withdraw_role,
)
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from tests.agents.signed_in import (
    NEXT_CODE_DELAY,
    an_agent,
    code_of,
    enrol_device,
    enrolment_code_for,
    signed_in_browser,
    submit_code,
    verified_agent,
)
from tests.concurrency import together
from tests.factories import active_account, pending_account
from tests.locking import locked_account, reloaded, unlocked_account
from tests.mail_delivery import text_of

pytestmark = pytest.mark.django_db

REASON, DEPARTURE = "Arrivée dans l’équipe.", "Départ du service."


def add(browser: Client, login: str, role: str = "Lecture", reason: str = REASON) -> HttpResponse:
    return browser.post(reverse("admin:agent-new"), {"login": login, "role": role, "reason": reason})


def change(browser: Client, account: Account, role: str, reason: str = REASON) -> HttpResponse:
    return browser.post(reverse("admin:agent-role", args=[account.pk]), {"role": role, "reason": reason})


def withdraw(browser: Client, account: Account, reason: str = DEPARTURE) -> HttpResponse:
    return browser.post(reverse("admin:agent-withdrawal", args=[account.pk]), {"reason": reason})


def roles_of(account: Account) -> list[str]:
    return [group.name for group in account.groups.all()]


def enrolled_responsable() -> Account:
    account = an_agent(Role.RESPONSABLES)
    enrol_device(account)
    return account


@pytest.fixture
def agent_and_browser() -> tuple[Account, Client]:
    return verified_agent(Role.RESPONSABLES)


class TestAdding:
    def test_makes_an_agent_who_still_needs_a_code_and_notifies_every_address(self, agent, browser, mail_delivery):
        """ADM-03, ADM-05, SES-05"""
        account = active_account()
        elsewhere = signed_in_browser(account)

        answer = add(browser, account.login.upper(), "Assistance")

        assert answer.url == reverse("admin:agent-code", args=[account.pk])
        assert f"{account.full_name} est maintenant agent" in browser.get(answer.url).content.decode()
        assert (reloaded(account).is_staff, roles_of(account)) == (True, ["Assistance"])
        assert elsewhere.get(reverse("account")).status_code == 302
        entry = account.journal.get(event=Event.ROLE_GIVEN)
        assert (entry.actor, entry.details) == (agent, {"role": "Assistance", "former": "", "reason": REASON})
        assert not EnrolmentCode.objects.exists()
        opened = signed_in_browser(account).get(reverse("admin:index"), follow=True)
        assert opened.request["PATH_INFO"] == reverse("admin:enrolment")
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {account.recovery_address, account.institutional_address}
        for mail in mails:
            assert "Assistance" in text_of(mail)
            assert REASON not in text_of(mail)

    def test_refuses_accounts_that_are_not_active_or_have_a_role(self, browser):
        """ADM-05, HLP-01: nothing that was typed is lost."""
        for account, words in (
            (pending_account(), "pas encore activé"),
            (locked_account(), "bloqué"),
            (unlocked_account(), "nouveau mot de passe"),
            (active_account(end_date=timezone.localdate() - timedelta(days=1)), "fermé"),
            (an_agent(), "déjà un agent"),
        ):
            before = (reloaded(account).is_staff, roles_of(account))
            page = add(browser, account.login).content.decode()
            for text in (words, account.login, REASON):
                assert text in page
            assert (reloaded(account).is_staff, roles_of(account)) == before
        with pytest.raises(CannotBeAgent):
            grant_role(account=locked_account(), role=Role.LECTURE)

    def test_refuses_unknown_logins_and_roles(self, browser):
        """ADM-06"""
        account = active_account()
        for login in ("", "nulle.personne", "pas une adresse", "a@exemple.net", "a\x00b", "é" * 300):
            answer = add(browser, login)
            assert answer.status_code == 200
            assert "Erreur" in answer.content.decode(), login
        for role in ("", "Chef", "Responsables,Lecture", "assistance"):
            assert "Choisissez un rôle" in add(browser, account.login, role).content.decode(), role
        assert Account.objects.filter(is_staff=True).count() == 1

    def test_ignores_forged_fields_and_removes_rights_that_came_from_elsewhere(self, browser):
        """ADM-05, ADM-06: the role is the only source of rights."""
        account, other = active_account(is_superuser=True), active_account()
        forged = {"is_superuser": "on", "actor": "1", "account": str(other.pk), "pk": str(other.pk)}
        browser.post(
            reverse("admin:agent-new"), {"login": account.login, "role": "Lecture", "reason": REASON, **forged}
        )
        assert (reloaded(account).is_staff, reloaded(account).is_superuser) == (True, False)
        assert not reloaded(account).has_perm("agents.lock")
        assert not reloaded(other).is_staff


class TestAnotherRole:
    def test_is_given_with_a_reason_and_the_device_stays(self, agent, browser):
        """ADM-05, SES-05"""
        other, elsewhere = verified_agent(Role.ASSISTANCE)
        answer = change(browser, other, "Lecture")

        assert answer.url == reverse("admin:agents")
        assert "a maintenant le rôle Lecture" in browser.get(answer.url).content.decode()
        assert roles_of(other) == ["Lecture"]
        assert elsewhere.get(reverse("admin:index")).status_code == 302
        assert TOTPDevice.objects.filter(user=other, confirmed=True).exists()
        entry = other.journal.filter(event=Event.ROLE_GIVEN).latest("at")
        assert (entry.actor, entry.details) == (agent, {"role": "Lecture", "former": "Assistance", "reason": REASON})
        assert other.messages.filter(kind=Kind.ROLE_CHANGED).count() == 2

    def test_needs_a_reason_and_another_role(self, browser):
        other = an_agent(Role.LECTURE)
        for reason in ("", "parce que", "x" * 501):
            assert change(browser, other, "Assistance", reason).status_code == 200
        assert "déjà son rôle" in change(browser, other, "Lecture").content.decode()
        assert roles_of(other) == ["Lecture"]
        assert other.journal.filter(event=Event.ROLE_GIVEN).count() == 1
        assert not other.messages.exists()

    def test_is_refused_to_a_locked_agent(self, browser):
        """ADM-05, HLP-01"""
        other = an_agent(Role.LECTURE)
        lock_account(account=other, reason=LockReason.PHISHING)
        page = change(browser, other, "Responsables").content.decode()
        assert "actif" in page
        assert REASON in page
        assert roles_of(other) == ["Lecture"]

    def test_is_refused_after_a_colleague_has_withdrawn_the_role(self):
        other = an_agent()
        before = reloaded(other)
        withdraw_role(account=other)
        with pytest.raises(AccountIsNotAgent):
            change_role(account=before, role=Role.RESPONSABLES)
        with pytest.raises(AccountIsNotAgent):
            withdraw_role(account=before)
        assert roles_of(other) == []


class TestWithdrawing:
    def test_removes_role_device_codes_and_sessions_and_notifies_every_address(self, agent, browser, mail_delivery):
        """ADM-05, SES-05: the account stays."""
        other, elsewhere = verified_agent()
        BackupCode.objects.create(device=TOTPDevice.objects.get(user=other), label="k7fq", digest="x")
        assert "Écrivez la raison" in withdraw(browser, other, "").content.decode()
        assert reloaded(other).is_staff

        answer = withdraw(browser, other)

        assert answer.url == reverse("admin:agents")
        page = browser.get(answer.url).content.decode()
        assert f"{other.full_name} n’est plus agent." in page
        assert other.login not in page
        assert (reloaded(other).is_staff, roles_of(other)) == (False, [])
        assert not TOTPDevice.objects.filter(user=other).exists()
        assert not BackupCode.objects.exists()
        assert not Session.objects.filter(account=other).exists()
        assert elsewhere.get(reverse("account")).status_code == 302
        entry = other.journal.get(event=Event.ROLE_WITHDRAWN)
        assert (entry.actor, entry.details) == (agent, {"role": "Assistance", "reason": DEPARTURE})
        again = signed_in_browser(other)
        assert again.get(reverse("account")).status_code == 200
        assert again.get(reverse("admin:index")).status_code == 403
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {other.recovery_address, other.institutional_address}
        for mail in mails:
            assert "retiré" in text_of(mail)
            assert "codes de secours" in text_of(mail)

    def test_leaves_no_enrolment_code_or_device_for_a_later_role(self, browser):
        """ADM-03"""
        other = an_agent()
        device = enrol_device(other)
        withdraw(browser, other)
        add(browser, other.login, "Assistance")
        with time_machine.travel(timezone.now() + NEXT_CODE_DELAY):
            assert submit_code(signed_in_browser(other), code_of(device)).url == reverse("admin:enrolment")

        enrolling = an_agent()
        code = enrolment_code_for(enrolling)
        withdraw(browser, enrolling)
        grant_role(account=reloaded(enrolling), role=Role.LECTURE)
        assert signed_in_browser(enrolling).post(reverse("admin:enrolment"), {"code": code}).status_code == 200
        assert not TOTPDevice.objects.filter(user=enrolling).exists()

    def test_works_for_a_locked_agent(self, browser):
        other = an_agent()
        lock_account(account=other, reason=LockReason.PHISHING)
        assert withdraw(browser, other).status_code == 302
        assert not reloaded(other).is_staff
        assert reloaded(other).is_locked


class TestPermission:
    def test_agents_cannot_change_or_withdraw_their_own_role(self, agent, browser):
        """ADM-05"""
        enrolled_responsable()
        for name in ("agent-role", "agent-withdrawal"):
            assert browser.get(reverse(f"admin:{name}", args=[agent.pk])).status_code == 403
        assert change(browser, agent, "Lecture").status_code == 403
        assert withdraw(browser, agent).status_code == 403
        with pytest.raises(RoleNotAllowed):
            withdraw_role(account=agent, actor=agent)
        with pytest.raises(RoleNotAllowed):
            change_role(account=agent, role=Role.LECTURE, actor=agent)
        assert roles_of(agent) == ["Responsables"]

    def test_other_roles_manage_no_agents(self):
        """ADM-05: neither on the page nor in the service."""
        for role in (Role.ASSISTANCE, Role.LECTURE):
            agent, browser = verified_agent(role)
            other, account = an_agent(), active_account()
            assert add(browser, account.login).status_code == 403
            assert change(browser, other, "Lecture").status_code == 403
            assert withdraw(browser, other).status_code == 403
            with pytest.raises(RoleNotAllowed):
                grant_role(account=account, role=Role.LECTURE, actor=agent)
            assert not reloaded(account).is_staff
            assert roles_of(other) == ["Assistance"]

    def test_accounts_without_a_role_have_no_such_pages(self, browser):
        account = active_account()
        assert change(browser, account, "Lecture").status_code == 404
        assert withdraw(browser, account).status_code == 404

    def test_the_last_responsable_who_can_sign_in_keeps_the_role(self):
        """ADM-05: on the command line too; Responsables without a device or locked do not count."""
        last, without_device = enrolled_responsable(), an_agent(Role.RESPONSABLES)
        locked = enrolled_responsable()
        lock_account(account=locked, reason=LockReason.PHISHING)
        with pytest.raises(LastResponsable):
            withdraw_role(account=last)
        with pytest.raises(LastResponsable):
            change_role(account=last, role=Role.ASSISTANCE)
        assert roles_of(last) == ["Responsables"]
        assert TOTPDevice.objects.filter(user=last).exists()
        assert not last.messages.exists()

        withdraw_role(account=without_device)
        assert not reloaded(without_device).is_staff
        enrolled_responsable()
        withdraw_role(account=last)
        assert roles_of(last) == []


def test_a_change_that_is_rolled_back_leaves_no_trace():
    """LOG-03"""
    account = active_account()
    with transaction.atomic():
        grant_role(account=account, role=Role.LECTURE)
        transaction.set_rollback(True)
    assert not reloaded(account).is_staff
    assert not JournalEntry.objects.filter(event=Event.ROLE_GIVEN).exists()
    assert not account.messages.exists()


def outcome_of(act: Callable[..., None], **facts: object) -> str:
    try:
        act(**facts)
    except RoleRefused as refused:
        return type(refused).__name__
    return "done"


@pytest.mark.django_db(transaction=True)
def test_of_two_responsables_who_withdraw_each_other_at_once_one_remains():
    """ADM-05"""
    for _ in range(6):
        first, second = enrolled_responsable(), enrolled_responsable()
        outcomes = together(
            lambda one=first, other=second: outcome_of(withdraw_role, account=other, actor=one),
            lambda one=first, other=second: outcome_of(withdraw_role, account=one, actor=other),
        )
        assert sorted(map(str, outcomes)) == ["RoleNotAllowed", "done"]
        assert sorted([reloaded(first).is_staff, reloaded(second).is_staff]) == [False, True]
        Account.objects.filter(pk__in=[first.pk, second.pk]).update(is_staff=False)


@pytest.mark.django_db(transaction=True)
def test_of_two_roles_given_at_once_one_is_refused():
    """ADM-05"""
    account = active_account()
    outcomes = together(
        *(
            lambda role=role: outcome_of(grant_role, account=account, role=role)
            for role in (Role.LECTURE, Role.ASSISTANCE)
        )
    )
    assert sorted(map(str, outcomes)) == ["AlreadyAgent", "done"]
    assert len(roles_of(account)) == 1
    assert account.journal.filter(event=Event.ROLE_GIVEN).count() == 1


def test_an_expired_enrolment_code_is_not_listed(browser):
    """ADM-03"""
    enrolment_code_for(an_agent())
    assert "Code donné" in browser.get(reverse("admin:agents")).content.decode()
    EnrolmentCode.objects.update(expires_at=timezone.now())
    assert "Code donné" not in browser.get(reverse("admin:agents")).content.decode()
