from datetime import date

from django.db import connection, transaction
from django.utils import timezone, translation

from accounts.models import Account
from accounts.recovery.mail_quota import log_withheld_mail
from assistance.models import AssistanceRequest
from assistance.references import random_reference
from core.email_addresses import mailbox_key
from core.phone_numbers import normalize_phone
from core.rate_limits import ACKNOWLEDGEMENT_WINDOW, ACKNOWLEDGEMENTS_PER_DAY
from core.request_context import current_request_context
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email


@transaction.atomic
def create_request(
    *,
    reason: str,
    profile: str,
    ine: str,
    birth_date: date | None,
    login: str,
    contact_address: str,
    phone: str,
    availability: str,
    description: str,
) -> AssistanceRequest:
    """Create a request and acknowledge it to `contact_address`, at most twice a day.

    `login` and `contact_address` are canonical. Only the fact of the profile may be given: `ine` of a student, else
    `birth_date`. The same statements run whether or not the account exists. Raises InvalidPhoneNumber.
    """
    account = Account.objects.filter(institutional_address=login).first()
    may_acknowledge = _may_acknowledge(contact_address)
    request = AssistanceRequest.objects.create(
        reference=_free_reference(),
        reason=reason,
        profile=profile,
        typed_address=login,
        account=account,
        contact_address=contact_address,
        phone_typed=phone,
        phone=normalize_phone(phone),
        ine_typed=ine,
        birth_date_typed=birth_date,
        availability=availability,
        description=description,
        language=translation.get_language() or "fr",
        client_address=current_request_context().client_address,
    )
    record_event(account=account, event=Event.ASSISTANCE_REQUESTED, request=request.pk)
    if may_acknowledge:
        _acknowledge(request)
    else:
        log_withheld_mail(kind=Kind.ASSISTANCE_RECEIVED, person=None)
    return request


def _free_reference() -> str:
    while AssistanceRequest.objects.filter(reference=(reference := random_reference())).exists():
        pass
    return reference


def _may_acknowledge(contact_address: str) -> bool:
    # Simultaneous requests for one mailbox are counted one after the other.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [mailbox_key(contact_address)])
    since = timezone.now() - ACKNOWLEDGEMENT_WINDOW
    return AssistanceRequest.objects.of_mailbox(contact_address).asked_since(since).count() < ACKNOWLEDGEMENTS_PER_DAY


def _acknowledge(request: AssistanceRequest) -> None:
    # No person: it is unproven that the account belongs to the author.
    queue_email(
        kind=Kind.ASSISTANCE_RECEIVED,
        person=None,
        address=request.contact_address,
        language=request.language,
        subject_id=request.pk,
    )
