"""Acts on mailboxes and their forwarding."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import journal
from accounts.addresses import outside_address, same_address
from accounts.enums import Event
from accounts.limits import MAIL_WINDOW, MAILS_PER_HOUR, SHORTEST_TIME_BETWEEN_MAILS
from accounts.models import Account
from mailrouting.models import Mailbox, Redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.services import queue


class ForwardingNotAllowed(Exception):
    """The university does not allow forwarding (FWD-06)."""


class MailLimitReached(Exception):
    """A mail went to that address a moment ago, or too many did; `retry_at` is when one may be asked for again."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(f"retry at {retry_at.isoformat()}")
        self.retry_at = retry_at


@transaction.atomic
def open_mailbox(*, account: Account) -> Mailbox:
    """Give the person the mailbox of their institutional address; asking twice gives the same one."""
    mailbox, created = Mailbox.objects.get_or_create(
        account=account, defaults={"address": account.institutional_address}
    )
    if created:
        journal.record(account=account, actor=account, event=Event.MAILBOX_CREATED)
    return mailbox


@transaction.atomic
def choose_redirection(*, account: Account, target: str, keep_copy: bool) -> Redirection:
    """Forward to `target`. The recovery address, proven already, is in force at once; any other address
    has to be confirmed through a mail first (FWD-01).

    Choosing the same again changes nothing and mails nobody. Raises ForwardingNotAllowed, or AddressRefused for an
    address of the university itself (FWD-02).
    """
    if not settings.FORWARDING_ALLOWED:
        raise ForwardingNotAllowed
    target = outside_address(target)
    current = _locked_redirection(account)
    if current is not None and current.target == target and current.keep_copy == keep_copy:
        return current
    proven = same_address(target, account.recovery_address) or (
        current is not None and current.target == target and current.verified_at is not None
    )
    redirection = _decide(account, target=target, keep_copy=keep_copy, verified_at=timezone.now() if proven else None)
    journal.record(
        account=account,
        actor=account,
        event=Event.REDIRECTION_CHOSEN,
        target=target,
        keep_copy=keep_copy,
        proven=proven,
    )
    target_changed = current is None or current.target != target
    if not proven and target_changed and mail_allowed_at(target) <= timezone.now():
        _ask_for_verification(redirection)
    return redirection


@transaction.atomic
def decline_redirection(*, account: Account) -> Redirection:
    """Deliver to the university mailbox only."""
    current = _locked_redirection(account)
    if current is not None and not current.is_wanted:
        return current
    journal.record(account=account, actor=account, event=Event.REDIRECTION_DECLINED)
    return _decide(account, target="", keep_copy=True, verified_at=None)


@transaction.atomic
def ask_for_verification_again(*, account: Account) -> Message:
    """Mail the verification link once more. Raises MailLimitReached when it is too early or too often (ENU-05)."""
    redirection = Redirection.objects.select_for_update().waiting().get(account=account)
    retry_at = _next_mail_at(redirection)
    if retry_at > timezone.now():
        raise MailLimitReached(retry_at)
    return _ask_for_verification(redirection)


@transaction.atomic
def postpone_verification(*, account: Account) -> None:
    """Go on without waiting: the redirection starts the day its address is confirmed (FWD-03)."""
    Redirection.objects.waiting().filter(account=account, postponed_at__isnull=True).update(postponed_at=timezone.now())


@transaction.atomic
def verify_redirection(*, redirection_id: int, target: str) -> bool:
    """Record that whoever reads `target` confirmed it; True when this call did it, False when it was done already.

    Raises Redirection.DoesNotExist when the person has chosen another address since.
    """
    redirection = (
        Redirection.objects.select_for_update(of=("self",))
        .select_related("account")
        .get(pk=redirection_id, target=target)
    )
    if redirection.verified_at is not None:
        return False
    redirection.verified_at = timezone.now()
    redirection.save(update_fields=["verified_at"])
    journal.record(account=redirection.account, event=Event.REDIRECTION_VERIFIED, target=target)
    return True


def last_verification_mail(redirection: Redirection) -> Message | None:
    """The last mail that asked to confirm the address as it is now."""
    asked = Message.objects.filter(
        kind=Kind.REDIRECTION_VERIFICATION, subject_id=redirection.pk, address=redirection.target
    )
    return asked.order_by("-created_at").first()


def mail_allowed_at(address: str) -> datetime:
    """From when another verification may be mailed to `address`, whoever asks for it (ENU-05)."""
    since = timezone.now() - MAIL_WINDOW
    recent = Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION, address=address).asked_since(since)
    times = list(recent.order_by("-created_at").values_list("created_at", flat=True)[:MAILS_PER_HOUR])
    return times[-1] + MAIL_WINDOW if len(times) == MAILS_PER_HOUR else since


def could_not_be_delivered(message: Message | None) -> bool:
    """Whether the mail came back, or was refused for good."""
    return message is not None and message.status in (Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP)


def _next_mail_at(redirection: Redirection) -> datetime:
    last = last_verification_mail(redirection)
    soonest = last.created_at + SHORTEST_TIME_BETWEEN_MAILS if last else timezone.now() - timedelta(seconds=1)
    return max(soonest, mail_allowed_at(redirection.target))


def _ask_for_verification(redirection: Redirection) -> Message:
    account = redirection.account
    journal.record(
        account=account, actor=account, event=Event.REDIRECTION_VERIFICATION_REQUESTED, target=redirection.target
    )
    return queue(
        kind=Kind.REDIRECTION_VERIFICATION,
        person=account,
        address=redirection.target,
        language=account.language,
        subject_id=redirection.pk,
    )


def _locked_redirection(account: Account) -> Redirection | None:
    """The redirection as it is, while nobody else decides on it."""
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    return Redirection.objects.filter(account=account).first()


def _decide(account: Account, *, target: str, keep_copy: bool, verified_at: datetime | None) -> Redirection:
    decision = {
        "target": target,
        "keep_copy": keep_copy,
        "verified_at": verified_at,
        "postponed_at": None,
        "chosen_at": timezone.now(),
    }
    redirection, _created = Redirection.objects.update_or_create(account=account, defaults=decision)
    return redirection
