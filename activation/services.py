"""Acts of the activation: accept the charter, choose a first password, ask for a link."""

import hashlib

from django.db import transaction
from django.utils import timezone, translation

from accounts.enums import State
from accounts.models import Account
from activation import querysets as progress
from activation.enums import LinkRequestKind
from activation.models import Charter, CharterAcceptance, LinkRequest
from activation.tasks import answer_link_request
from core.celery import enqueue_on_commit
from core.request_context import current_request_context
from journal.events import Event
from journal.services import record_event
from mailrouting.services import create_mailbox
from outbox.enums import Kind
from outbox.services import queue_email


class ActivationIncomplete(Exception):
    """A step before the password has no answer yet."""


class AlreadyActivated(Exception):
    """Somebody else, or another tab, was faster."""


@transaction.atomic
def start_activation(*, account: Account) -> None:
    """Record the click that begins the journey, once."""
    if not account.journal.filter(event=Event.ACTIVATION_STARTED).exists():
        record_event(account=account, actor=account, event=Event.ACTIVATION_STARTED)


@transaction.atomic
def accept_charter(*, account: Account, charter: Charter) -> CharterAcceptance:
    """Record which text was accepted, when, from where; twice the same version is once (PRV-01)."""
    text = charter.text
    acceptance, created = CharterAcceptance.objects.get_or_create(
        account=account,
        charter=charter,
        defaults={
            "language": translation.get_language() or "fr",
            "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "client_address": current_request_context().client_address,
        },
    )
    if created:
        account.charter_accepted_at = acceptance.accepted_at
        account.save(update_fields=["charter_accepted_at"])
        record_event(account=account, actor=account, event=Event.CHARTER_ACCEPTED, version=charter.version)
    return acceptance


@transaction.atomic
def complete_activation(*, account: Account, password: str) -> Account:
    """Set the first password, open the mailbox of staff, tell the person: all of it or nothing.

    `password` has passed the validators and is normalised. Raises AlreadyActivated, or ActivationIncomplete when the
    charter, the directory or the mailbox has no answer (SES-02).
    """
    account = _held(account)
    if account.state != State.PENDING:
        raise AlreadyActivated
    _require_answers(account)
    account.set_password(password)
    account.activated_at = account.password_changed_at = timezone.now()
    account.save(update_fields=["password", "activated_at", "password_changed_at"])
    if account.has_mailbox_right:
        create_mailbox(account=account)
    record_event(account=account, actor=account, event=Event.PASSWORD_SET)
    record_event(account=account, actor=account, event=Event.USER_ACTIVATED)
    queue_email(
        kind=Kind.ACCOUNT_ACTIVATED, person=account, address=account.recovery_address, language=account.language
    )
    return account


@transaction.atomic
def dispute_recovery_address(*, account: Account) -> None:
    """Whoever reads the recovery address says it is not this person's: its links die, and nothing is mailed there until
    HR or an agent has corrected it."""
    account = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    if account.recovery_address_disputed_at is None:
        account.recovery_address_disputed_at = timezone.now()
        account.save(update_fields=["recovery_address_disputed_at"])
        record_event(account=account, event=Event.RECOVERY_ADDRESS_DISPUTED)


@transaction.atomic
def request_link(*, login: str, wish: LinkRequestKind) -> LinkRequest:
    """Ask for a link. Whether the account exists is not looked up here: the worker answers (ENU-01, ENU-03)."""
    request = LinkRequest.objects.create(
        wish=wish,
        login=login,
        language=translation.get_language() or "fr",
        client_address=current_request_context().client_address,
    )
    enqueue_on_commit(answer_link_request, request.pk)
    return request


def _held(account: Account) -> Account:
    held = progress.held(account.pk)
    if held is None:
        raise Account.DoesNotExist
    return held


def _require_answers(account: Account) -> None:
    directory_answered = progress.is_listed(account) is not None
    mailbox_answered = not account.has_mailbox_right or hasattr(account, "redirection")
    if account.charter_accepted_at is None or not directory_answered or not mailbox_answered:
        raise ActivationIncomplete
