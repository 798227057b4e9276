"""The mails of an account: forgotten password, and the notices of what was changed or locked."""

from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings
from django.urls import reverse

from accounts.enums import State
from accounts.expiry import day_as_number
from accounts.links.links import not_me_link, password_reset_link, recovery_address_link
from accounts.models import Account, Lock, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.notifications import notification_addresses
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from outbox.registry import Email, register_email, register_prefetch


@register_prefetch
def people(messages: Sequence[Message]) -> None:
    """Whose mails they are, and whether they are locked."""
    accounts = Account.objects.with_lock().in_bulk({message.person_id for message in messages if message.person_id})
    for message in messages:
        message.person = accounts.get(message.person_id)


@register_email(Kind.PASSWORD_RESET)
def password_reset(message: Message) -> Email | None:
    """The link to choose a new password; to the address on file, while the account is active."""
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
    """Asks whoever reads an address whether it may serve to recover the account."""
    account = message.person
    wishes = RecoveryAddressChange.objects.waiting().filter(account=account, new_address=message.address)
    change = wishes.filter(pk=message.subject_id or 0).first()
    if account is None or account.state != State.ACTIVE or change is None or message.built_at is None:
        return None
    # With another password since, whoever asked may have been somebody else; the owner can ask again.
    if account.password_changed_at is not None and message.created_at < account.password_changed_at:
        return None
    deadline = recovery_address_link.deadline(message.built_at)
    link = recovery_address_link.url(account, deadline, change.pk)
    return Email("accounts/emails/recovery_verification", {"account": account, "link": link}, deadline)


@register_email(Kind.RECOVERY_CHANGED)
def recovery_changed(message: Message) -> Email | None:
    """Tells the old address that it serves no more, and how to take it back."""
    return notice(message, "accounts/emails/recovery_changed")


@register_email(Kind.RECOVERY_CORRECTED)
def recovery_corrected(message: Message) -> Email | None:
    """Tells an address that stood in the file by mistake that it serves no more; nothing to say if it serves again."""
    account = message.person
    entry = JournalEntry.objects.filter(account=message.person_id, pk=message.subject_id or 0).first()
    if account is None or account.is_closed or entry is None or message.address == account.recovery_address:
        return None
    context = {"account": account, "entry": entry, "assistance_url": _assistance_url()}
    return Email("accounts/emails/recovery_corrected", context)


@register_email(Kind.RECOVERY_REPLACEMENT)
def recovery_replacement(message: Message) -> Email | None:
    """Tells every address on file from when another recovery address serves, and how to prevent it (HLP-05)."""
    made = notice(message, "accounts/emails/recovery_replacement")
    correction = RecoveryAddressCorrection.objects.approved().filter(account=message.person_id).first()
    if made is None or correction is None or message.address not in notification_addresses(correction.account):
        return None
    return replace(made, context={**made.context, "effective_at": correction.effective_at})


@register_email(Kind.RECOVERY_ANNOUNCED)
def recovery_announced(message: Message) -> Email | None:
    """Tells the new address from when it serves, and whom to tell if it is somebody else's (HLP-05)."""
    account = message.person
    approved = RecoveryAddressCorrection.objects.approved().filter(account=account, new_address=message.address)
    correction = approved.filter(pk=message.subject_id or 0).first()
    if account is None or account.is_closed or correction is None:
        return None
    facts: dict[str, object] = {"account": account, "effective_at": correction.effective_at}
    return Email("accounts/emails/recovery_announced", {**facts, "assistance_url": _assistance_url()})


@register_email(Kind.PASSWORD_CHANGED)
def password_changed(message: Message) -> Email | None:
    """Tells every address on file that the password is another one."""
    return notice(message, "accounts/emails/password_changed")


@register_email(Kind.ACCOUNT_LOCKED)
def account_locked(message: Message) -> Email | None:
    """Tells the recovery address why the account was locked and where to get help; holds no link that sets anything
    (HLP-02). Nothing to say once the lock is released."""
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
    """Tells what stops with the end date, what to save, whom to tell if it is wrong; pointless once HR has moved it."""
    account = message.person
    if account is None or account.state != State.ACTIVE or account.end_date is None:
        return None
    if message.subject_id != day_as_number(account.end_date) or message.address not in notification_addresses(account):
        return None
    account_url = f"{settings.PORTAL_URL}{reverse('account')}"
    return Email("accounts/emails/account_closing", {"account": account, "account_url": account_url})


def notice(message: Message, template: str) -> Email | None:
    """The mail about the change that an entry of the journal records, with its "ce n'était pas moi".

    It is sent even when the account has been locked since: what it says happened. Not when an agent has settled it.
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
