"""Gives logins and LDAP names to the new people of one chunk."""

from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hr_feed.login_names import NameRegistry, NameTooLong, NotLatin, login_base, uid_base
from hr_feed.parsing.rows import Person
from hr_feed.report import Problem, Severity
from hr_feed.sync.diff import names_in_use

IN_USE = _("Cette adresse institutionnelle est ou a été celle de quelqu’un d’autre")
NOT_LATIN = _(
    "Une lettre du nom n’existe pas dans une adresse e-mail\N{NO-BREAK SPACE}: donnez l’adresse institutionnelle"
)
TOO_LONG = _("Le nom est trop long pour une adresse e-mail\N{NO-BREAK SPACE}: donnez l’adresse institutionnelle")


class Newcomer(NamedTuple):
    """A new person, with the names of their account."""

    person: Person
    uid: str
    institutional_address: str


class NameRequest(NamedTuple):
    """The names without a number for homonyms."""

    person: Person
    uid: str
    login: str


def assign_logins(people: Sequence[Person]) -> tuple[list[Newcomer], list[Problem]]:
    """Returns the new people in the order of the file, and a problem for each who cannot get a login."""
    requests, problems = _requests(people)
    uids, addresses = names_in_use(uids=(one.uid for one in requests), logins=(one.login for one in requests))
    names = _Names(uids, addresses)
    # Addresses given by HR first: numbering must not take them.
    newcomers = []
    for request in sorted(requests, key=lambda one: not one.person.institutional_address):
        address = names.address_for(request)
        if address:
            newcomers.append(Newcomer(request.person, names.uids.give(request.uid), address))
        else:
            problems.append(_refusal(request.person, IN_USE))
    return sorted(newcomers, key=lambda newcomer: newcomer.person.line), problems


class _Names:
    def __init__(self, uids: set[str], addresses: set[str]) -> None:
        self.uids = NameRegistry(uids)
        self._addresses = addresses
        self._logins = NameRegistry({_local_part(address) for address in addresses})

    def address_for(self, request: NameRequest) -> str:
        """The address given by HR, or "" when it is in use; else one made from the names."""
        stated = request.person.institutional_address
        if not stated:
            return f"{self._logins.give(request.login)}@{settings.UNIVERSITY_DOMAINS[0]}"
        if stated in self._addresses:
            return ""
        self._addresses.add(stated)
        self._logins.take(request.login)
        return stated


def _requests(people: Sequence[Person]) -> tuple[list[NameRequest], list[Problem]]:
    requests, problems = [], []
    for person in people:
        try:
            requests.append(_request(person))
        except NotLatin:
            problems.append(_refusal(person, NOT_LATIN))
        except NameTooLong:
            problems.append(_refusal(person, TOO_LONG))
    return requests, problems


def _request(person: Person) -> NameRequest:
    login = _local_part(person.institutional_address) or login_base(person.given_name, person.family_name)
    return NameRequest(person, uid_base(person.given_name, person.family_name, login), login)


def _refusal(person: Person, reason: Promise) -> Problem:
    return Problem(person.line, person.hr_id, "institutional_address", Severity.ERROR, str(reason))


def _local_part(address: str) -> str:
    return address.partition("@")[0]
