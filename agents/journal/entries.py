"""Entries of the journal in the words of agents, for the page of an account: no code, and no address in full."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from accounts.templatetags.accounts import BEFORE_AND_AFTER
from agents.journal.formatting import FACTS, Corrections, author_of, corrections_of, facts_of
from agents.templatetags.agents import masked
from journal.models import JournalEntry

#: Keys of details that hold an address.
ADDRESSES = ("address", "target", "previous", "proposed", "old", "new")
#: Labels of the facts that are not said as such here: addresses stand beside each other, a request is a link.
SAID_OTHERWISE = {FACTS[key][0] for key in (*ADDRESSES, "reference")}


@dataclass(frozen=True, slots=True)
class FormattedEntry:
    """Who did it, what exactly, a line each, and the reference of the request for assistance that led to it."""

    entry: JournalEntry
    by: str
    lines: list[str]
    reference: str


def format_entries(entries: Iterable[JournalEntry]) -> dict[int, FormattedEntry]:
    """Each entry in words, by its key."""
    entries = list(entries)
    corrections = corrections_of(entries) if any("correction" in entry.details for entry in entries) else {}
    return {entry.pk: _told(entry, corrections) for entry in entries}


def _told(entry: JournalEntry, corrections: Corrections) -> FormattedEntry:
    reference = str(entry.details.get("reference", ""))
    return FormattedEntry(entry, author_of(entry), list(_lines(entry, corrections)), reference)


def _lines(entry: JournalEntry, corrections: Corrections) -> Iterator[str]:
    if address := _address(entry, corrections):
        yield address
    for label, fact in facts_of(entry, corrections):
        if label not in SAID_OTHERWISE:
            yield f"{label}\N{NO-BREAK SPACE}: {fact}"


def _address(entry: JournalEntry, corrections: Corrections) -> str:
    """« c•••d@exemple.net → a•••e@exemple.org », or the one that there is."""
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
