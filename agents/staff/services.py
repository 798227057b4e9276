"""Making somebody an agent, changing and withdrawing their role (ADM-05).

Responsables do it from the page; the command line does it too, which is how the first of them comes to be.
"""

from collections.abc import Collection

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.auth.sessions import end_sessions
from accounts.enums import Category, State
from accounts.models import Account, AccountQuerySet
from accounts.notifications import notify_change
from accounts.permissions import AgentPermission
from agents.roles import Role
from agents.second_factor.services import delete_second_factor
from core.email_addresses import institutional_address_from_login
from hr_feed.sync.login_names import NameRegistry, uid_base
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email


class AccountNotFound(Exception):
    """No account has the login, and there is no name to make one with."""


class RoleRefused(Exception):
    """The role stays as it is; its subclasses say why."""


class RoleNotAllowed(RoleRefused):
    """Whoever asks is no Responsable any more, or asks about themselves (ADM-05)."""


class CannotBeAgent(RoleRefused):
    """The account is locked, closed, or waits for its reactivation."""


class AlreadyAgent(RoleRefused):
    """The account has a role, given a moment ago perhaps."""


class AccountIsNotAgent(RoleRefused):
    """The account has no role, or lost it a moment ago."""


class LastResponsable(RoleRefused):
    """Nobody else could manage the agents any more."""


@transaction.atomic
def grant_role(*, account: Account, role: Role, actor: Account | None = None, reason: str = "") -> None:
    """Make somebody an agent. They need an enrolment code next; their sessions end (SES-05), and they are told.

    No `actor` is the command line. Raises a RoleRefused, and then nothing has changed.
    """
    account = _held(account, actor)
    _require_state(account)
    if account.is_staff:
        raise AlreadyAgent
    _give(account, role, actor, reason)


@transaction.atomic
def change_role(*, account: Account, role: Role, actor: Account | None = None, reason: str = "") -> None:
    """Give an agent another role instead of theirs. The application stays, sessions end (SES-05), and they are told.

    The same role again changes nothing. Raises a RoleRefused, and then nothing has changed.
    """
    account = _held(account, actor)
    if not account.is_staff:
        raise AccountIsNotAgent
    former = role_of(account)
    if former == role.value:
        return
    _require_state(account)
    if role != Role.RESPONSABLES:
        _require_another_responsable(account)
    _give(account, role, actor, reason, former=former)


@transaction.atomic
def withdraw_role(*, account: Account, actor: Account | None = None, reason: str = "") -> None:
    """Make an agent, in whatever state, somebody like everybody: no role, no application, no codes, no session.

    They are told. Raises a RoleRefused, and then nothing has changed.
    """
    account = _held(account, actor)
    if not account.is_staff:
        raise AccountIsNotAgent
    _require_another_responsable(account)
    former = role_of(account)
    _set_rights(account, [])
    delete_second_factor(account=account)
    end_sessions(account=account)
    entry = record_event(account=account, actor=actor, event=Event.ROLE_WITHDRAWN, role=former, reason=reason)
    notify_change(kind=Kind.ROLE_CHANGED, entry=entry)


def role_of(account: Account) -> str:
    """The name of the agent's role; empty when there is none."""
    return ", ".join(account.groups.order_by("name").values_list("name", flat=True))


def active_managers() -> AccountQuerySet:
    """Who can manage agents today: active, in that role, with an application."""
    devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
    able: AccountQuerySet = Account.objects.active().filter(Exists(devices), is_staff=True)
    return able.filter(groups__name=Role.RESPONSABLES.value)


@transaction.atomic
def get_or_create_account(*, login: str, name: str, recovery_address: str) -> Account:
    """The account of that login, made when there is none: HR does not know it, and its activation is mailed.

    `name` is the given name, then the family name. Raises AddressRefused, NobodyOfThatLogin.
    """
    address = institutional_address_from_login(login)
    found: Account | None = Account.objects.filter(institutional_address=address).first()
    if found is not None:
        return found
    given_name, _space, family_name = name.strip().partition(" ")
    if not family_name or not recovery_address:
        raise AccountNotFound
    account: Account = Account.objects.create(
        uid=_free_uid(given_name, family_name, address),
        institutional_address=address,
        given_name=given_name,
        family_name=family_name.strip(),
        category=Category.HOSTED,
        recovery_address=recovery_address,
        password="!",  # noqa: S106 - nobody can sign in with it
    )
    record_event(account=account, event=Event.USER_CREATED)
    queue_email(kind=Kind.ACTIVATION, person=account, address=recovery_address, language=account.language)
    return account


def _held(account: Account, actor: Account | None) -> Account:
    """The account as it is now. Roles are given and withdrawn one after the other, so that of two Responsables who
    withdraw each other at once, one remains."""
    Group.objects.select_for_update().get(name=Role.RESPONSABLES.value)
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    if actor is not None:
        _require_right(Account.objects.get(pk=actor.pk), account)
    now: Account = Account.objects.with_lock().get(pk=account.pk)
    return now


def _require_right(actor: Account, account: Account) -> None:
    is_responsable = actor.is_staff and actor.state == State.ACTIVE and actor.has_perm(AgentPermission.MANAGE_AGENTS)
    if not is_responsable or actor.pk == account.pk:
        raise RoleNotAllowed


def _require_state(account: Account) -> None:
    if account.state not in (State.ACTIVE, State.PENDING):
        raise CannotBeAgent


def _require_another_responsable(account: Account) -> None:
    """Whoever cannot act is missed by nobody: a lost telephone, a lock."""
    able = set(active_managers().values_list("pk", flat=True))
    if able == {account.pk}:
        raise LastResponsable


def _give(account: Account, role: Role, actor: Account | None, reason: str, *, former: str = "") -> None:
    _set_rights(account, [Group.objects.get(name=role.value)])
    end_sessions(account=account)
    entry = record_event(
        account=account, actor=actor, event=Event.ROLE_GIVEN, role=role.value, former=former, reason=reason
    )
    notify_change(kind=Kind.ROLE_CHANGED, entry=entry)


def _set_rights(account: Account, groups: Collection[Group]) -> None:
    """Those of the groups, and none that came from elsewhere."""
    account.groups.set(groups)
    account.user_permissions.clear()
    account.is_staff, account.is_superuser = bool(groups), False
    account.save(update_fields=["is_staff", "is_superuser"])


def _free_uid(given_name: str, family_name: str, login: str) -> str:
    base = uid_base(given_name, family_name, login)
    taken = Account.objects.filter(uid__startswith=base).values_list("uid", flat=True)
    return NameRegistry(set(taken)).give(base)
