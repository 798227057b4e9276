"""Answer requests for a link, in the worker: response times tell nothing about accounts."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.enums import State
from accounts.models import Account
from accounts.recovery.mail_quota import log_withheld_mail
from activation.enums import LinkRequestKind
from activation.models import LinkRequest
from core.email_addresses import InvalidAddress, institutional_address_from_login
from core.rate_limits import MAIL_WINDOW, MAILS_PER_HOUR
from core.request_context import current_request_context, use_request_context
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email

#: The answer to each kind of request, by the state. A locked account gets no link that sets a password.
ANSWERS = {
    LinkRequestKind.FIRST_CONNECTION: {
        State.PENDING: Kind.NEW_LINK,
        State.ACTIVE: Kind.ALREADY_ACTIVE,
        State.LOCKED: Kind.LOCKED,
        State.TO_REACTIVATE: Kind.REACTIVATION,
    },
    LinkRequestKind.FORGOTTEN_PASSWORD: {
        State.PENDING: Kind.NEW_LINK,
        State.ACTIVE: Kind.PASSWORD_RESET,
        State.LOCKED: Kind.LOCKED,
        State.TO_REACTIVATE: Kind.REACTIVATION,
    },
}
BATCH = 500
# Younger requests still have a task.
LATE_AFTER = timedelta(seconds=5)


@transaction.atomic
def answer_link_request(*, request_id: int) -> Message | None:
    """Queue the mail that answers the request, if any. A request is answered once, within the hourly mail quota."""
    waiting = LinkRequest.objects.select_for_update(skip_locked=True).waiting()
    request = waiting.filter(pk=request_id).first()
    if request is None:
        return None
    request.answered_at = timezone.now()
    request.save(update_fields=["answered_at"])
    account = _account_of(request.login)
    if account is None or not account.can_be_mailed:
        return None
    answers = ANSWERS[LinkRequestKind(request.wish)]
    kind = answers.get(account.state)
    if kind is None:
        return None
    if _has_reached_mail_quota(account, answers.values()):
        log_withheld_mail(kind=kind, person=account)
        return None
    # Where it was asked for, not the worker.
    with use_request_context(replace(current_request_context(), client_address=request.client_address)):
        record_event(account=account, event=Event.LINK_REQUESTED)
    return queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)


def answer_waiting_requests() -> None:
    """Answer requests whose task was lost, oldest first."""
    late = timezone.now() - LATE_AFTER
    waiting = LinkRequest.objects.waiting().filter(requested_at__lte=late).order_by("requested_at")
    for request_id in waiting.values_list("pk", flat=True)[:BATCH]:
        answer_link_request(request_id=request_id)


def _account_of(login: str) -> Account | None:
    try:
        address = institutional_address_from_login(login)
    except InvalidAddress:
        return None
    account: Account | None = (
        Account.objects.with_lock().select_for_update(of=("self",)).filter(institutional_address=address).first()
    )
    return account


def _has_reached_mail_quota(account: Account, kinds: Collection[Kind]) -> bool:
    recent = Message.objects.filter(person=account, kind__in=list(kinds))
    return recent.asked_since(timezone.now() - MAIL_WINDOW).count() >= MAILS_PER_HOUR
