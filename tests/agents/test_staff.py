"""Agents are managed by Responsables, from the pages: added, given another role, and none any more (ADM-05)."""

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
from tests.activation.wizard.test_concurrency import together
from tests.agents.signed_in import (
    ENOUGH_WAITED,
    an_agent,
    browser_of,
    code_of,
    enrolment_code_for,
    give_code,
    inside,
    with_application,
)
from tests.factories import active_account, pending_account
from tests.locking import fresh, released_person
from tests.mail_delivery import text_of

pytestmark = pytest.mark.django_db

WHY = "Arrivée dans l’équipe."


def add(browser: Client, login: str, role: str = "Lecture", reason: str = WHY) -> HttpResponse:
    return browser.post(reverse("admin:agent-new"), {"login": login, "role": role, "reason": reason})


def change(browser: Client, account: Account, role: str, reason: str = WHY) -> HttpResponse:
    return browser.post(reverse("admin:agent-role", args=[account.pk]), {"role": role, "reason": reason})


def withdraw(browser: Client, account: Account, reason: str = "Départ du service.") -> HttpResponse:
    return browser.post(reverse("admin:agent-withdrawal", args=[account.pk]), {"reason": reason})


def roles_of(account: Account) -> list[str]:
    return [group.name for group in account.groups.all()]


def an_able_responsable() -> Account:
    account = an_agent(Role.RESPONSABLES)
    with_application(account)
    return account


class TestAdding:
    def test_makes_an_agent_who_still_needs_a_code(self):
        """ADM-03, ADM-05, SES-05"""
        agent, browser = inside(Role.RESPONSABLES)
        person = active_account()
        elsewhere = browser_of(person)

        answer = add(browser, person.login.upper(), "Assistance")

        assert answer.url == reverse("admin:agent-code", args=[person.pk])
        assert f"{person.full_name} est maintenant agent" in browser.get(answer.url).content.decode()
        assert fresh(person).is_staff
        assert roles_of(person) == ["Assistance"]
        assert elsewhere.get(reverse("account")).status_code == 302
        entry = person.journal.get(event=Event.ROLE_GIVEN)
        assert (entry.actor, entry.details) == (agent, {"role": "Assistance", "former": "", "reason": WHY})
        assert not EnrolmentCode.objects.exists()
        assert browser_of(person).get(reverse("admin:index"), follow=True).request["PATH_INFO"] == reverse(
            "admin:enrolment"
        )

    def test_tells_the_person_everywhere(self, postman):
        """ADM-05"""
        _agent, browser = inside(Role.RESPONSABLES)
        person = active_account()
        add(browser, person.login)
        mails = postman.deliver()
        assert {mail["To"] for mail in mails} == {person.recovery_address, person.institutional_address}
        for mail in mails:
            assert "Lecture" in text_of(mail)
            assert WHY not in text_of(mail)

    @pytest.mark.parametrize(
        ("somebody", "said"),
        [
            (lambda: pending_account(), "pas encore activé"),
            (lambda: released_person(), "nouveau mot de passe"),
            (lambda: active_account(end_date=timezone.localdate() - ENOUGH_WAITED * 720), "fermé"),
            (lambda: an_agent(), "déjà un agent"),
        ],
        ids=["pending", "to reactivate", "closed", "agent"],
    )
    def test_somebody_who_cannot_sign_in_or_is_one_already_is_refused(self, somebody, said):
        """ADM-05: nothing that was typed is lost."""
        _agent, browser = inside(Role.RESPONSABLES)
        person = somebody()
        rights = (fresh(person).is_staff, roles_of(person))

        page = add(browser, person.login).content.decode()

        assert said in page
        assert person.login in page
        assert WHY in page
        assert (fresh(person).is_staff, roles_of(person)) == rights

    def test_a_locked_account_gets_no_role(self):
        """ADM-05, HLP-01"""
        _agent, browser = inside(Role.RESPONSABLES)
        person = active_account()
        lock_account(account=person, reason=LockReason.PHISHING)
        assert "bloqué" in add(browser, person.login).content.decode()
        assert not fresh(person).is_staff

    @pytest.mark.parametrize("login", ["", "nulle.personne", "pas une adresse", "a@exemple.net", "a\x00b", "é" * 300])
    def test_an_unknown_login_is_a_kind_word(self, login):
        _agent, browser = inside(Role.RESPONSABLES)
        answer = add(browser, login)
        assert answer.status_code == 200
        assert "Erreur" in answer.content.decode()
        assert Account.objects.filter(is_staff=True).count() == 1

    @pytest.mark.parametrize("role", ["", "Chef", "Responsables,Lecture", "assistance"])
    def test_only_the_roles_of_the_table_are_given(self, role):
        """ADM-06"""
        _agent, browser = inside(Role.RESPONSABLES)
        person = active_account()
        assert "Choisissez un rôle" in add(browser, person.login, role).content.decode()
        assert not fresh(person).is_staff

    def test_of_two_responsables_who_add_the_same_person_one_is_told(self):
        """A kind word instead of a role that changes behind somebody's back."""
        first, other = inside(Role.RESPONSABLES), inside(Role.RESPONSABLES)
        person = active_account()
        add(first[1], person.login, "Assistance")
        assert "déjà un agent" in add(other[1], person.login, "Lecture").content.decode()
        assert roles_of(person) == ["Assistance"]

    def test_what_was_given_by_other_ways_is_gone(self):
        """ADM-05: a role is what the page says, and nothing besides."""
        person = active_account(is_superuser=True)
        grant_role(account=person, role=Role.LECTURE)
        assert not fresh(person).is_superuser
        assert not fresh(person).has_perm("agents.lock")


