"""Create mailboxes; choose, change, verify and stop forwarding."""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.enums import Category, State
from accounts.models import Account
from accounts.notifications import notify_change
from accounts.recovery.mail_quota import MailQuotaExceeded, log_withheld_mail, verification_allowed_at
from accounts.services import AccountNotActive, lock_active_account
from core.compiled_query import CompiledQuery
from core.email_addresses import same_address
from core.rate_limits import SHORTEST_TIME_BETWEEN_MAILS
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event, record_events
from mailrouting.domains import forwarding_address
from mailrouting.models import Mailbox, Redirection
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email

_ASKED_TO_CONFIRM = CompiledQuery(
    lambda person, subject, address: Message.objects.filter(
        person=person, kind=Kind.REDIRECTION_VERIFICATION, subject_id=subject, address=address
    ).order_by("-created_at")[:1]
)


class ForwardingNotAllowed(Exception):
    """The university does not allow forwarding, or not to that address any more."""


@transaction.atomic
def create_mailbox(*, account: Account) -> Mailbox:
    """Create the mailbox of the institutional address. Idempotent."""
    mailbox, created = Mailbox.objects.get_or_create(
        account=account, defaults={"address": account.institutional_address}
    )
    if created:
        record_event(account=account, actor=account, event=Event.MAILBOX_CREATED)
    return mailbox


def create_mailboxes_of_updated(
    sender: object, accounts: Collection[int], actor: Account | None, **kwargs: object
) -> None:
    """Create the mailboxes of activated accounts that HR has made staff, in a fixed number of statements, inside the
    transaction that has locked their rows. No mailbox is ever deleted.
    """
    members = Account.objects.filter(pk__in=accounts, category=Category.STAFF, activated_at__isnull=False)
    without = list(members.filter(mailbox__isnull=True).exclude(end_date__lt=timezone.localdate()))
    Mailbox.objects.bulk_create(Mailbox(account=one, address=one.institutional_address) for one in without)
    record_events(accounts=without, event=Event.MAILBOX_CREATED, actor=actor)


def forget_redirections(sender: object, accounts: Collection[int], actor: Account | None, **kwargs: object) -> None:
    """After a long absence the old target may be another person's: the activation asks again. In the transaction that
    has locked the accounts.
    """
    decided = Redirection.objects.filter(account__in=accounts)
    stopped = [redirection.account for redirection in decided.exclude(target="").select_related("account")]
    decided.delete()
    record_events(accounts=stopped, event=Event.REDIRECTION_STOPPED, actor=actor)


@transaction.atomic
def choose_redirection(*, account: Account, target: str, keep_copy: bool) -> Redirection:
    """The wizard's answer: forward to `target`. The recovery address is verified already; any other address has to be
    confirmed through a mail first.

    Idempotent. Raises ForwardingNotAllowed, or InvalidAddress for an
    address of the university itself or of a domain that it does not allow.
    """
    redirection, _entry = _redirect(_lock_row(account), target=target, keep_copy=keep_copy)
    return redirection


@transaction.atomic
def change_redirection(*, account: Account, target: str, keep_copy: bool) -> Redirection:
    """Forward to `target`, by the rules of `choose_redirection`, and notify every address on file.

    Until another address than the recovery address is confirmed, nothing is forwarded, not even to the address before.
    Raises AccountNotActive besides.
    """
    redirection, entry = _redirect(lock_active_account(account), target=target, keep_copy=keep_copy)
    if entry is not None:
        notify_change(kind=Kind.REDIRECTION_CHANGED, entry=entry)
    return redirection


@transaction.atomic
def decline_redirection(*, account: Account) -> Redirection:
    """The wizard's answer: deliver to the university mailbox only."""
    account = _lock_row(account)
    current = _redirection(account)
    if current is not None and not current.is_wanted:
        return current
    record_event(account=account, actor=account, event=Event.REDIRECTION_DECLINED)
    return _decide(account, current, target="", keep_copy=True, verified_at=None)


@transaction.atomic
def stop_redirection(*, account: Account) -> None:
    """Deliver to the university mailbox only, and notify every address on file.

    Also cancels a pending address and revokes its link. Idempotent. Raises AccountNotActive.
    """
    account = lock_active_account(account)
    current = _redirection(account)
    if current is None or not current.is_wanted:
        return
    entry = _stop(account, current, actor=account)
    notify_change(kind=Kind.REDIRECTION_CHANGED, entry=entry)


@transaction.atomic
def remove_redirection_of_unlocked(sender: object, account: Account, agent: Account | None, **kwargs: object) -> None:
    """Stop forwarding on unlock, since an intruder may have set it. The unlock mail and its page say so."""
    current = _redirection(_lock_row(account))
    if current is not None and current.is_wanted:
        _stop(account, current, actor=agent)


@transaction.atomic
def resend_verification(*, account: Account) -> Message:
    """Mail the verification link once more. Raises MailQuotaExceeded when it is too early or too often,
    Redirection.DoesNotExist when nothing waits, ForwardingNotAllowed, AccountNotActive.
    """
    account = _lock_unlocked(account.pk)
    redirection = Redirection.objects.waiting().get(account=account)
    if redirection.suspension:
        raise ForwardingNotAllowed
    retry_at = next_mail_at(redirection)
    if retry_at > timezone.now():
        log_withheld_mail(kind=Kind.REDIRECTION_VERIFICATION, person=account)
        raise MailQuotaExceeded(retry_at)
    return _ask_for_verification(account, redirection)


