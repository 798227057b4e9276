"""Queries on the journal, newest entry first, with keyset pagination: every page costs the same, none is counted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import F, Q, QuerySet, TextChoices
from django.utils import timezone

from accounts.history import SIGN_IN_EVENTS, Topic
from accounts.models import Account
from journal.events import Event
from journal.models import JournalEntry

Entries = QuerySet[JournalEntry]

PAGE_SIZE = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND, DAY = timedelta(microseconds=1), timedelta(days=1)
CURSOR = re.compile(r"([0-9]{1,16})-([0-9]{1,18})")
#: Without mails, which are in the outbox.
TOPICS = (Topic.ALL, Topic.SIGN_INS, Topic.CHANGES)


#: Of public forms, some of which a worker looks at.
FORM_EVENTS = (Event.SIGN_IN_FAILED, Event.LINK_REQUESTED, Event.ASSISTANCE_REQUESTED)


class Author(TextChoices):
    ANYBODY = "", "Tout le monde"
    AGENTS = "agents", "Un agent"
    OWNER = "personne", "La personne"
    SYSTEM = "automatique", "Automatique ou ligne de commande"
    UNKNOWN = "inconnu", "Formulaire public ou lien reçu par e-mail"

    def entries(self) -> Q:
        no_actor, by_visitor = Q(actor__isnull=True), Q(source="web") | Q(event__in=FORM_EVENTS)
        by_visitor &= ~Q(details__has_key="system")
        match self:
            case Author.AGENTS:
                return Q(actor__isnull=False) & (Q(account__isnull=True) | ~Q(actor=F("account")))
            case Author.OWNER:
                return Q(actor=F("account"))
            case Author.SYSTEM:
                return no_actor & ~by_visitor
            case Author.UNKNOWN:
                return no_actor & by_visitor
        return Q()


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """`until` is the last day, included."""

    by: Author | Account = Author.ANYBODY
    about: Topic | Event = Topic.ALL
    account: Account | None = None
    since: date | None = None
    until: date | None = None

    def entries(self) -> Entries:
        entries = JournalEntry.objects.filter(self._by(), self._about())
        if self.account is not None:
            entries = entries.filter(account=self.account)
        if self.since is not None:
            entries = entries.filter(at__gte=_start_of_day(self.since))
        if self.until is not None:
            entries = entries.filter(at__lt=_start_of_day(self.until + DAY))
        return entries.select_related("account", "actor").order_by("-at", "-pk")

    def describe(self) -> list[str]:
        words = []
        if self.about is not Topic.ALL:
            words.append(f"Évènement\N{NO-BREAK SPACE}: {self.about.label}")
        if self.by is not Author.ANYBODY:
            who = self.by.label if isinstance(self.by, Author) else f"Agent {self.by}"
            words.append(f"Par\N{NO-BREAK SPACE}: {who}")
        if self.since is not None:
            words.append(f"Du {self.since:%d/%m/%Y}")
        if self.until is not None:
            words.append(f"Jusqu’au {self.until:%d/%m/%Y}")
        return words

    def _by(self) -> Q:
        return self.by.entries() if isinstance(self.by, Author) else Q(actor=self.by)

    def _about(self) -> Q:
        if isinstance(self.about, Event):
            return Q(event=self.about)
        if self.about is Topic.ALL:
            return Q()
        signing_in = Q(event__in=SIGN_IN_EVENTS)
        return signing_in if self.about is Topic.SIGN_INS else ~signing_in


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Holds the key too: several entries may have the same timestamp."""

    at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // MICROSECOND}-{self.pk}"

    @classmethod
    def read(cls, text: str) -> "PageCursor | None":
        written = CURSOR.fullmatch(text)
        return cls(EPOCH + int(written[1]) * MICROSECOND, int(written[2])) if written else None


@dataclass(frozen=True, slots=True)
class JournalPage:
    entries: Sequence[JournalEntry]
    newer: PageCursor | None = None
    older: PageCursor | None = None


def newest(entries: Entries) -> JournalPage:
    found = list(entries[: PAGE_SIZE + 1])
    return JournalPage(found[:PAGE_SIZE], older=_cursor_if_more(found))


def before(mark: PageCursor, entries: Entries) -> JournalPage:
    """The page of older entries; the first page when there are none."""
    found = list(entries.filter(at__lte=mark.at).exclude(at=mark.at, pk__gte=mark.pk)[: PAGE_SIZE + 1])
    if not found:
        return newest(entries)
    return JournalPage(found[:PAGE_SIZE], newer=_cursor(found[0]), older=_cursor_if_more(found))


def after(mark: PageCursor, entries: Entries) -> JournalPage:
    """The page of newer entries; the first page when they do not fill a page."""
    rising = entries.filter(at__gte=mark.at).exclude(at=mark.at, pk__lte=mark.pk).order_by("at", "pk")
    found = list(rising[: PAGE_SIZE + 1])
    if len(found) <= PAGE_SIZE:
        return newest(entries)
    shown = found[:PAGE_SIZE][::-1]
    return JournalPage(shown, newer=_cursor(shown[0]), older=_cursor(shown[-1]))


def agents_of_the_journal() -> QuerySet[Account]:
    """Present agents, and former ones as far back as the journal goes; by name."""
    now = Account.objects.filter(is_staff=True).values_list("pk")
    roles = JournalEntry.objects.filter(event__in=(Event.ROLE_GIVEN, Event.ROLE_WITHDRAWN), account__isnull=False)
    agents: QuerySet[Account] = Account.objects.filter(pk__in=now.union(roles.values_list("account")))
    return agents.order_by("family_name", "given_name", "pk")


def _cursor_if_more(found: Sequence[JournalEntry]) -> PageCursor | None:
    return _cursor(found[PAGE_SIZE - 1]) if len(found) > PAGE_SIZE else None


def _cursor(entry: JournalEntry) -> PageCursor:
    return PageCursor(entry.at, entry.pk)


def _start_of_day(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_default_timezone())
