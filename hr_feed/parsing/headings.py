"""The first line of a file: its columns, what stands between them, and which of them will not be read."""

import re
import unicodedata
from dataclasses import dataclass

from django.utils.translation import gettext as _

from core.email_typos import edit_distance
from hr_feed.columns import COLUMNS, optional_columns, required_columns
from hr_feed.parsing.encoding import UnreadableFile
from hr_feed.parsing.splitting import split
from hr_feed.report import Problem, Severity

DELIMITERS = ";,\t|"
PASSWORD_WORDS = ("password", "passwd", "passphrase", "motdepasse", "motpasse", "mdp", "pwd")
#: Words of other names of our optional columns, in HR systems.
OTHER_NAMES = {
    "end_date": re.compile(r"fin|depart|sortie|echeance|end|until"),
    "language": re.compile(r"lang"),
    "institutional_address": re.compile(r"institution|univ"),
    "ine": re.compile(r"^(?:no|num|numero|code|n)?ine$"),
    "phone": re.compile(r"tel|phone|mobile|portable|gsm"),
}
FURTHEST_MISSPELLING = 2
SHORTEST_MISSPELT = 5
LONGEST_SHOWN, MOST_SHOWN = 40, 20


@dataclass(frozen=True, slots=True)
class Headings:
    names: list[str]
    delimiter: str
    line: int

    def problems(self) -> list[Problem]:
        """Warnings about columns that are missing or not read."""
        missing = _("Cette colonne manque\N{NO-BREAK SPACE}: les valeurs connues ne changent pas")
        found = [self._warning(column, missing) for column in self._missing()]
        likely = _("Cette colonne n’est pas lue\N{NO-BREAK SPACE}: si c’est %(column)s, renommez-la")
        misspelt = self.misspelt()
        found += [self._warning(_shown(name), likely % {"column": column}) for name, column in misspelt.items()]
        unread = sorted({_shown(name) for name in self._unread() if name not in misspelt} - {""})
        if unread:
            reason = _("Ces colonnes ne sont pas lues\N{NO-BREAK SPACE}: %(columns)s")
            found.append(self._warning("", reason % {"columns": ", ".join(unread[:MOST_SHOWN])}))
        return found

    def misspelt(self) -> dict[str, str]:
        """Columns that are not read, each with the missing one that it seems to be."""
        missing = self._missing()
        found = {name: next((column for column in missing if _resembles(name, column)), "") for name in self._unread()}
        return {name: column for name, column in found.items() if column}

    def _missing(self) -> list[str]:
        return [column for column in optional_columns() if column not in self.names]

    def _unread(self) -> list[str]:
        return [name for name in self.names if name not in COLUMNS]

    def _warning(self, column: str, reason: str) -> Problem:
        return Problem(self.line, "", column, Severity.WARNING, reason)


def headings_of(text: str, line: int, delimiter: str = "") -> Headings:
    """`delimiter`, if the file states it. Raises UnreadableFile."""
    delimiters = delimiter or DELIMITERS
    by_delimiter = {one: [name.strip().lower() for name in split(text, one) or []] for one in delimiters}
    delimiter = max(by_delimiter, key=lambda one: len(set(COLUMNS).intersection(by_delimiter[one])))
    names = by_delimiter[delimiter]
    _check(names)
    return Headings(names, delimiter, line)


def _check(names: list[str]) -> None:
    if not set(COLUMNS).intersection(names):
        raise UnreadableFile(
            _("La première ligne doit nommer les colonnes\N{NO-BREAK SPACE}: %(columns)s")
            % {"columns": ";".join(COLUMNS)}
        )
    if any(map(_names_a_password, names)):
        raise UnreadableFile(_("Une colonne porte le nom d’un mot de passe. Retirez-la du fichier."))
    missing = [name for name in required_columns() if name not in names]
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    for columns, sentence in (
        (missing, _("Il manque des colonnes\N{NO-BREAK SPACE}: %(columns)s")),
        (repeated, _("Des colonnes sont en double\N{NO-BREAK SPACE}: %(columns)s")),
    ):
        if columns:
            raise UnreadableFile(sentence % {"columns": ", ".join(columns)})


def _names_a_password(heading: str) -> bool:
    letters = _letters(heading)
    return any(word in letters for word in PASSWORD_WORDS)


def _letters(heading: str) -> str:
    plain = unicodedata.normalize("NFKD", heading[:200]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]", "", plain.lower())


def _resembles(heading: str, column: str) -> bool:
    letters, ours = _letters(heading)[:LONGEST_SHOWN], _letters(column)
    if len(ours) >= SHORTEST_MISSPELT and edit_distance(letters, ours) <= FURTHEST_MISSPELLING:
        return True
    return OTHER_NAMES[column].search(letters) is not None if column in OTHER_NAMES else False


def _shown(heading: str) -> str:
    return "".join(filter(str.isprintable, heading))[:LONGEST_SHOWN]
