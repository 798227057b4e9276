"""Edit and publish the charter: one draft at a time; a fingerprint proves that the agent has read what is published."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, FilteredRelation, Q
from django.utils import timezone

from accounts.models import Account
from activation.models import Charter, CharterAcceptance
from journal.events import Event
from journal.services import record_event

WEEK = timedelta(days=7)
#: While one agent goes on writing, autosaves add no entry to the journal.
EDITING_SESSION = timedelta(minutes=30)


class DraftExists(Exception):
    """Another draft is being written; `draft` is that one."""

    def __init__(self, draft: Charter) -> None:
        super().__init__()
        self.draft = draft


class VersionTaken(Exception):
    """A version of that name exists."""


class NoDraft(Exception):
    """It was published, or deleted, meanwhile."""


class DraftChanged(Exception):
    """Another agent has saved the draft meanwhile; `draft` is as it is now."""

    def __init__(self, draft: Charter) -> None:
        super().__init__()
        self.draft = draft


class TextMissing(Exception):
    """There is nothing to accept in one of the languages."""


@dataclass(frozen=True, slots=True)
class StillToAccept:
    """Of the `active` accounts, how many have not accepted the version in force."""

    active: int
    waiting: int

    @property
    def percent(self) -> int:
        """Their share, rounded down."""
        return 100 * self.waiting // self.active if self.active else 0


@transaction.atomic
def start_draft(*, version: str, texts: Mapping[str, str], actor: Account) -> Charter:
    """Begin a new version; `texts` are those of `Charter.TEXTS`, cleaned. Raises DraftExists, VersionTaken."""
    draft = Charter(version=version, **_only_texts(texts))
    _save(draft, actor)
    _record(Event.CHARTER_DRAFT_SAVED, draft, actor)
    return draft


@transaction.atomic
def save_draft(*, charter_id: int, seen: str, version: str, texts: Mapping[str, str], actor: Account) -> Charter:
    """Write the draft anew. `seen` is the fingerprint of the text that the agent had opened.

    Raises NoDraft, DraftChanged when another agent has saved other words since, VersionTaken.
    """
    draft = _edited_draft(charter_id, seen, version, texts)
    _save(draft, actor)
    _record(Event.CHARTER_DRAFT_SAVED, draft, actor)
    return draft


@transaction.atomic
def autosave_draft(*, charter_id: int, seen: str, version: str, texts: Mapping[str, str], actor: Account) -> Charter:
    """Like `save_draft`, every few seconds while the agent types; the journal gets one entry an editing session."""
    draft = _edited_draft(charter_id, seen, version, texts)
    session_started = timezone.now() - EDITING_SESSION
    begins = draft.saved_by_id != actor.pk or draft.saved_at is None or draft.saved_at < session_started
    _save(draft, actor)
    if begins:
        _record(Event.CHARTER_DRAFT_SAVED, draft, actor)
    return draft


@transaction.atomic
def delete_draft(*, charter_id: int, seen: str, actor: Account) -> None:
    """Throw the draft away. `seen` is the fingerprint of what the agent saw. Raises NoDraft, DraftChanged."""
    draft = _locked_draft(charter_id)
    if draft.fingerprint != seen:
        raise DraftChanged(draft)
    draft.delete()
    record_event(
        account=None, actor=actor, event=Event.CHARTER_DRAFT_DELETED, version=draft.version, charter=charter_id
    )


@transaction.atomic
def publish(*, charter_id: int, read: str, summary: str, actor: Account) -> Charter:
    """Put the draft in force, now and for good. `read` is the fingerprint of the preview that the agent has read.

    Raises NoDraft, DraftChanged when it is not what was read, TextMissing.
    """
    draft = _locked_draft(charter_id)
    if draft.fingerprint != read:
        raise DraftChanged(draft)
    if not draft.text_fr or not draft.text_en:
        raise TextMissing
    draft.published_at, draft.published_by, draft.summary = timezone.now(), actor, summary
    draft.save(update_fields=["published_at", "published_by", "summary"])
    _record(Event.CHARTER_PUBLISHED, draft, actor, summary=summary)
    return draft


def acceptances_by_version() -> dict[int, int]:
    """Number of acceptances by charter id, in one query."""
    counted = CharterAcceptance.objects.order_by().values_list("charter").annotate(Count("pk"))
    return dict(counted)


def acceptances_of_the_week(charter: Charter) -> int:
    return charter.acceptances.filter(accepted_at__gte=timezone.now() - WEEK).count()


def still_to_accept(charter: Charter) -> StillToAccept:
    """Counts among the active accounts, in one query."""
    proof = FilteredRelation("charter_acceptances", condition=Q(charter_acceptances__charter=charter))
    people = Account.objects.active().alias(proof=proof)
    counts = people.aggregate(active=Count("pk"), accepted=Count("proof"))
    return StillToAccept(active=counts["active"], waiting=counts["active"] - counts["accepted"])


def _locked_draft(charter_id: int) -> Charter:
    draft = Charter.objects.select_for_update(of=("self",)).filter(pk=charter_id, published_at__isnull=True).first()
    if draft is None:
        raise NoDraft
    return draft


def _edited_draft(charter_id: int, seen: str, version: str, texts: Mapping[str, str]) -> Charter:
    draft = _locked_draft(charter_id)
    former = draft.fingerprint
    for name, text in {"version": version, **_only_texts(texts)}.items():
        setattr(draft, name, text)
    if former not in (seen, draft.fingerprint):
        raise DraftChanged(Charter.objects.select_related("saved_by").get(pk=charter_id))
    return draft


def _save(draft: Charter, actor: Account) -> None:
    draft.saved_at, draft.saved_by = timezone.now(), actor
    try:
        with transaction.atomic():
            draft.save()
    except IntegrityError as refused:
        raise _conflict(draft) from refused


def _conflict(draft: Charter) -> DraftExists | VersionTaken:
    other = Charter.objects.filter(published_at__isnull=True).exclude(pk=draft.pk).first()
    return VersionTaken() if other is None else DraftExists(other)


def _only_texts(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: texts[name] for name in Charter.TEXTS}


def _record(event: Event, charter: Charter, actor: Account, **more: str) -> None:
    digests = {f"sha256_{language}": _digest(charter.text_in(language)) for language in ("fr", "en")}
    record_event(
        account=None,
        actor=actor,
        event=event,
        version=charter.version,
        charter=charter.pk,
        fingerprint=charter.fingerprint,
        **digests,
        **more,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
