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


def change_and_verify(person: Account, target: str = ELSEWHERE) -> Redirection:
    redirection = change(person, target)
    verify_redirection(redirection_id=redirection.pk, target=target)
    redirection.refresh_from_db()
    return redirection


def redirection_of(person: Account) -> Redirection:
    return Redirection.objects.get(account=person)


def link_of(redirection: Redirection) -> str:
    deadline = redirection_link.deadline(timezone.now())
    return reverse("redirection-link", args=[redirection_link.token(redirection.account, deadline, redirection.pk)])


def verification_mails(person: Account) -> int:
    return Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count()


def notices(person: Account) -> list[Message]:
    return list(Message.objects.filter(person=person, kind=Kind.REDIRECTION_CHANGED).order_by("pk"))


def notified_changes(person: Account) -> list[RedirectionChange]:
    """The changes in order; each was mailed to both addresses of the account, once."""
    entries = JournalEntry.objects.in_bulk([notice.subject_id for notice in notices(person)])
    mailed = sorted((notice.subject_id, notice.address) for notice in notices(person))
    assert mailed == sorted(
        (pk, address) for pk in entries for address in (person.recovery_address, person.institutional_address)
    )
    return [change_of_entry(entries[pk]) for pk in sorted(entries)]
