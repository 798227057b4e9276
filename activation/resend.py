"""Resend a link on an agent's request, within the quotas of the public forms and to the address on file only."""

from django.db import transaction
from django.utils import timezone

from accounts.enums import State
from accounts.models import Account
from accounts.recovery.mail_quota import MailQuotaExceeded, next_mail_allowed_at
from activation.enums import ResendReason
from activation.reminders.services import WITH_LINK
from core.rate_limits import SHORTEST_TIME_BETWEEN_MAILS
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email

#: The mail with the link that an account in this state can use.
KINDS = {State.PENDING: Kind.NEW_LINK, State.TO_REACTIVATE: Kind.REACTIVATION}
#: All mails that carry such a link.
CARRIERS = {State.PENDING: WITH_LINK, State.TO_REACTIVATE: (Kind.REACTIVATION,)}


class ResendRefused(Exception):
    """No link is sent; the subclasses say why."""


class NothingToResend(ResendRefused):
    """The account is active, locked or closed: no link would open anything."""


class NoAddressForLink(ResendRefused):
    """The recovery address is missing or disputed."""


@transaction.atomic
def resend_link(*, account: Account, agent: Account, reason: ResendReason, **details: object) -> Message:
    """Mail the link that the person needs now: of the activation, or of the reactivation after a lock.

    `details` are what else the journal keeps. Raises ResendRefused; MailQuotaExceeded a moment after the last one, or
    when there were enough within the hour.
    """
    account = Account.objects.lock(account.pk)
    if account.state not in KINDS:
        raise NothingToResend
    if not account.can_be_mailed:
        raise NoAddressForLink
    kind = KINDS[account.state]
    _require_pause(account, kind)
    record_event(account=account, actor=agent, event=Event.LINK_REQUESTED, reason=reason, **details)
    return queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)


def last_link(account: Account) -> Message | None:
    """The last mail with a link that the account could use in the state that it is in; None when there was none."""
    carriers = CARRIERS.get(account.state, ())
    return Message.objects.filter(person=account, kind__in=carriers).order_by("-created_at").first()


def _require_pause(account: Account, kind: Kind) -> None:
    retry_at, last = next_mail_allowed_at(kind=kind, address=account.recovery_address), last_link(account)
    if last is not None:
        retry_at = max(retry_at, last.created_at + SHORTEST_TIME_BETWEEN_MAILS)
    if retry_at > timezone.now():
        raise MailQuotaExceeded(retry_at)
