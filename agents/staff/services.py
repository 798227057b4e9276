"""The roles of agents: given, changed and withdrawn, from the pages and from the command line."""

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
from agents.staff.notices import responsables, tell_responsables
from agents.staff.tenure import approves_from
from core.email_addresses import institutional_address_from_login
from hr_feed.login_names import NameRegistry, uid_base
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email


class AccountNotFound(Exception):
    """No account has the login, and there is no name to create one."""


class RoleRefused(Exception):
    """The role is unchanged; subclasses say why."""


class RoleNotAllowed(RoleRefused):
    """The actor no longer manages agents, or the role is their own."""


class CannotBeAgent(RoleRefused):
    """The account is locked, closed, or waits for its reactivation."""


class AlreadyAgent(RoleRefused):
    """The account has a role."""


class AccountIsNotAgent(RoleRefused):
    """The account has no role."""


class LastResponsable(RoleRefused):
    """No other account could manage agents."""


@transaction.atomic
def grant_role(*, account: Account, role: Role, actor: Account | None = None, reason: str = "") -> None:
    """Give an account a role. Its sessions end, its addresses and all Responsables are notified; a code comes next.

    `actor` is None on the command line. Raises RoleRefused.
    """
    account = _lock_account(account, actor)
    _require_active_or_pending(account)
    if account.is_staff:
        raise AlreadyAgent
    _set_role(account, role, actor, reason)


@transaction.atomic
def change_role(*, account: Account, role: Role, actor: Account | None = None, reason: str = "") -> None:
    """Replace the role of an agent. The device stays, sessions end, the addresses are notified. Idempotent.

    Raises RoleRefused.
    """
    account = _lock_account(account, actor)
    if not account.is_staff:
        raise AccountIsNotAgent
    former = role_of(account)
    if former == role.value:
        return
    _require_active_or_pending(account)
    if role != Role.RESPONSABLES:
        _require_another_manager(account)
    _set_role(account, role, actor, reason, former=former)


@transaction.atomic
def withdraw_role(*, account: Account, actor: Account | None = None, reason: str = "") -> None:
    """Remove role, device, codes and sessions of an agent in any state; notify the addresses. Raises RoleRefused."""
    account = _lock_account(account, actor)
    if not account.is_staff:
        raise AccountIsNotAgent
    _require_another_manager(account)
    former = role_of(account)
    account.approves_from = None
    _set_groups(account, [])
    delete_second_factor(account=account)
    end_sessions(account=account)
    entry = record_event(account=account, actor=actor, event=Event.ROLE_WITHDRAWN, role=former, reason=reason)
    _notify(entry)


def role_of(account: Account) -> str:
    """The name of the agent's role; empty without one."""
    return ", ".join(account.groups.order_by("name").values_list("name", flat=True))


def active_managers() -> AccountQuerySet:
    """Accounts that can manage agents today: active, in that role, with a device."""
    devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
    managers: AccountQuerySet = responsables().filter(Exists(devices))
    return managers


@transaction.atomic
def get_or_create_account(*, login: str, name: str, recovery_address: str) -> Account:
    """The account of that login, created when HR does not know it; its activation link is then mailed.

    `name` is the given name, then the family name. Raises InvalidAddress, AccountNotFound.
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
        password="!",  # noqa: S106 - unusable
    )
    record_event(account=account, event=Event.USER_CREATED)
    queue_email(kind=Kind.ACTIVATION, person=account, address=recovery_address, language=account.language)
    return account


def _lock_account(account: Account, actor: Account | None) -> Account:
    # The row of the group serialises all changes of roles: of two agents who withdraw each other's, one remains.
    Group.objects.select_for_update().get(name=Role.RESPONSABLES.value)
    locked: Account = Account.objects.lock(account.pk)
    if actor is not None:
        _require_manager(Account.objects.get(pk=actor.pk), account)
    return locked


def _require_manager(actor: Account, account: Account) -> None:
    is_manager = actor.is_staff and actor.state == State.ACTIVE and actor.has_perm(AgentPermission.MANAGE_AGENTS)
    if not is_manager or actor.pk == account.pk:
        raise RoleNotAllowed


def _require_active_or_pending(account: Account) -> None:
    if account.state not in (State.ACTIVE, State.PENDING):
        raise CannotBeAgent


def _require_another_manager(account: Account) -> None:
    managers = set(active_managers().values_list("pk", flat=True))
    if managers == {account.pk}:
        raise LastResponsable


def _set_role(account: Account, role: Role, actor: Account | None, reason: str, *, former: str = "") -> None:
    account.approves_from = approves_from(actor)
    _set_groups(account, [Group.objects.get(name=role.value)])
    end_sessions(account=account)
    entry = record_event(
        account=account, actor=actor, event=Event.ROLE_GIVEN, role=role.value, former=former, reason=reason
    )
    _notify(entry)


def _notify(entry: JournalEntry) -> None:
    notify_change(kind=Kind.ROLE_CHANGED, entry=entry)
    tell_responsables(entry)


def _set_groups(account: Account, groups: Collection[Group]) -> None:
    account.groups.set(groups)
    account.user_permissions.clear()
    account.is_staff, account.is_superuser = bool(groups), False
    account.save(update_fields=["is_staff", "is_superuser", "approves_from"])


def _free_uid(given_name: str, family_name: str, login: str) -> str:
    base = uid_base(given_name, family_name, login)
    taken = Account.objects.filter(uid__startswith=base).values_list("uid", flat=True)
    return NameRegistry(set(taken)).give(base)