@transaction.atomic
def postpone_verification(*, account: Account) -> None:
    """Continue without waiting: forwarding starts once the address is confirmed. Idempotent."""
    Redirection.objects.waiting().filter(account=account, postponed_at__isnull=True).update(postponed_at=timezone.now())


@transaction.atomic
def verify_redirection(*, redirection_id: int, target: str) -> bool:
    """Mark `target` as verified; False when it was already. Every address on file of an active account is notified.

    Raises Redirection.DoesNotExist when another address has been chosen since, AccountNotActive.
    """
    aimed_there = Redirection.objects.filter(pk=redirection_id, target=target)
    account = _lock_unlocked(aimed_there.values_list("account_id", flat=True).get())
    redirection = aimed_there.get()
    if redirection.verified_at is not None:
        return False
    redirection.verified_at = timezone.now()
    redirection.save(update_fields=["verified_at"])
    entry = record_event(
        account=account, event=Event.REDIRECTION_VERIFIED, target=target, keep_copy=redirection.keep_copy
    )
    if account.state == State.ACTIVE:
        notify_change(kind=Kind.REDIRECTION_CHANGED, entry=entry)
    return True


def last_verification_mail(redirection: Redirection) -> Message | None:
    """The last mail that asked to confirm the address as it is now."""
    return _ASKED_TO_CONFIRM.first(redirection.account_id, redirection.pk, redirection.target)


def next_mail_at(redirection: Redirection) -> datetime:
    """Earliest time of the next verification mail, by the quotas of the address and of the account."""
    kind, last = Kind.REDIRECTION_VERIFICATION, last_verification_mail(redirection)
    return verification_allowed_at(kind=kind, address=redirection.target, person=redirection.account, last=last)


def seconds_until_next_mail(last: Message | None) -> int:
    """Seconds left of the minute between two mails; the hourly quota is not looked at."""
    if last is None:
        return 0
    return max(0, int((last.created_at + SHORTEST_TIME_BETWEEN_MAILS - timezone.now()).total_seconds()))


def _redirect(account: Account, *, target: str, keep_copy: bool) -> tuple[Redirection, JournalEntry | None]:
    if not settings.FORWARDING_ALLOWED:
        raise ForwardingNotAllowed
    target, current = forwarding_address(target), _redirection(account)
    verified_at = _verification_time(account, target, current)
    if current and (current.target, current.keep_copy, current.verified_at) == (target, keep_copy, verified_at):
        return current, None
    before = current.target if current else ""
    entry = record_event(
        account=account,
        actor=account,
        event=Event.REDIRECTION_CHOSEN,
        target=target,
        keep_copy=keep_copy,
        proven=verified_at is not None,
        previous=before,
        previous_proven=current is not None and current.verified_at is not None,
    )
    redirection = _decide(account, current, target=target, keep_copy=keep_copy, verified_at=verified_at)
    if verified_at is None and before != target:
        _ask_for_first_verification(account, redirection)
    return redirection, entry


def _stop(account: Account, current: Redirection, *, actor: Account | None) -> JournalEntry:
    entry = record_event(
        account=account,
        actor=actor,
        event=Event.REDIRECTION_STOPPED,
        previous=current.target,
        previous_proven=not current.is_waiting,
        keep_copy=current.keep_copy,
    )
    _decide(account, current, target="", keep_copy=True, verified_at=None)
    return entry


def _verification_time(account: Account, target: str, current: Redirection | None) -> datetime | None:
    if current is not None and current.target == target and current.verified_at is not None:
        return current.verified_at
    if not account.can_be_mailed or not same_address(target, account.recovery_address):
        return None
    is_active = account.activated_at is not None
    if is_active and account.recovery_address_corrections.never_read().exists():
        return None
    return timezone.now()


def _ask_for_first_verification(account: Account, redirection: Redirection) -> None:
    kind = Kind.REDIRECTION_VERIFICATION
    if verification_allowed_at(kind=kind, address=redirection.target, person=account) > timezone.now():
        log_withheld_mail(kind=kind, person=account)
        return
    _ask_for_verification(account, redirection)


def _ask_for_verification(account: Account, redirection: Redirection) -> Message:
    record_event(
        account=account, actor=account, event=Event.REDIRECTION_VERIFICATION_REQUESTED, target=redirection.target
    )
    return queue_email(
        kind=Kind.REDIRECTION_VERIFICATION,
        person=account,
        address=redirection.target,
        language=account.language,
        subject_id=redirection.pk,
    )


def _lock_row(account: Account) -> Account:
    row: Account = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    return row


def _lock_unlocked(account_id: int) -> Account:
    account: Account = Account.objects.lock(account_id)
    if account.state in (State.LOCKED, State.CLOSED):
        raise AccountNotActive
    return account


def _redirection(account: Account) -> Redirection | None:
    return Redirection.objects.filter(account=account).first()


def _decide(
    account: Account, current: Redirection | None, *, target: str, keep_copy: bool, verified_at: datetime | None
) -> Redirection:
    redirection = current or Redirection(account=account)
    redirection.target, redirection.keep_copy, redirection.verified_at = target, keep_copy, verified_at
    redirection.postponed_at, redirection.chosen_at = None, timezone.now()
    redirection.save()
    return redirection