class TestAnotherRole:
    def test_is_given_with_a_reason_and_the_application_stays(self):
        """ADM-05, SES-05"""
        agent, browser = inside(Role.RESPONSABLES)
        other, elsewhere = inside(Role.ASSISTANCE)

        answer = change(browser, other, "Lecture")

        assert answer.url == reverse("admin:agents")
        assert "a maintenant le rôle Lecture" in browser.get(answer.url).content.decode()
        assert roles_of(other) == ["Lecture"]
        assert elsewhere.get(reverse("admin:index")).status_code == 302
        assert TOTPDevice.objects.filter(user=other, confirmed=True).exists()
        entry = other.journal.filter(event=Event.ROLE_GIVEN).latest("at")
        assert (entry.actor, entry.details) == (agent, {"role": "Lecture", "former": "Assistance", "reason": WHY})
        assert other.messages.filter(kind=Kind.ROLE_CHANGED).count() == 2

    def test_the_same_one_is_no_change(self):
        _agent, browser = inside(Role.RESPONSABLES)
        other = an_agent(Role.LECTURE)
        assert "déjà son rôle" in change(browser, other, "Lecture").content.decode()
        assert other.journal.filter(event=Event.ROLE_GIVEN).count() == 1
        assert not other.messages.exists()

    def test_needs_a_reason(self):
        _agent, browser = inside(Role.RESPONSABLES)
        other = an_agent(Role.LECTURE)
        for reason in ("", "parce que", "x" * 501):
            assert change(browser, other, "Assistance", reason).status_code == 200
        assert roles_of(other) == ["Lecture"]

    def test_a_locked_agent_gets_no_more_power(self):
        """ADM-05, HLP-01"""
        _agent, browser = inside(Role.RESPONSABLES)
        other = an_agent(Role.LECTURE)
        lock_account(account=other, reason=LockReason.PHISHING)
        answer = change(browser, other, "Responsables")
        assert "actif" in answer.content.decode()
        assert WHY in answer.content.decode()
        assert roles_of(other) == ["Lecture"]

    def test_somebody_who_is_no_agent_any_more_gets_none(self):
        """Withdrawn by a colleague while the page was open."""
        other = an_agent()
        as_it_was = fresh(other)
        withdraw_role(account=other)
        with pytest.raises(AccountIsNotAgent):
            change_role(account=as_it_was, role=Role.RESPONSABLES)
        with pytest.raises(AccountIsNotAgent):
            withdraw_role(account=as_it_was)
        assert roles_of(other) == []


