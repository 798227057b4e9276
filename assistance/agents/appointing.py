"""Making somebody an agent: from the command line, which is how the first Responsable comes to be."""

from django.contrib.auth.models import Group
from django.db import transaction

from accounts import journal
from accounts.addresses import institutional_address_from_login
from accounts.enums import Category, Event
from accounts.hr_feed.naming import TakenNames, uid_base
from accounts.models import Account
from accounts.sessions import end_sessions
from assistance.agents.roles import Role
from outbox.enums import Kind
from outbox.services import queue


class NobodyOfThatLogin(Exception):
    """No account has the login, and there is no name to make one with."""


@transaction.atomic
def appoint(*, account: Account, role: Role, actor: Account | None = None) -> None:
    """Give the account one role of the agents' area; what it had before is gone, and so are its sessions (SES-05)."""
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    if account.is_staff and list(account.groups.values_list("name", flat=True)) == [role.value]:
        return
    account.groups.set([Group.objects.get(name=role.value)])
    account.is_staff = True
    account.save(update_fields=["is_staff"])
    end_sessions(account=account)
    journal.record(account=account, actor=actor, event=Event.ROLE_GIVEN, role=role.value)


@transaction.atomic
def account_for(*, login: str, name: str, recovery_address: str) -> Account:
    """The account of that login, made when there is none: HR does not know it, and its activation is mailed.

    `name` is the given name, then the family name. Raises AddressRefused, NobodyOfThatLogin.
    """
    address = institutional_address_from_login(login)
    found: Account | None = Account.objects.filter(institutional_address=address).first()
    if found is not None:
        return found
    given_name, _space, family_name = name.strip().partition(" ")
    if not family_name or not recovery_address:
        raise NobodyOfThatLogin
    account: Account = Account.objects.create(
        uid=_free_uid(given_name, family_name, address),
        institutional_address=address,
        given_name=given_name,
        family_name=family_name.strip(),
        category=Category.HOSTED,
        recovery_address=recovery_address,
        password="!",  # noqa: S106 - nobody can sign in with it
    )
    journal.record(account=account, event=Event.USER_CREATED)
    queue(kind=Kind.ACTIVATION, person=account, address=recovery_address, language=account.language)
    return account


def _free_uid(given_name: str, family_name: str, login: str) -> str:
    base = uid_base(given_name, family_name, login)
    taken = Account.objects.filter(uid__startswith=base).values_list("uid", flat=True)
    return TakenNames(set(taken)).give(base)
