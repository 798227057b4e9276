"""The mails about an account."""

from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings
from django.urls import reverse

from accounts.enums import State
from accounts.expiry import day_as_number
from accounts.links.account_links import not_me_link, password_reset_link, recovery_address_link
from accounts.models import Account, Lock, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.notifications import notification_addresses
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from outbox.registry import Email, register_email, register_prefetch


@register_prefetch
def people(messages: Sequence[Message]) -> None:
    """One query for all accounts, with their locks."""
    accounts = Account.objects.with_lock().in_bulk({message.person_id for message in messages if message.person_id})
    for message in messages:
        message.person = accounts.get(message.person_id)


@register_email(Kind.PASSWORD_RESET)
def password_reset(message: Message) -> Email | None:
    account = message.person
    if account is None or account.state != State.ACTIVE or message.built_at is None:
        return None
    if not account.can_be_mailed or account.recovery_address != message.address:
        return None
    deadline = password_reset_link.deadline(message.built_at)
    link = password_reset_link.url(account, deadline, password_reset_link.subject(account))
    return Email("accounts/emails/password_reset", {"account": account, "link": link}, deadline)


@register_email(Kind.RECOVERY_VERIFICATION)
def recovery_verification(message: Message) -> Email | None:
    """To the new address, which confirms the change."""
    account = message.person
    pending = RecoveryAddressChange.objects.waiting().filter(account=account, new_address=message.address)
    change = pending.filter(pk=message.subject_id or 0).first()
    if account is None or account.state != State.ACTIVE or change is None or message.built_at is None:
        return None
    # An intruder may have asked for it before the owner changed the password.
    if account.password_changed_at is not None and message.created_at < account.password_changed_at:
        return None
    deadline = recovery_address_link.deadline(message.built_at)
    link = recovery_address_link.url(account, deadline, change.pk)
    return Email("accounts/emails/recovery_verification", {"account": account, "link": link}, deadline)


@register_email(Kind.RECOVERY_CHANGED)
def recovery_changed(message: Message) -> Email | None:
    """To the previous address and the mailbox, with a link to undo it."""
    return notice(message, "accounts/emails/recovery_changed")


@register_email(Kind.RECOVERY_CORRECTED)
def recovery_corrected(message: Message) -> Email | None:
    """To the address that another one has replaced, unless it is on file again."""
    account = message.person
    entry = JournalEntry.objects.filter(account=message.person_id, pk=message.subject_id or 0).first()
    if account is None or account.is_closed or entry is None or message.address == account.recovery_address:
        return None
    is_restored = entry.event == Event.RECOVERY_ADDRESS_RESTORED
    context = {
        "account": account,
        "entry": entry,
        "by_agents": is_restored and entry.actor_id is not None,
        "by_report": is_restored and entry.actor_id is None,
        "assistance_url": _assistance_url(),
    }
    return Email("accounts/emails/recovery_corrected", context)


@register_email(Kind.RECOVERY_REPLACEMENT)
def recovery_replacement(message: Message) -> Email | None:
    """To each address on file, with the date and a link to object."""
    email = notice(message, "accounts/emails/recovery_replacement")
    correction = RecoveryAddressCorrection.objects.approved().filter(account=message.person_id).first()
    if email is None or correction is None or message.address not in notification_addresses(correction.account):
        return None
    return replace(email, context={**email.context, "effective_at": correction.effective_at})


@register_email(Kind.RECOVERY_ANNOUNCED)
def recovery_announced(message: Message) -> Email | None:
    """To the new address, with the date."""
    account = message.person
    approved = RecoveryAddressCorrection.objects.approved().filter(account=account, new_address=message.address)
    correction = approved.filter(pk=message.subject_id or 0).first()
    if account is None or account.is_closed or correction is None:
        return None
    facts: dict[str, object] = {"account": account, "effective_at": correction.effective_at}
    return Email("accounts/emails/recovery_announced", {**facts, "assistance_url": _assistance_url()})


@register_email(Kind.PASSWORD_CHANGED)
def password_changed(message: Message) -> Email | None:
    """To each address on file."""
    return notice(message, "accounts/emails/password_changed")


@register_email(Kind.ACCOUNT_LOCKED)
def account_locked(message: Message) -> Email | None:
    """To the recovery address, with the reason and without any link that sets a password."""
    account = message.person
    lock = Lock.objects.open().filter(account=message.person_id, pk=message.subject_id or 0).first()
    if account is None or account.is_closed or lock is None:
        return None
    if not account.can_be_mailed or account.recovery_address != message.address:
        return None
    context = {"account": account, "lock": lock, "assistance_url": _assistance_url()}
    return Email("accounts/emails/account_locked", context)


@register_email(Kind.ACCOUNT_CLOSING)
def account_closing(message: Message) -> Email | None:
    """Not sent once HR has moved the end date."""
    account = message.person
    if account is None or account.state != State.ACTIVE or account.end_date is None:
        return None
    if message.subject_id != day_as_number(account.end_date) or message.address not in notification_addresses(account):
        return None
    account_url = f"{settings.PORTAL_URL}{reverse('account')}"
    return Email("accounts/emails/account_closing", {"account": account, "account_url": account_url})


@register_email(Kind.ACCOUNT_REOPENED)
def account_reopened(message: Message) -> Email | None:
    """To each address on file, after a short absence."""
    account = message.person
    if account is None or account.state != State.ACTIVE or message.address not in notification_addresses(account):
        return None
    pages = {"account_url": "account", "forgotten_password_url": "forgotten-password"}
    urls = {key: f"{settings.PORTAL_URL}{reverse(name)}" for key, name in pages.items()}
    return Email("accounts/emails/account_reopened", {"account": account, **urls})


def notice(message: Message, template: str) -> Email | None:
    """The mail about a change, with a link « Ce n’était pas moi ».

    It is sent even when the account was locked since, not when an agent has settled it.
    """
    account = message.person
    entry = JournalEntry.objects.filter(account=message.person_id, pk=message.subject_id or 0).first()
    if account is None or account.is_closed or entry is None or not_me_link.is_settled(entry):
        return None
    deadline = not_me_link.deadline(entry.at)
    context = {
        "account": account,
        "entry": entry,
        "link": not_me_link.url(account, deadline, entry.pk),
        "to_old_address": message.address not in (account.recovery_address, account.institutional_address),
    }
    return Email(template, context, deadline)


def _assistance_url() -> str:
    return f"{settings.PORTAL_URL}{reverse('assistance')}"