class TestWithdrawing:
    def test_leaves_somebody_like_everybody(self):
        """ADM-05, SES-05: role, application, backup codes, enrolment code and sessions are gone; the account stays."""
        agent, browser = inside(Role.RESPONSABLES)
        other, elsewhere = inside()
        BackupCode.objects.create(device=TOTPDevice.objects.get(user=other), label="k7fq", digest="x")

        answer = withdraw(browser, other)

        assert answer.url == reverse("admin:agents")
        page = browser.get(answer.url).content.decode()
        assert f"{other.full_name} n’est plus agent." in page
        assert other.login not in page
        assert (fresh(other).is_staff, roles_of(other)) == (False, [])
        assert not TOTPDevice.objects.filter(user=other).exists()
        assert not BackupCode.objects.exists()
        assert not Session.objects.filter(account=other).exists()
        assert elsewhere.get(reverse("account")).status_code == 302
        entry = other.journal.get(event=Event.ROLE_WITHDRAWN)
        assert (entry.actor, entry.details) == (agent, {"role": "Assistance", "reason": "Départ du service."})
        again = browser_of(other)
        assert again.get(reverse("account")).status_code == 200
        assert again.get(reverse("admin:index")).status_code == 403

    def test_tells_the_person_everywhere(self, postman):
        _agent, browser = inside(Role.RESPONSABLES)
        other = an_agent(Role.LECTURE)
        withdraw(browser, other)
        mails = postman.deliver()
        assert {mail["To"] for mail in mails} == {other.recovery_address, other.institutional_address}
        for mail in mails:
            assert "retiré" in text_of(mail)
            assert "codes de secours" in text_of(mail)

    def test_an_enrolment_code_that_was_given_opens_nothing(self):
        """ADM-03: neither now nor when the person is an agent again."""
        _agent, browser = inside(Role.RESPONSABLES)
        other = an_agent()
        code = enrolment_code_for(other)
        withdraw(browser, other)
        grant_role(account=fresh(other), role=Role.LECTURE)
        again = browser_of(other)
        assert again.post(reverse("admin:enrolment"), {"code": code}).status_code == 200
        assert not TOTPDevice.objects.filter(user=other).exists()

    def test_the_role_of_a_locked_agent_can_be_withdrawn(self):
        """And then the account is released like everybody's."""
        _agent, browser = inside(Role.RESPONSABLES)
        other = an_agent()
        lock_account(account=other, reason=LockReason.PHISHING)
        assert withdraw(browser, other).status_code == 302
        assert not fresh(other).is_staff
        assert fresh(other).is_locked

    def test_needs_a_reason(self):
        _agent, browser = inside(Role.RESPONSABLES)
        other = an_agent()
        assert "Écrivez la raison" in withdraw(browser, other, "").content.decode()
        assert fresh(other).is_staff


class TestWhoMayNot:
    def test_nobody_changes_or_withdraws_their_own_role(self):
        """ADM-05"""
        agent, browser = inside(Role.RESPONSABLES)
        an_able_responsable()
        for name in ("agent-role", "agent-withdrawal"):
            assert browser.get(reverse(f"admin:{name}", args=[agent.pk])).status_code == 403
        assert change(browser, agent, "Lecture").status_code == 403
        assert withdraw(browser, agent).status_code == 403
        assert "déjà un agent" in add(browser, agent.login).content.decode()
        for act in (
            lambda: withdraw_role(account=agent, actor=agent),
            lambda: change_role(account=agent, role=Role.LECTURE, actor=agent),
        ):
            with pytest.raises(RoleNotAllowed):
                act()
        assert roles_of(agent) == ["Responsables"]

    @pytest.mark.parametrize("role", [Role.ASSISTANCE, Role.LECTURE])
    def test_other_agents_manage_nobody(self, role):
        """ADM-05: neither through the page nor when the service is asked."""
        agent, browser = inside(role)
        other, person = an_agent(), active_account()
        assert add(browser, person.login).status_code == 403
        assert change(browser, other, "Lecture").status_code == 403
        assert withdraw(browser, other).status_code == 403
        with pytest.raises(RoleNotAllowed):
            grant_role(account=person, role=Role.LECTURE, actor=agent)
        assert not fresh(person).is_staff
        assert roles_of(other) == ["Assistance"]

    def test_people_who_are_no_agents_have_no_such_pages(self):
        _agent, browser = inside(Role.RESPONSABLES)
        person = active_account()
        assert change(browser, person, "Lecture").status_code == 404
        assert withdraw(browser, person).status_code == 404
        assert not fresh(person).is_staff

    def test_hidden_fields_do_nothing(self):
        """ADM-06"""
        _agent, browser = inside(Role.RESPONSABLES)
        person, other = active_account(), active_account()
        forged = {"is_superuser": "on", "actor": "1", "account": str(other.pk), "pk": str(other.pk)}
        facts = {"login": person.login, "role": "Lecture", "reason": WHY}
        browser.post(reverse("admin:agent-new"), {**facts, **forged})
        assert (fresh(person).is_staff, fresh(person).is_superuser) == (True, False)
        assert not fresh(other).is_staff


