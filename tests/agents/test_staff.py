"""Responsables give, change and withdraw the roles of agents (ADM-05); `create_agent` creates the first one (ADM-03)."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import StringIO

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from accounts.recovery import two_agents
from agents.models import BackupCode, EnrolmentCode
from agents.roles import Role
from agents.staff.services import change_role, grant_role, withdraw_role
from agents.staff.tenure import TENURE
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.recovering import approve, proposed
from tests.agents.signed_in import an_agent, code_of, enrol_device, enrolment_code_for, verified_agent
from tests.agents.test_scale import queries_of
from tests.concurrency import attempt, together
from tests.factories import active_account, pending_account, reloaded
from tests.locking import locked_account, unlocked_account
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES
REASON, DEPARTURE = "Arrivée dans l’équipe.", "Départ du service."
BY_COMMAND = "Rôle donné sur le serveur, en ligne de commande"
CODE = re.compile(r"[a-z0-9]{4}(?:-[a-z0-9]{4}){3}")


def add(browser: Client, login: str, role: str = "Lecture") -> HttpResponse:
    return browser.post(reverse("admin:agent-new"), {"login": login, "role": role, "reason": REASON})


def change(browser: Client, account: Account, role: str, reason: str = REASON) -> HttpResponse:
    return browser.post(reverse("admin:agent-role", args=[account.pk]), {"role": role, "reason": reason})


def withdraw(browser: Client, account: Account, reason: str = DEPARTURE) -> HttpResponse:
    return browser.post(reverse("admin:agent-withdrawal", args=[account.pk]), {"reason": reason})


def role_of(account: Account) -> tuple[bool, list[str]]:
    return reloaded(account).is_staff, [group.name for group in account.groups.all()]


def recipients(account: Account) -> set[str]:
    return set(account.messages.filter(kind=Kind.ROLE_CHANGED).values_list("address", flat=True))


def enrolled_responsable() -> Account:
    account = an_agent(Role.RESPONSABLES)
    enrol_device(account)
    return account


def outcome_of(act: Callable[..., None], **facts: object) -> str:
    return type(attempt(partial(act, **facts))).__name__


def run(command: str, *words: str) -> str:
    out = StringIO()
    call_command(command, *words, stdout=out, stderr=out)
    return out.getvalue()


class TestAdding:
    def test_makes_an_agent_who_still_needs_a_code_and_notifies_every_address(self, agent, browser):
        """ADM-03, ADM-05, SES-05: the role is the only source of permissions."""
        account = active_account(is_superuser=True)
        account.user_permissions.set(Permission.objects.filter(codename="manage_agents"))
        elsewhere = browser_of(account)
        answer = add(browser, account.login.upper(), "Assistance")
        assert answer.url == reverse("admin:agent-code", args=[account.pk])
        assert f"{account.full_name} est maintenant agent" in browser.get(answer.url).content.decode()
        assert (role_of(account), reloaded(account).is_superuser) == ((True, ["Assistance"]), False)
        assert not account.user_permissions.exists()
        assert elsewhere.get(reverse("account")).status_code == 302
        entry = account.journal.get(event=Event.ROLE_GIVEN)
        assert (entry.actor, entry.details) == (agent, {"role": "Assistance", "former": "", "reason": REASON})
        assert not EnrolmentCode.objects.exists()
        opened = browser_of(account).get(reverse("admin:index"), follow=True)
        assert opened.request["PATH_INFO"] == reverse("admin:enrolment")
        assert recipients(account) == {account.recovery_address, account.institutional_address}

    def test_refuses_accounts_that_are_not_active_have_a_role_or_are_unknown(self, browser):
        """ADM-05, ADM-06, HLP-01: and keeps what was typed."""
        closed = active_account(end_date=timezone.localdate() - timedelta(days=1))
        refused = [(pending_account(), "pas encore activé"), (locked_account(), "bloqué"), (closed, "fermé")]
        refused += [(unlocked_account(), "nouveau mot de passe"), (an_agent(), "déjà un agent")]
        for account, words in refused:
            before, page = role_of(account), add(browser, account.login).content.decode()
            assert [text for text in (words, account.login, REASON) if text not in page] == []
            assert role_of(account) == before
        assert outcome_of(grant_role, account=locked_account(), role=Role.LECTURE) == "CannotBeAgent"
        account = active_account()
        wrong = [(login, "Lecture", "Erreur") for login in ("", "nulle.personne", "a@exemple.net", "a\x00b", "é" * 300)]
        wrong += [(account.login, role, "Choisissez un rôle") for role in ("", "Chef", "assistance")]
        for login, role, words in wrong:
            assert words in add(browser, login, role).content.decode(), (login, role)
        assert role_of(account) == (False, [])


class TestAnotherRole:
    def test_is_given_with_a_reason_and_the_device_stays(self, agent, browser):
        """ADM-05, SES-05"""
        other, elsewhere = verified_agent(Role.ASSISTANCE)
        for role, reason, words in (
            *(("Lecture", reason, "Erreur") for reason in ("", "parce que", "x" * 501)),
            ("Assistance", REASON, "déjà son rôle"),
        ):
            assert words in change(browser, other, role, reason).content.decode()
        assert 'OF "accounts_account"' in str(queries_of(lambda: change_role(account=other, role=Role.ASSISTANCE)))
        assert (role_of(other), other.messages.count()) == ((True, ["Assistance"]), 0)
        answer = change(browser, other, "Lecture")
        assert "a maintenant le rôle Lecture" in browser.get(answer.url).content.decode()
        assert role_of(other) == (True, ["Lecture"])
        assert elsewhere.get(reverse("admin:index")).status_code == 302
        assert TOTPDevice.objects.filter(user=other, confirmed=True).exists()
        entry = other.journal.filter(event=Event.ROLE_GIVEN).latest("at")
        assert (entry.actor, entry.details) == (agent, {"role": "Lecture", "former": "Assistance", "reason": REASON})
        assert len(recipients(other)) == 2

    def test_is_refused_to_a_locked_agent_and_after_a_withdrawal(self, browser):
        """ADM-05, HLP-01"""
        other = an_agent(Role.LECTURE)
        lock_account(account=other, reason=LockReason.PHISHING)
        page = change(browser, other, "Responsables").content.decode()
        assert [text for text in ("actif", REASON) if text not in page] == []
        before = reloaded(other)
        assert withdraw(browser, other).status_code == 302
        assert (role_of(other), reloaded(other).is_locked) == ((False, []), True)
        assert outcome_of(change_role, account=before, role=Role.RESPONSABLES) == "AccountIsNotAgent"
        assert outcome_of(withdraw_role, account=before) == "AccountIsNotAgent"


class TestWithdrawing:
    def test_removes_role_device_codes_and_sessions_and_notifies_every_address(self, agent, browser):
        """ADM-05, SES-05: the account stays."""
        other, _elsewhere = verified_agent()
        BackupCode.objects.create(device=TOTPDevice.objects.get(user=other), label="k7fq", digest="x")
        assert "Écrivez la raison" in withdraw(browser, other, "").content.decode()
        assert role_of(other) == (True, ["Assistance"])
        page = browser.get(withdraw(browser, other).url).content.decode()
        assert (f"{other.full_name} n’est plus agent." in page, other.login in page) == (True, False)
        assert role_of(other) == (False, [])
        left = TOTPDevice.objects.filter(user=other), BackupCode.objects.all(), Session.objects.filter(account=other)
        assert [rows.exists() for rows in left] == [False, False, False]
        entry = other.journal.get(event=Event.ROLE_WITHDRAWN)
        assert (entry.actor, entry.details) == (agent, {"role": "Assistance", "reason": DEPARTURE})
        again = browser_of(other)
        assert [again.get(reverse(name)).status_code for name in ("account", "admin:index")] == [200, 403]
        assert recipients(other) == {other.recovery_address, other.institutional_address}

    def test_leaves_no_enrolment_code_or_device_for_a_later_role(self, browser):
        """ADM-03: nor is an expired code listed."""
        other, now = an_agent(), timezone.now()
        code = enrolment_code_for(other)
        for expires_at, is_listed in ((now, False), (now + timedelta(hours=1), True)):
            EnrolmentCode.objects.update(expires_at=expires_at)
            assert ("Code remis" in browser.get(reverse("admin:agents")).content.decode()) is is_listed
        enrol_device(other)
        withdraw(browser, other)
        grant_role(account=reloaded(other), role=Role.LECTURE)
        assert browser_of(other).post(reverse("admin:enrolment"), {"code": code}).status_code == 200
        assert not TOTPDevice.objects.filter(user=other).exists()


class TestTwoAgents:
    """HLP-05, ADM-03, ADM-04, ADM-05"""

    def test_an_agent_whom_one_responsable_made_is_no_second_agent_for_seven_days(self, agent, browser):
        colleague, puppet, victims = enrolled_responsable(), active_account(), [active_account() for _ in range(3)]
        correction, page_of_code = proposed(victims[0], agent), add(browser, puppet.login, "Responsables").url
        assert not CODE.search(browser.post(page_of_code, {"reason": ""}).content.decode())
        [code] = CODE.findall(browser.post(page_of_code, {"reason": REASON}).content.decode())
        entry = puppet.journal.get(event=Event.ENROLMENT_CODE_GIVEN)
        assert (entry.actor, entry.details, EnrolmentCode.objects.get().account) == (agent, {"reason": REASON}, puppet)
        of_others = [reverse("admin:agent-code", args=[one.pk]) for one in (agent, victims[0])]
        for ask in (browser.get, browser.post):
            assert [ask(page, {"reason": REASON}).status_code for page in of_others] == [403, 404]
        theirs = browser_of(puppet)
        theirs.post(reverse("admin:enrolment"), {"code": code})
        theirs.post(reverse("admin:application"), {"code": code_of(puppet.totpdevice_set.get())})
        approval, page = (reverse(f"admin:address{name}", args=[correction.pk]) for name in ("-approve", ""))
        typed = {"address": "a@exemple.org", "proof": "in-person", "reason": REASON}
        proposal = theirs.post(reverse("admin:account-correct", args=[victims[1].pk]), typed)
        for html in (one.content.decode() for one in (theirs.post(approval, follow=True), theirs.get(page), proposal)):
            assert ("moins de sept jours" in html, "Approuver et prévenir" in html) == (True, False)
        told = Message.objects.filter(kind=Kind.AGENTS_CHANGED)
        assert Counter(told.values_list("person", flat=True)) == {agent.pk: 4, colleague.pk: 4}
        with time_machine.travel(timezone.now() + TENURE):
            own = proposed(victims[1], reloaded(puppet))
            assert approve(correction, reloaded(puppet)).approved_by == puppet
        with pytest.raises(two_agents.ProposerNotCounted):
            approve(own, colleague)
        run("create_agent", puppet.login, "--role", "Responsables")
        assert approve(own, colleague).approved_by == colleague
        late = reverse("admin:address-approve", args=[proposed(victims[2], reloaded(puppet)).pk])
        withdraw_role(account=puppet)
        assert "n’a plus ce rôle" in browser.post(late, follow=True).content.decode()

    def test_acts_of_one_agent_alone_ask_for_a_code_unless_one_was_given_within_five_minutes(self, agent, browser):
        """A code that was accepted is not asked for again while other fields are corrected."""
        other, person, device = an_agent(), active_account(), agent.totpdevice_set.get()
        appointment = {"login": person.login, "role": "Lecture", "reason": REASON}
        acts = [(name, other.pk, appointment) for name in ("agent-role", "agent-code", "agent-withdrawal")]
        acts += [("address-approve", proposed(active_account()).pk, {}), ("agent-new", None, appointment)]
        with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False) as clock:
            for name, pk, data in acts:
                url, before = reverse(f"admin:{name}", args=[pk] if pk else []), Message.objects.count()
                assert 'name="code"' in browser.get(url.removesuffix("approuver/")).content.decode()
                for code, words in (("", "Saisissez le code"), ("k7fq-2m9x-w4tp-bh3z", "ne correspond pas")):
                    assert words in browser.post(url, {**data, "code": code}).content.decode(), name
                    TOTPDevice.objects.update(throttling_failure_count=0)
                assert Message.objects.count() == before
            wrong = browser.post(url, {**appointment, "login": "personne", "code": code_of(device)}).content.decode()
            assert ("Aucun compte" in wrong, 'name="code"' in wrong) == (True, False)
            assert browser.post(url, appointment).status_code == 302
            clock.shift(timedelta(minutes=5))
            assert 'name="code"' in browser.get(url).content.decode()


class TestPermission:
    def test_no_agent_changes_their_own_role_and_other_roles_manage_no_agents(self, agent, browser):
        """ADM-05: neither on the page nor in the service."""
        enrolled_responsable()
        assistant, account = an_agent(Role.ASSISTANCE), active_account()
        own_pages = [reverse(f"admin:{name}", args=[agent.pk]) for name in ("agent-role", "agent-withdrawal")]
        answers = [*map(browser.get, own_pages), change(browser, agent, "Lecture"), withdraw(browser, agent)]
        assert [answer.status_code for answer in answers] == [403] * 4
        acts = [(withdraw_role, {"account": agent, "actor": one}) for one in (agent, reloaded(assistant))]
        acts.append((grant_role, {"account": account, "role": Role.LECTURE, "actor": assistant}))
        for act, facts in (*acts, (change_role, {"account": agent, "role": Role.LECTURE, "actor": agent})):
            assert outcome_of(act, **facts) == "RoleNotAllowed"
        assert [role_of(one)[1] for one in (agent, assistant, account)] == [["Responsables"], ["Assistance"], []]
        assert [change(browser, account, "Lecture").status_code, withdraw(browser, account).status_code] == [404, 404]

    def test_the_last_responsable_who_can_log_in_keeps_the_role(self):
        """ADM-05: on the command line too; locked Responsables and those without a confirmed device do not count."""
        last, without_device, locked = enrolled_responsable(), an_agent(Role.RESPONSABLES), enrolled_responsable()
        TOTPDevice.objects.create(user=without_device, name="application", confirmed=False)
        lock_account(account=locked, reason=LockReason.PHISHING)
        assert outcome_of(withdraw_role, account=last) == "LastResponsable"
        assert outcome_of(change_role, account=last, role=Role.ASSISTANCE) == "LastResponsable"
        with pytest.raises(CommandError, match="nommez d’abord"):
            run("create_agent", last.login, "--role", "Lecture")
        assert (role_of(last), last.messages.count()) == ((True, ["Responsables"]), 0)
        assert TOTPDevice.objects.filter(user=last).exists()
        enrolled_responsable()
        for one in (without_device, last):
            assert outcome_of(withdraw_role, account=one) == "NoneType"

    @pytest.mark.django_db(transaction=True)
    def test_of_two_responsables_who_withdraw_each_other_at_once_one_remains(self):
        for _ in range(6):
            one, other = enrolled_responsable(), enrolled_responsable()
            outcomes = together(
                lambda one=one, other=other: outcome_of(withdraw_role, account=other, actor=one),
                lambda one=one, other=other: outcome_of(withdraw_role, account=one, actor=other),
            )
            assert sorted(outcomes) == ["NoneType", "RoleNotAllowed"]
            assert sorted(reloaded(each).is_staff for each in (one, other)) == [False, True]
            Account.objects.filter(pk__in=[one.pk, other.pk]).update(is_staff=False)


class TestCreateAgent:
    def test_gives_a_role_prints_the_code_once_and_another_when_asked(self):
        """SES-05"""
        account = active_account()
        browser_of(account)
        printed = run("create_agent", account.login, "--role", "Assistance")
        assert "http://127.0.0.1:8000/admin/inscription/" in printed
        assert (role_of(account), len(recipients(account))) == ((True, ["Assistance"]), 2)
        assert not Session.objects.filter(account=account).exists()
        details = account.journal.get(event=Event.ROLE_GIVEN).details
        assert details == {"role": "Assistance", "former": "", "reason": BY_COMMAND}
        enrol_device(account)
        again = [run("create_agent", account.login, "--role", "Assistance", *more) for more in ([], ["--new-code"])]
        codes = [CODE.findall(text) for text in (printed, *again)]
        assert [len(one) for one in codes] == [1, 0, 1]
        assert (codes[0] == codes[2], EnrolmentCode.objects.count()) == (False, 1)
        assert account.journal.filter(event=Event.ROLE_GIVEN).count() == 1
        assert not account.totpdevice_set.exists()

    def test_creates_an_account_that_hr_does_not_know_and_refuses_other_arguments(self, settings):
        """HLP-01"""
        unknown, name, locked = ("nulle.personne", "--role", "Lecture"), ("--name", "Nulle Personne"), locked_account()
        refused = [unknown, (*unknown, *name), (*unknown, *name, "--recovery-address", "a@univ-exemple.fr")]
        refused += [(login, "--role", "Lecture") for login in (locked.login, "pas une adresse")]
        for words in (*refused, (active_account().login, "--role", "Chef")):
            with pytest.raises(CommandError):
                run("create_agent", *words)
        settings.DEVELOPMENT = False
        with pytest.raises(CommandError, match="DEBUG"):
            run("load_demo")
        assert (role_of(locked), Account.objects.count()) == ((False, []), 2)
        words = ("--role", "Responsables", "--name", "Lou Martin-Dupré", "--recovery-address", "lou@exemple.net")
        run("create_agent", "lou.martin", *words)
        lou = Account.objects.get(institutional_address="lou.martin@univ-exemple.fr")
        assert (lou.hr_id, lou.uid, lou.full_name) == (None, "lmartindupre", "Lou Martin-Dupré")
        assert Message.objects.get(person=lou, kind=Kind.ACTIVATION).address == "lou@exemple.net"
