"""Acts on the public directory."""

from django.db import transaction
from django.utils import translation

from accounts.models import Account
from directory.models import DirectoryConsent
from journal.events import Event
from journal.services import record_event


@transaction.atomic
def record_directory_consent(*, account: Account, listed: bool, wording: str) -> DirectoryConsent:
    """Record the person's decision and the question as it was asked; saying the same again records nothing."""
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
    """Record what somebody decides outside the activation, which locks the account's row itself: of a double click
    or of two tabs that say the same, one is recorded."""
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    return record_directory_consent(account=account, listed=listed, wording=wording)
