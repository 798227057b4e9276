"""Reads, checks and applies an HR file in chunks. Each chunk is one transaction and idempotent."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from django.db import connection, transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from core.celery import enqueue_on_commit
from hr_feed.parsing.contracts import checked_people, hr_ids_of_several_rows
from hr_feed.parsing.parser import FeedFile
from hr_feed.parsing.rows import Person
from hr_feed.preview import example_of_change, example_of_newcomer
from hr_feed.report import MOST_EXAMPLES, ImportReport, Problem, Severity
from hr_feed.sync.apply import Changes, apply
from hr_feed.sync.diff import AccountDifference, differences, lines_with_a_known_recovery_address, new_lines
from hr_feed.sync.login_assignment import assign_logins
from hr_feed.sync.look_alikes import LookAlikes
from hr_feed.sync.staging import staged
from outbox.tasks import send_due_messages

#: Called with the lines read, and the lines of the file.
Progress = Callable[[int, int], None]

ROWS_IN_A_CHUNK = 5_000
#: A chunk takes less than a second; the limits are for a server under load. The planner would scan every account for
#: each chunk when it assumes a disk; the indexes are in memory.
CHUNK_LIMITS = """
SET LOCAL statement_timeout = '120s';
SET LOCAL lock_timeout = '60s';
SET LOCAL random_page_cost = 1.1
"""
ONE_CHUNK_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('hr_feed'))"

PROPOSED = _(
    "La personne a déjà choisi son adresse de secours\N{NO-BREAK SPACE}: celle du fichier est proposée aux agents"
)
LOGIN_KEPT = _("L’identifiant d’une personne ne change pas\N{NO-BREAK SPACE}: cette adresse n’est pas reprise")
ANOTHER = _(
    "Le compte de ce numéro RH est celui d’une personne d’un autre prénom et d’une autre date de naissance. Vérifiez "
    "le numéro\N{NO-BREAK SPACE}; si c’est elle, corrigez un seul des deux par import"
)
SHARED = _("Une autre personne a la même adresse de secours")


def import_feed(
    stream: BinaryIO,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    actor: Account | None = None,
    distinct: frozenset[str] = frozenset(),
) -> ImportReport:
    """Create and update accounts from an HR file; with `dry_run`, only report what would change.

    `stream` is seekable; `actor` is the agent who imports, for the journal; `distinct` are the HR numbers of new people
    who look like others and are not. An import that was killed can be run again. Raises UnreadableFile before any
    change.
    """
    repeated = hr_ids_of_several_rows(FeedFile(stream))
    feed = FeedFile(stream)
    run = _Preview(feed, distinct) if dry_run else _Import(feed, distinct, actor)
    for chunk in _prefetched(_checked_chunks(feed, repeated)):
        run.process(chunk)
        if progress:
            progress(chunk.lines_read, feed.lines)
    run.finish()
    return run.report


@dataclass(frozen=True, slots=True)
class _Chunk:
    rows: int
    refused: int
    #: Good rows by line; of several rows of one person, one that has the whole.
    people: dict[int, Person]
    problems: list[Problem]
    lines_read: int


def _checked_chunks(feed: FeedFile, repeated: dict[str, int]) -> Iterator[_Chunk]:
    rows = checked_people(feed, repeated, timezone.localdate())
    # Keep checked rows only: the text of a hostile row is long.
    while checked := list(islice(rows, ROWS_IN_A_CHUNK)):
        people = {row.person.line: row.person for row in checked if row.person}
        problems = [problem for row in checked for problem in row.problems]
        refused = sum(row.is_refused for row in checked)
        yield _Chunk(len(checked), refused, people, problems, feed.lines_read)


def _prefetched(chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
    """Read and check each chunk in a thread while the database works on the one before."""
    language = get_language()

    def make() -> _Chunk | None:
        with override(language):
            return next(chunks, None)

    with ThreadPoolExecutor(max_workers=1) as reader:
        made = reader.submit(make)
        while (chunk := made.result()) is not None:
            made = reader.submit(make)
            yield chunk


class _Preview:
    def __init__(self, feed: FeedFile, distinct: frozenset[str]) -> None:
        self.report = ImportReport(misspelt=len(feed.headings.misspelt()))
        self._report(feed.headings.problems())
        self._columns = feed.columns
        self._look_alikes = LookAlikes(distinct)
        self._today = timezone.localdate()

    def process(self, chunk: _Chunk) -> None:
        self._report(chunk.problems)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(CHUNK_LIMITS)
                cursor.execute(ONE_CHUNK_AT_A_TIME)
            with staged(chunk.people.values()):
                changes = self._changes(chunk.people)
                self._warn_about_shared_addresses(changes, chunk.people)
                self._write(changes, chunk.people)
        self._count(chunk, changes)

    def finish(self) -> None:
        """Called after the last chunk."""

    def _write(self, changes: Changes, people: dict[int, Person]) -> None:
        """Change nothing; keep the first examples."""
        report = self.report
        newcomers = changes.newcomers[: MOST_EXAMPLES - len(report.newcomers)]
        report.newcomers += [example_of_newcomer(newcomer.person) for newcomer in newcomers]
        changed = [difference for difference in changes.differences if difference.fields or difference.is_correction]
        shown = changed[: MOST_EXAMPLES - len(report.changed)]
        accounts = Account.objects.in_bulk([difference.account_id for difference in shown])
        report.changed += [
            example_of_change(difference, people[difference.line], accounts[difference.account_id])
            for difference in shown
        ]

    def _changes(self, people: dict[int, Person]) -> Changes:
        new = [people[line] for line in new_lines()]
        questions = self._look_alikes.questions(new)
        asked = {question.line for question in questions}
        newcomers, refused = assign_logins([person for person in new if person.line not in asked])
        found = differences(columns=self._columns, today=self._today)
        others = [
            _problem(people[one.line], "hr_id", Severity.ERROR, ANOTHER) for one in found if one.is_of_another_person
        ]
        same = [difference for difference in found if not difference.is_of_another_person]
        changes = Changes(newcomers, [*refused, *others], questions, same)
        self._report([*questions, *changes.refused])
        self._warn_about_kept_values(changes.differences, people)
        return changes

    def _warn_about_kept_values(self, found: Sequence[AccountDifference], people: dict[int, Person]) -> None:
        for difference in found:
            person = people[difference.line]
            if difference.is_proposal:
                self._report([_problem(person, "recovery_address", Severity.PROPOSAL, PROPOSED)])
            if difference.other_institutional_address:
                self._report([_problem(person, "institutional_address", Severity.WARNING, LOGIN_KEPT)])

    def _warn_about_shared_addresses(self, changes: Changes, people: dict[int, Person]) -> None:
        lines = [newcomer.person.line for newcomer in changes.newcomers]
        lines += [difference.line for difference in changes.corrections]
        unchecked = [line for line in lines if not people[line].shares_recovery_address]
        for line in lines_with_a_known_recovery_address(unchecked):
            self._report([_problem(people[line], "recovery_address", Severity.WARNING, SHARED)])

    def _count(self, chunk: _Chunk, changes: Changes) -> None:
        report = self.report
        changed = sum(1 for difference in changes.differences if difference.is_a_change)
        report.read += chunk.rows
        report.created += len(changes.newcomers)
        report.updated += len(changes.updates)
        report.corrected += len(changes.corrections)
        report.proposed += len(changes.proposals)
        report.closing += sum(difference.leaves for difference in changes.differences)
        report.asked += len(changes.questions)
        report.refused += chunk.refused + len(changes.refused)
        settled = len(changes.refused) + len(changes.questions) + len(changes.newcomers) + changed
        report.unchanged += len(chunk.people) - settled

    def _report(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.report.add(problem)


class _Import(_Preview):
    def __init__(self, feed: FeedFile, distinct: frozenset[str], actor: Account | None) -> None:
        super().__init__(feed, distinct)
        self._actor = actor

    def finish(self) -> None:
        enqueue_on_commit(send_due_messages)

    def _write(self, changes: Changes, people: dict[int, Person]) -> None:
        apply(changes, people=people, columns=self._columns, today=self._today, actor=self._actor)


def _problem(person: Person, column: str, severity: Severity, reason: Promise) -> Problem:
    return Problem(person.line, person.hr_id, column, severity, str(reason))
