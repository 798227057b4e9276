"""Accounts that forward their mail, and the link that verifies an address."""

from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from journal.models import JournalEntry
from mailrouting.emails import RedirectionChange, change_of_entry
from mailrouting.links import redirection_link
from mailrouting.models import Redirection
from mailrouting.services import change_redirection, verify_redirection
from outbox.enums import Kind
from outbox.models import Message

ELSEWHERE, FURTHER = "ailleurs@exemple.org", "plus.loin@exemple.org"


def change(person: Account, target: str = ELSEWHERE, *, keep_copy: bool = True) -> Redirection:
    return change_redirection(account=person, target=target, keep_copy=keep_copy)


def verify(redirection: Redirection) -> bool:
    return verify_redirection(redirection_id=redirection.pk, target=redirection.target)


def redirection_of(person: Account) -> Redirection:
    return Redirection.objects.get(account=person)


def link_of(redirection: Redirection) -> str:
    deadline = redirection_link.deadline(timezone.now())
    return reverse("redirection-link", args=[redirection_link.token(redirection.account, deadline, redirection.pk)])


def verification_mails(person: Account) -> int:
    return Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count()


def notified(person: Account) -> list[RedirectionChange]:
    """The changes in order; each was mailed to both addresses of the account, once."""
    notices = Message.objects.filter(person=person, kind=Kind.REDIRECTION_CHANGED)
    mailed = sorted(notices.values_list("subject_id", "address"))
    entries = JournalEntry.objects.in_bulk({pk for pk, _address in mailed})
    both = (person.recovery_address, person.institutional_address)
    assert mailed == sorted((pk, address) for pk in entries for address in both)
    return [change_of_entry(entries[pk]) for pk in sorted(entries)]
