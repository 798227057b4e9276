"""Journal entries as the page of an account shows them: no code, and no address in clear."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from accounts.templatetags.accounts import BEFORE_AND_AFTER
from agents.journal.formatting import FACTS, Corrections, author_of, corrections_of, facts_of
from agents.templatetags.agents import masked
from journal.models import JournalEntry

#: Keys of details that hold an address.
ADDRESSES = ("address", "target", "previous", "proposed", "old", "new")
#: Labels of the details with a place of their own on the page.
SHOWN_APART = {FACTS[key][0] for key in (*ADDRESSES, "reference")}


@dataclass(frozen=True, slots=True)
class FormattedEntry:
    """`reference` is that of the assistance request that led to the entry."""

    entry: JournalEntry
    by: str
    lines: list[str]
    reference: str


def format_entries(entries: Iterable[JournalEntry]) -> dict[int, FormattedEntry]:
    """By primary key."""
    entries = list(entries)
    corrections = corrections_of(entries) if any("correction" in entry.details for entry in entries) else {}
    return {entry.pk: _format_entry(entry, corrections) for entry in entries}


def _format_entry(entry: JournalEntry, corrections: Corrections) -> FormattedEntry:
    reference = str(entry.details.get("reference", ""))
    return FormattedEntry(entry, author_of(entry), list(_lines(entry, corrections)), reference)


def _lines(entry: JournalEntry, corrections: Corrections) -> Iterator[str]:
    if address := _address(entry, corrections):
        yield address
    for label, fact in facts_of(entry, corrections):
        if label not in SHOWN_APART:
            yield f"{label}\N{NO-BREAK SPACE}: {fact}"


def _address(entry: JournalEntry, corrections: Corrections) -> str:
    """« c•••d@exemple.net → a•••e@exemple.org », or a single masked address."""
    facts = entry.details
    for before, after in BEFORE_AND_AFTER:
        if before in facts and after in facts:
            return _change(str(facts[before]), str(facts[after]))
    if facts.get("correction") in corrections:
        return _change(*corrections[facts["correction"]])
    return next((masked(str(facts[key])) for key in ADDRESSES if facts.get(key)), "")


def _change(before: str, after: str) -> str:
    if before == after:
        return masked(after) if after else ""
    return f"{masked(before) if before else 'aucune'} → {masked(after) if after else 'aucune'}"
