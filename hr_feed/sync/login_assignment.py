"""Names for the people of one chunk who have no account yet."""

from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hr_feed.parsing.rows import Person
from hr_feed.report import Problem, Severity
from hr_feed.sync.diff import names_in_use
from hr_feed.sync.login_names import NameRegistry, NoLatinLetter, login_base, uid_base

IN_USE = _("Cette adresse institutionnelle est ou a été celle de quelqu’un d’autre")
NO_LATIN_LETTER = _("Aucune lettre latine dans le nom\N{NO-BREAK SPACE}: donnez l’adresse institutionnelle")


class Newcomer(NamedTuple):
    """A new person with the names of the account to make."""

    person: Person
    uid: str
    institutional_address: str


class NameRequest(NamedTuple):
    """The names that a person would have without homonyms."""

    person: Person
    uid: str
    login: str


def assign_logins(people: Sequence[Person]) -> tuple[list[Newcomer], list[Problem]]:
    """The people with their names, in the order of the file; and those who cannot have one."""
    wishes, problems = _wishes(people)
    uids, addresses = names_in_use(uids=(wish.uid for wish in wishes), logins=(wish.login for wish in wishes))
    clerk = _Clerk(uids, addresses)
    # Addresses that HR has given go first: numbering must not take them.
    newcomers = []
    for wish in sorted(wishes, key=lambda wish: not wish.person.institutional_address):
        address = clerk.address_for(wish)
        if address:
            newcomers.append(Newcomer(wish.person, clerk.uids.give(wish.uid), address))
        else:
            problems.append(_refusal(wish.person, IN_USE))
    return sorted(newcomers, key=lambda newcomer: newcomer.person.line), problems


class _Clerk:
    """Knows which names are in use and gives out the others."""

    def __init__(self, uids: set[str], addresses: set[str]) -> None:
        self.uids = NameRegistry(uids)
        self._addresses = addresses
        self._logins = NameRegistry({_local_part(address) for address in addresses})

    def address_for(self, wish: NameRequest) -> str:
        """The address HR has given, "" when it is in use; or one made from the names."""
        stated = wish.person.institutional_address
        if not stated:
            return f"{self._logins.give(wish.login)}@{settings.UNIVERSITY_DOMAINS[0]}"
        if stated in self._addresses:
            return ""
        self._addresses.add(stated)
        self._logins.take(wish.login)
        return stated


def _wishes(people: Sequence[Person]) -> tuple[list[NameRequest], list[Problem]]:
    wishes, problems = [], []
    for person in people:
        try:
            wishes.append(_wish(person))
        except NoLatinLetter:
            problems.append(_refusal(person, NO_LATIN_LETTER))
    return wishes, problems


def _wish(person: Person) -> NameRequest:
    login = _local_part(person.institutional_address) or login_base(person.given_name, person.family_name)
    return NameRequest(person, uid_base(person.given_name, person.family_name, login), login)


def _refusal(person: Person, reason: Promise) -> Problem:
    return Problem(person.line, person.hr_id, "institutional_address", Severity.ERROR, str(reason))


def _local_part(address: str) -> str:
    return address.partition("@")[0]
