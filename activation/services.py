"""Accept the charter, complete the activation, dispute a recovery address, request a link."""

import hashlib

from django.db import transaction
from django.utils import timezone, translation

from accounts.enums import State
from accounts.models import Account
from activation.enums import LinkRequestKind
from activation.models import Charter, CharterAcceptance, LinkRequest
from activation.querysets import is_listed, lock_account_with_facts
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
    """The account is not pending: activated meanwhile, locked or closed."""


@transaction.atomic
def start_activation(*, account: Account) -> None:
    """Record the start of the activation. Idempotent."""
    if not account.journal.filter(event=Event.ACTIVATION_STARTED).exists():
        record_event(account=account, actor=account, event=Event.ACTIVATION_STARTED)


@transaction.atomic
def accept_charter(*, account: Account, charter: Charter) -> CharterAcceptance:
    """Record which text was accepted, in which language, when, from where. Idempotent for a version."""
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
    """Set the first password, create the mailbox of staff, queue the confirmation mail.

    `password` has passed the validators and is normalised. Raises AlreadyActivated, or ActivationIncomplete when the
    charter, the directory or the mailbox has no answer.
    """
    account = _lock(account)
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
    """Record that the recovery address belongs to another person. Its links are revoked and no mail is sent there until
    HR or an agent corrects it."""
    account = Account.objects.lock(account.pk)
    if account.recovery_address_disputed_at is None:
        account.recovery_address_disputed_at = timezone.now()
        account.save(update_fields=["recovery_address_disputed_at"])
        record_event(account=account, event=Event.RECOVERY_ADDRESS_DISPUTED)


@transaction.atomic
def request_link(*, login: str, wish: LinkRequestKind) -> LinkRequest:
    """Store a request for a link. The worker looks the account up, so that the response time tells nothing."""
    request = LinkRequest.objects.create(
        wish=wish,
        login=login,
        language=translation.get_language() or "fr",
        client_address=current_request_context().client_address,
    )
    enqueue_on_commit(answer_link_request, request.pk)
    return request


def _lock(account: Account) -> Account:
    locked = lock_account_with_facts(account.pk)
    if locked is None:
        raise Account.DoesNotExist
    return locked


def _require_answers(account: Account) -> None:
    directory_answered = is_listed(account) is not None
    mailbox_answered = not account.has_mailbox_right or hasattr(account, "redirection")
    if account.charter_accepted_at is None or not directory_answered or not mailbox_answered:
        raise ActivationIncomplete
