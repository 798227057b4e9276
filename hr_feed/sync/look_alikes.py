"""New rows that may be of a person who has an account already: no second one is made unless a person has decided so."""

import re
from collections.abc import Sequence
from functools import lru_cache

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hr_feed.login_names import folded
from hr_feed.parsing.rows import Person
from hr_feed.report import Problem, Severity
from hr_feed.sync.diff import ACCOUNTS

#: Spreadsheets eat zeros before a number, and add some behind it. As in the index `account_similar_hr_id`.
_NUMBER = "ltrim(regexp_replace(lower({}), '[.]0+$', ''), '0')"
_ADDED_ZEROS = re.compile(r"\.0+$")
NOT_IN_NAMES = re.compile(r"[\W_]+")

# The cast: PostgreSQL hashes a list of the column's own type, and goes through one of another type for each row.
BORN_ON_THE_SAME_DAYS = f"""
SELECT hr_id, given_name, family_name, birth_date
FROM {ACCOUNTS}
WHERE hr_id IS NOT NULL AND birth_date IN (SELECT birth_date FROM hr_feed WHERE line = ANY(%s::integer[]))
"""
# LATERAL and LIMIT force one index lookup a line, as in `KNOWN_RECOVERY_ADDRESSES`.
OF_A_SIMILAR_NUMBER = f"""
SELECT line, other.hr_id
FROM hr_feed feed
CROSS JOIN LATERAL (
    SELECT hr_id FROM {ACCOUNTS} account
    WHERE {_NUMBER.format("account.hr_id")} = {_NUMBER.format("feed.hr_id")}
    LIMIT 1
) other
WHERE line = ANY(%s::integer[])
"""

SAME_PERSON = _(
    "Mêmes noms et même date de naissance que le compte du numéro RH %(other)s. Si c’est la même personne, remettez ce "
    "numéro dans le fichier\N{NO-BREAK SPACE}; sinon, confirmez qu’il y a deux personnes"
)
SAME_NUMBER = _(
    "Le numéro RH %(other)s, presque le même, a déjà un compte. Si c’est la même personne, remettez ce numéro dans le "
    "fichier\N{NO-BREAK SPACE}; sinon, confirmez qu’il y a deux personnes"
)
SAME_AS_LINE = _(
    "Peut-être la même personne qu’à la ligne %(other)s. Si c’est elle, ne gardez qu’un numéro RH dans le "
    "fichier\N{NO-BREAK SPACE}; sinon, confirmez qu’il y a deux personnes"
)


class LookAlikes:
    """Finds them in all chunks of one file. `distinct`: the HR numbers that a person has confirmed."""

    def __init__(self, distinct: frozenset[str]) -> None:
        self._distinct = distinct
        self._lines: dict[tuple[str, object], int] = {}

    def questions(self, newcomers: Sequence[Person]) -> list[Problem]:
        """One about each new person who may have an account."""
        known = self._known(newcomers) if newcomers else {}
        return [
            Problem(person.line, person.hr_id, "hr_id", Severity.QUESTION, reason)
            for person in newcomers
            if (reason := self._earlier_line(person) or known.get(person.line)) and person.hr_id not in self._distinct
        ]

    def _earlier_line(self, person: Person) -> str:
        of_the_names = self._lines.setdefault(_name_key(person), person.line)
        of_the_number = self._lines.setdefault(("number", _number_key(person.hr_id)), person.line)
        line = min(of_the_names, of_the_number)
        return _sentence(SAME_AS_LINE, line) if line < person.line else ""

    def _known(self, newcomers: Sequence[Person]) -> dict[int, str]:
        lines = [person.line for person in newcomers]
        with connection.cursor() as cursor:
            cursor.execute(OF_A_SIMILAR_NUMBER, [lines])
            similar = {line: _sentence(SAME_NUMBER, hr_id) for line, hr_id in cursor.fetchall()}
            cursor.execute(BORN_ON_THE_SAME_DAYS, [lines])
            accounts = {(_names(given, family), born): hr_id for hr_id, given, family, born in cursor.fetchall()}
        same = {
            person.line: _sentence(SAME_PERSON, accounts[key])
            for person in newcomers
            if (key := _name_key(person)) in accounts
        }
        return similar | same


def _name_key(person: Person) -> tuple[str, object]:
    return _names(person.given_name, person.family_name), person.values["birth_date"]


def _names(given_name: str, family_name: str) -> str:
    """Also when the two columns are swapped."""
    return " ".join(sorted((_plain(given_name), _plain(family_name))))


@lru_cache(maxsize=10_000)
def _plain(name: str) -> str:
    return NOT_IN_NAMES.sub("", folded(name))


def _number_key(hr_id: str) -> str:
    return _ADDED_ZEROS.sub("", hr_id.lower()).lstrip("0")


def _sentence(reason: Promise, other: object) -> str:
    return str(reason) % {"other": other}