class TestTheLastResponsable:
    def test_stays_one(self):
        """ADM-05: from the command line too, whatever other Responsables there are who cannot come in."""
        last = an_able_responsable()
        an_agent(Role.RESPONSABLES)
        locked = an_able_responsable()
        lock_account(account=locked, reason=LockReason.PHISHING)
        for act in (
            lambda: withdraw_role(account=last),
            lambda: change_role(account=last, role=Role.ASSISTANCE),
        ):
            with pytest.raises(LastResponsable):
                act()
        assert roles_of(last) == ["Responsables"]
        assert TOTPDevice.objects.filter(user=last).exists()
        assert not last.messages.exists()

    def test_may_go_when_there_is_another(self):
        last, _another = an_able_responsable(), an_able_responsable()
        withdraw_role(account=last)
        assert roles_of(last) == []

    def test_those_who_cannot_act_are_no_obstacle(self):
        an_able_responsable()
        without = an_agent(Role.RESPONSABLES)
        withdraw_role(account=without)
        assert not fresh(without).is_staff


def test_a_locked_account_gets_no_role_from_the_service_either():
    person = active_account()
    lock_account(account=person, reason=LockReason.PHISHING)
    with pytest.raises(CannotBeAgent):
        grant_role(account=person, role=Role.LECTURE)
    assert not person.journal.filter(event=Event.ROLE_GIVEN).exists()


def test_a_change_that_is_rolled_back_leaves_no_trace():
    """LOG-03"""
    person = active_account()
    with transaction.atomic():
        grant_role(account=person, role=Role.LECTURE)
        transaction.set_rollback(True)
    assert not fresh(person).is_staff
    assert not JournalEntry.objects.filter(event=Event.ROLE_GIVEN).exists()
    assert not person.messages.exists()


def test_an_agent_who_comes_back_enrols_anew():
    """ADM-03: the application of before opens nothing."""
    _agent, browser = inside(Role.RESPONSABLES)
    other = an_agent()
    device = with_application(other)
    withdraw(browser, other)
    add(browser, other.login, "Assistance")
    with time_machine.travel(timezone.now() + ENOUGH_WAITED):
        again = browser_of(other)
        assert give_code(again, code_of(device)).url == reverse("admin:enrolment")


@pytest.mark.django_db(transaction=True)
def test_of_two_responsables_who_withdraw_each_other_at_once_one_remains():
    """ADM-05"""
    for _ in range(6):
        first, second = an_able_responsable(), an_able_responsable()

        def asked(account: Account, actor: Account) -> str:
            try:
                withdraw_role(account=account, actor=actor, reason="L’un ou l’autre.")
            except RoleRefused as refused:
                return type(refused).__name__
            return "done"

        outcomes = together(lambda: asked(second, first), lambda: asked(first, second))

        assert sorted(map(str, outcomes)) == ["RoleNotAllowed", "done"]
        assert sorted([fresh(first).is_staff, fresh(second).is_staff]) == [False, True]
        Account.objects.filter(pk__in=[first.pk, second.pk]).update(is_staff=False)


@pytest.mark.django_db(transaction=True)
def test_of_two_roles_given_at_once_one_is_refused():
    """ADM-05"""
    person = active_account()

    def asked(role: Role) -> str:
        try:
            grant_role(account=person, role=role)
        except RoleRefused as refused:
            return type(refused).__name__
        return role.value

    outcomes = together(lambda: asked(Role.LECTURE), lambda: asked(Role.ASSISTANCE))

    [given] = roles_of(person)
    assert sorted(map(str, outcomes)) == sorted(["AlreadyAgent", given])
    assert person.journal.filter(event=Event.ROLE_GIVEN).count() == 1


def test_a_code_that_is_over_is_not_shown_as_given():
    """ADM-03"""
    _agent, browser = inside(Role.RESPONSABLES)
    enrolment_code_for(an_agent())
    assert "Code donné" in browser.get(reverse("admin:agents")).content.decode()
    EnrolmentCode.objects.update(expires_at=timezone.now())
    assert "Code donné" not in browser.get(reverse("admin:agents")).content.decode()
