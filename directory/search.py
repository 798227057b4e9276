"""Search the public directory by words of a name, ignoring accents, case and order.

One statement over the trigram index finds the names that contain all words; only when there are none, a second one
allows a typo or two. PostgreSQL folds names and words alike (`directory_fold`).
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db import connection, transaction
from django.db.models import Case, F, Func, IntegerField, Q, Value, When
from django.db.models.lookups import LessThanOrEqual

from accounts.models import Account, AccountQuerySet
from directory.models import listed_people

#: A longer list would be a copy of the directory, not an answer.
MOST_PEOPLE = 100
#: Some signs are spelt with several letters (« ﬃ »); PostgreSQL compares words of at most 255.
LONGEST_FOLDED = 200
#: More words make no search finer, only slower.
MOST_WORDS = 6
#: Too many names begin with a given pair of letters: two letters match a whole name only (« Li »).
WHOLE_WORD = 2
#: From this length on a word may have two typos: letters added, left out or replaced.
LONG_WORD = 7
#: The part of a word's trigrams that a name must have to be looked at: one letter replaced leaves three of seven.
LEAST_LIKENESS = 0.4


@dataclass(frozen=True, slots=True)
class Found:
    """The people found, best first, then by name."""

    people: list[Account]
    #: There are more than are shown.
    is_cut: bool = False
    #: No name matches; these are within a typo or two.
    is_near: bool = False


class EditDistance(Func):
    """Distance from the typed word to the nearest word of a name."""

    function = "directory_edit_distance"
    output_field = IntegerField()


def find_people(query: str) -> Found:
    """The listed people whose name has every word of the query, which `directory.forms` has cleaned."""
    words = _words_of(query)
    if not words:
        return Found([])
    exact = _first(_exact(words))
    if exact:
        return Found(exact[:MOST_PEOPLE], is_cut=len(exact) > MOST_PEOPLE)
    near = _near(words)
    return Found(near[:MOST_PEOPLE], is_cut=len(near) > MOST_PEOPLE, is_near=True)


def _words_of(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT left(directory_fold(%s), %s)", [query, LONGEST_FOLDED])
        folded: str = cursor.fetchone()[0]
    return [word for word in dict.fromkeys(folded.split()) if len(word) >= WHOLE_WORD][:MOST_WORDS]


def _listed_people() -> AccountQuerySet:
    people: AccountQuerySet = (
        listed_people()
        .alias(words=F("searchable_name__words"))
        .only("given_name", "family_name", "category", "institutional_address")
    )
    return people


def _first(people: AccountQuerySet) -> list[Account]:
    return list(people[: MOST_PEOPLE + 1])


def _exact(words: list[str]) -> AccountQuerySet:
    people = _listed_people().filter(*(_is_or_begins(word) for word in words))
    begun = sum((_one_if(~_is(word)) for word in words), Value(0))
    return people.order_by(begun, "searchable_name__sort_key", "pk")


def _near(words: list[str]) -> list[Account]:
    people = _listed_people().filter(*(_is_or_begins(word) | _resembles(word) for word in words))
    typos = sum((_typos(word) for word in words), Value(0))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(LEAST_LIKENESS)])
        return _first(people.order_by(typos, "searchable_name__sort_key", "pk"))


def _is(word: str) -> Q:
    return Q(words__contains=f" {word} ")


def _is_or_begins(word: str) -> Q:
    return _is(word) if len(word) == WHOLE_WORD else Q(words__contains=f" {word}")


def _resembles(word: str) -> Q:
    if len(word) == WHOLE_WORD:
        return _is(word)
    few_typos = LessThanOrEqual(_edit_distance(word), Value(_allowed_typos(word)))
    return _has_neighbours_swapped(word) | (Q(words__trigram_word_similar=word) & Q(few_typos))


def _has_neighbours_swapped(word: str) -> Q:
    swapped = (f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}" for i in range(len(word) - 1))
    return reduce(or_, map(_is, swapped))


def _typos(word: str) -> Case | Value:
    if len(word) == WHOLE_WORD:
        return Value(0)
    return Case(
        When(_is_or_begins(word), then=Value(0)),
        When(_has_neighbours_swapped(word), then=Value(1)),
        default=_edit_distance(word),
    )


def _edit_distance(word: str) -> EditDistance:
    return EditDistance("words", Value(word), Value(_allowed_typos(word)))


def _allowed_typos(word: str) -> int:
    return 2 if len(word) >= LONG_WORD else 1


def _one_if(condition: Q) -> Case:
    return Case(When(condition, then=Value(1)), default=Value(0))
