"""Answering the requests for a link: the part of "1ère connexion" and "mot de passe oublié" that nobody watches."""

from collections.abc import Collection
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
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email

#: What helps whom. Somebody who never activated gets the activation link whatever they asked for; a locked account gets
#: no link that sets a password (HLP-02); a released one gets the reactivation link again.
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
        State.TO_REACTIVATE: Kind.REACTIVATION,
    },
}
BATCH = 500
# Younger requests are in the hands of the worker that was woken for them.
LATE_AFTER = timedelta(seconds=5)


@transaction.atomic
def answer_link_request(*, request_id: int) -> Message | None:
    """Mail whoever the request names what helps them: a link, "already active", "locked", or nothing.

    A request is answered once; somebody who was mailed often enough in the last hour is not mailed again (ENU-05).
    """
    waiting = LinkRequest.objects.select_for_update(skip_locked=True).waiting()
    request = waiting.filter(pk=request_id).first()
    if request is None:
        return None
    request.answered_at = timezone.now()
    request.save(update_fields=["answered_at"])
    account = _account_named(request.login)
    if account is None or not account.can_be_mailed:
        return None
    answers = ANSWERS[LinkRequestKind(request.wish)]
    kind = answers.get(account.state)
    if kind is None:
        return None
    if _was_mailed_enough(account, answers.values()):
        log_withheld_mail(kind=kind, person=account)
        return None
    record_event(account=account, event=Event.LINK_REQUESTED)
    return queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)


def answer_waiting_requests() -> None:
    """Answer what the broker forgot, oldest first."""
    late = timezone.now() - LATE_AFTER
    waiting = LinkRequest.objects.waiting().filter(requested_at__lte=late).order_by("requested_at")
    for request_id in waiting.values_list("pk", flat=True)[:BATCH]:
        answer_link_request(request_id=request_id)


def _account_named(login: str) -> Account | None:
    try:
        address = institutional_address_from_login(login)
    except InvalidAddress:
        return None
    account: Account | None = (
        Account.objects.with_lock().select_for_update(of=("self",)).filter(institutional_address=address).first()
    )
    return account


def _was_mailed_enough(account: Account, kinds: Collection[Kind]) -> bool:
    recent = Message.objects.filter(person=account, kind__in=list(kinds))
    return recent.asked_since(timezone.now() - MAIL_WINDOW).count() >= MAILS_PER_HOUR
