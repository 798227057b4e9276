"""Acts on mailboxes and their forwarding."""

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
    """The university does not allow forwarding, or not to that address any more (FWD-06)."""


@transaction.atomic
def create_mailbox(*, account: Account) -> Mailbox:
    """Give the person the mailbox of their institutional address; asking twice gives the same one."""
    mailbox, created = Mailbox.objects.get_or_create(
        account=account, defaults={"address": account.institutional_address}
    )
    if created:
        record_event(account=account, actor=account, event=Event.MAILBOX_CREATED)
    return mailbox


def create_mailboxes_of_updated(
    sender: object, accounts: Collection[int], actor: Account | None, **kwargs: object
) -> None:
    """Give a mailbox to those whom HR has made members of staff, or brought back as such, after their activation; in a
    fixed number of statements, in the transaction that holds their rows. Who has one keeps it, whatever they become.
    """
    members = Account.objects.filter(pk__in=accounts, category=Category.STAFF, activated_at__isnull=False)
    without = list(members.filter(mailbox__isnull=True).exclude(end_date__lt=timezone.localdate()))
    Mailbox.objects.bulk_create(Mailbox(account=one, address=one.institutional_address) for one in without)
    record_events(accounts=without, event=Event.MAILBOX_CREATED, actor=actor)


@transaction.atomic
def choose_redirection(*, account: Account, target: str, keep_copy: bool) -> Redirection:
    """The answer of the activation: forward to `target`. The recovery address, proven already, is in force with the
    account; any other address has to be confirmed through a mail first (FWD-01).

    Choosing the same again changes nothing and mails nobody. Raises ForwardingNotAllowed, or AddressRefused for an
    address of the university itself or of a domain that it does not allow (FWD-02, FWD-06).
    """
    redirection, _entry = _redirect(_row_held(account), target=target, keep_copy=keep_copy)
    return redirection


@transaction.atomic
def change_redirection(*, account: Account, target: str, keep_copy: bool) -> Redirection:
    """Forward to `target` from now on, by the rules of `choose_redirection`; every address on file is told (FWD-04).

    Until another address than the recovery address is confirmed, nothing is forwarded, not even to the address before.
    Raises NotActive besides.
    """
    redirection, entry = _redirect(lock_active_account(account), target=target, keep_copy=keep_copy)
    if entry is not None:
        notify_change(kind=Kind.REDIRECTION_CHANGED, entry=entry)
    return redirection


@transaction.atomic
def decline_redirection(*, account: Account) -> Redirection:
    """The answer of the activation: deliver to the university mailbox only."""
    account = _row_held(account)
    current = _redirection(account)
    if current is not None and not current.is_wanted:
        return current
    record_event(account=account, actor=account, event=Event.REDIRECTION_DECLINED)
    return _decide(account, current, target="", keep_copy=True, verified_at=None)


@transaction.atomic
def stop_redirection(*, account: Account) -> None:
    """Deliver to the university mailbox only, from now on; every address on file is told (FWD-04).

    Also gives up an address that still waits: its link dies. Twice is once. Raises NotActive.
    """
    account = lock_active_account(account)
    current = _redirection(account)
    if current is None or not current.is_wanted:
        return
    entry = _stop(account, current, actor=account)
    notify_change(kind=Kind.REDIRECTION_CHANGED, entry=entry)


@transaction.atomic
def remove_redirection_of_unlocked(sender: object, account: Account, agent: Account, **kwargs: object) -> None:
    """Deliver to the university mailbox only after a lock: who forwards may have been somebody else (HLP-06).

    Nobody is mailed about it: the mail of the release and its page say so.
    """
    current = _redirection(_row_held(account))
    if current is not None and current.is_wanted:
        _stop(account, current, actor=agent)


@transaction.atomic
def resend_verification(*, account: Account) -> Message:
    """Mail the verification link once more. Raises MailLimitReached when it is too early or too often (ENU-05),
    Redirection.DoesNotExist when nothing waits, ForwardingNotAllowed, NotActive.
    """
    account = _present(account.pk)
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
    """Go on without waiting: the redirection starts the day its address is confirmed (FWD-03)."""
    Redirection.objects.waiting().filter(account=account, postponed_at__isnull=True).update(postponed_at=timezone.now())


@transaction.atomic
def verify_redirection(*, redirection_id: int, target: str) -> bool:
    """Record that whoever reads `target` confirmed it; True when this call did it, False when it was done already.
    Every address on file of somebody active is told (FWD-04).

    Raises Redirection.DoesNotExist when the person has chosen another address since, NotActive.
    """
    aimed_there = Redirection.objects.filter(pk=redirection_id, target=target)
    account = _present(aimed_there.values_list("account_id", flat=True).get())
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
    """From when the verification may be mailed again: to that address, and for that person (ENU-05)."""
    kind, last = Kind.REDIRECTION_VERIFICATION, last_verification_mail(redirection)
    return verification_allowed_at(kind=kind, address=redirection.target, person=redirection.account, last=last)


def seconds_until_next_mail(last: Message | None) -> int:
    """How long after the last mail the next one may be asked for, as far as a minute between two decides."""
    if last is None:
        return 0
    return max(0, int((last.created_at + SHORTEST_TIME_BETWEEN_MAILS - timezone.now()).total_seconds()))


def _redirect(account: Account, *, target: str, keep_copy: bool) -> tuple[Redirection, JournalEntry | None]:
    """What holds now, and the entry of the change if there was one; the account's row is held."""
    if not settings.FORWARDING_ALLOWED:
        raise ForwardingNotAllowed
    target, current = forwarding_address(target), _redirection(account)
    proven_at = _proven_at(account, target, current)
    if current and (current.target, current.keep_copy, current.verified_at) == (target, keep_copy, proven_at):
        return current, None
    before = current.target if current else ""
    entry = record_event(
        account=account,
        actor=account,
        event=Event.REDIRECTION_CHOSEN,
        target=target,
        keep_copy=keep_copy,
        proven=proven_at is not None,
        previous=before,
        previous_proven=current is not None and current.verified_at is not None,
    )
    redirection = _decide(account, current, target=target, keep_copy=keep_copy, verified_at=proven_at)
    if proven_at is None and before != target:
        _ask_for_first_verification(account, redirection)
    return redirection, entry


def _stop(account: Account, current: Redirection, *, actor: Account) -> JournalEntry:
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


def _proven_at(account: Account, target: str, current: Redirection | None) -> datetime | None:
    """When the person showed that they read `target`; None when they have to. The recovery address needs no mail,
    unless agents have given it since the activation (FWD-01)."""
    if current is not None and current.target == target and current.verified_at is not None:
        return current.verified_at
    if not account.can_be_mailed or not same_address(target, account.recovery_address):
        return None
    is_active = account.activated_at is not None
    if is_active and account.recovery_address_corrections.never_read().exists():
        return None
    return timezone.now()


def _ask_for_first_verification(account: Account, redirection: Redirection) -> None:
    """Unless there were enough of them, to this address or for this person: the page says from when to ask again."""
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


def _row_held(account: Account) -> Account:
    """The account as it is, while nobody else decides on it; the visit of the activation has checked its state."""
    row: Account = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    return row


def _present(account_id: int) -> Account:
    """The account, its row held, unless it is locked or closed now: NotActive. It may still be in its activation.

    Two queries, so that what is read after the wait is what the other one left.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account_id)
    account: Account = Account.objects.with_lock().get(pk=account_id)
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
