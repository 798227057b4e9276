"""Record decisions about the public directory."""

from django.db import transaction
from django.utils import translation

from accounts.models import Account
from directory.models import DirectoryConsent
from journal.events import Event
from journal.services import record_event


@transaction.atomic
def record_directory_consent(*, account: Account, listed: bool, wording: str) -> DirectoryConsent:
    """Record the decision and the question as worded. Idempotent. The caller has locked the account's row."""
    current = DirectoryConsent.objects.current(account)
    if current is not None and current.listed == listed:
        return current
    event = Event.DIRECTORY_CONSENT_GIVEN if listed else Event.DIRECTORY_CONSENT_REFUSED
    record_event(account=account, actor=account, event=event)
    return DirectoryConsent.objects.create(
        account=account, listed=listed, wording=wording, language=translation.get_language() or "fr"
    )


@transaction.atomic
def change_directory_consent(*, account: Account, listed: bool, wording: str) -> DirectoryConsent:
    """Lock the row, then record the decision: a double click is recorded once."""
    # One query: `lock` would read the account again, which nothing here needs.
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    return record_directory_consent(account=account, listed=listed, wording=wording)
