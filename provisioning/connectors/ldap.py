"""Writes accounts to an LDAP directory: only mapped attributes, only entries that are the portal's own."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self, cast

from django.conf import settings

from accounts.enums import State
from provisioning.connector import (
    Applied,
    Conflict,
    Connector,
    Finding,
    Later,
    Outcome,
    ReadAgain,
    Refused,
    Seen,
    TargetDown,
    Wanted,
)
from provisioning.connectors.ldap_client import ADD, REPLACE, Changes, Entry, LdapClient, Reply
from provisioning.connectors.ldap_probe import findings
from provisioning.enums import SUSPENDED_ELSEWHERE
from provisioning.facts import ERASED, Facts
from provisioning.mapping import PASSWORD

#: Marks an entry as the portal's own; other labels are other systems'.
MARK, MARK_LABEL = "supannRefId", "{PORTAIL}"
STATE, SUSPENDED = "supannRessourceEtat", "{COMPTE}S:"
HR_IDS = ("supannEmpId", "supannEtuId")
#: Not made for an account in such a state; an entry that is there gets it.
WITHOUT_ENTRY = (State.PENDING, State.CLOSED, ERASED)

SUCCESS, COMPARE_TRUE = 0, 6
ASSERTION_FAILED, NO_SUCH_OBJECT, ALREADY_EXISTS, NO_ACCESS = 122, 32, 68, 50
#: Of this entry: the schema or a constraint refuses a value.
REFUSALS = {17, 19, 20, 21, 34, 64, 65, 69, 71}
#: Of the server: busy, unavailable, unwilling; of the portal's own account: credentials, stronger authentication.
DOWN = {8, 13, 49, 51, 52, 53}
#: In a row: the portal's account has lost its rights.
MOST_WITHOUT_ACCESS = 3


class LdapConnector(Connector):
    target = "ldap"

    def __init__(self) -> None:
        self.mapping = settings.PROVISIONING_LDAP_MAPPING
        self.read_attributes = list(
            {*self.mapping.attributes, MARK, STATE, *HR_IDS, "mail", "objectClass"} - {PASSWORD}
        )
        self.client = LdapClient()
        self.without_access = 0

    def __enter__(self) -> Self:
        self.client.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()

    def content(self, facts: Facts) -> dict[str, Any]:
        return cast(dict[str, Any], self.mapping.values(facts.names(), facts.conditions()))

    def read(self, uids: Sequence[str]) -> dict[str, Seen]:
        return {uid: Seen(uid, entry) for uid, entry in self.client.search(uids, self.read_attributes).items()}

    def walk(self) -> Iterator[list[Seen]]:
        for page in self.client.walk(self.read_attributes):
            yield [Seen(uid, entry) for uid, entry in page.items()]

    def write(self, wanted: Wanted, seen: Seen | None) -> Outcome:
        entry: Entry | None = seen.content if seen else None
        if entry is None:
            return self._create(wanted)
        if not is_own(entry, wanted) and not may_adopt(entry, wanted):
            return Conflict(f"{entry.dn} is of another origin")
        if suspended_by_another(entry, wanted):
            return Conflict(f"{entry.dn} {SUSPENDED_ELSEWHERE}")
        if wanted.facts.state == ERASED and settings.PROVISIONING_LDAP_ON_ERASE == "delete":
            return self._outcome(self.client.delete(entry), wanted)
        changes = self._changes(wanted, entry)
        return self._outcome(self.client.modify(entry, changes), wanted) if changes else Applied()

    def differences(self, wanted: Wanted, seen: Seen | None) -> list[str]:
        if seen is None:
            return [] if wanted.facts.state in WITHOUT_ENTRY else ["no entry"]
        if not is_own(seen.content, wanted) and not may_adopt(seen.content, wanted):
            return ["an entry of another origin"]
        if suspended_by_another(seen.content, wanted):
            return [SUSPENDED_ELSEWHERE]
        if wanted.facts.state == ERASED and settings.PROVISIONING_LDAP_ON_ERASE == "delete":
            return ["an entry, though erased"]
        names = list(self._attribute_changes(wanted, seen.content))
        return names if self._has_wanted_password(wanted, seen.content) else [*names, PASSWORD]

    def is_own(self, seen: Seen) -> bool:
        return any(value.startswith(MARK_LABEL) for value in seen.content.values(MARK))

    def probe(self) -> Iterator[Finding]:
        return findings(self.client, self.mapping)

    def _create(self, wanted: Wanted) -> Outcome:
        if wanted.facts.state in WITHOUT_ENTRY:
            return Applied()
        if not settings.PROVISIONING_LDAP_CREATE:
            return Later("no entry yet; another system makes it")
        attributes = {name: values for name, values in wanted.content.items() if values}
        attributes |= {"objectClass": list(self.mapping.object_classes), "uid": [wanted.uid], MARK: [mark_of(wanted)]}
        reply = self.client.add(wanted.uid, attributes)
        if reply.code == NO_SUCH_OBJECT:
            raise TargetDown(f"{self.client.base} does not exist")
        return self._outcome(reply, wanted)

    def _changes(self, wanted: Wanted, entry: Entry) -> Changes:
        changes = self._attribute_changes(wanted, entry)
        # Without a look: an entry that another worker has read meanwhile must change, so that it cannot write it back.
        if not wanted.content[PASSWORD] or not self._has_wanted_password(wanted, entry):
            changes[PASSWORD] = [(REPLACE, wanted.content[PASSWORD])]
        return changes

    def _attribute_changes(self, wanted: Wanted, entry: Entry) -> Changes:
        """Of all attributes but the password."""
        changes: Changes = {}
        for name, values in wanted.content.items():
            if name == PASSWORD:
                continue
            target = [*self._foreign(name, entry), *values]
            if set(target) != set(entry.values(name)):
                changes[name] = [(REPLACE, target)]
        known = {name.lower() for name in entry.values("objectClass")}
        if missing := [name for name in self.mapping.object_classes if name.lower() not in known]:
            changes["objectClass"] = [(ADD, missing)]
        if mark_of(wanted) not in entry.values(MARK):
            changes[MARK] = [(ADD, [mark_of(wanted)])]
        return changes

    def _foreign(self, name: str, entry: Entry) -> list[str]:
        """Values of a labelled attribute with labels that the mapping does not write."""
        labels = self.mapping.labels(name)
        own = tuple(f"{{{label}}}" for label in labels)
        return [value for value in entry.values(name) if not value.startswith(own)] if labels else []

    def _has_wanted_password(self, wanted: Wanted, entry: Entry) -> bool:
        """The portal's account may compare a password, not read it."""
        values = wanted.content[PASSWORD]
        if values:
            return self.client.compare(entry, PASSWORD, values[0]).code == COMPARE_TRUE
        # Whatever the value: another reply than « no such attribute » means that there is one.
        return self.client.compare(entry, PASSWORD, "{ARGON2}").code == 16

    def _outcome(self, reply: Reply, wanted: Wanted) -> Outcome:
        if reply.code in (ASSERTION_FAILED, ALREADY_EXISTS, NO_SUCH_OBJECT):
            return ReadAgain()
        answer = answer_without_values(reply, wanted)
        if reply.code in DOWN:
            raise TargetDown(answer)
        self.without_access = self.without_access + 1 if reply.code == NO_ACCESS else 0
        if self.without_access == MOST_WITHOUT_ACCESS:
            raise TargetDown(answer)
        if reply.code == SUCCESS:
            return Applied()
        return Refused(answer) if reply.code in REFUSALS else Later(answer)


def mark_of(wanted: Wanted) -> str:
    return f"{MARK_LABEL}{wanted.facts.account.pk}"


def is_own(entry: Entry, wanted: Wanted) -> bool:
    return mark_of(wanted) in entry.values(MARK)


def may_adopt(entry: Entry, wanted: Wanted) -> bool:
    """An unmarked entry of the same uid is the person's when the HR key or the address agrees as well."""
    if any(value.startswith(MARK_LABEL) for value in entry.values(MARK)):
        return False
    account = wanted.facts.account
    hr_ids = {value for name in HR_IDS for value in entry.values(name)}
    addresses = {value.lower() for value in entry.values("mail")}
    return account.hr_id in hr_ids or account.login in addresses


def suspended_by_another(entry: Entry, wanted: Wanted) -> bool:
    """A lock that this portal does not know, after a restored backup for example: an agent decides."""
    is_suspended = any(value.startswith(SUSPENDED) for value in entry.values(STATE))
    known = wanted.replica.state
    return (
        is_suspended
        and wanted.facts.state == State.ACTIVE
        and known in ("", State.ACTIVE)
        and not wanted.replica.is_confirmed
    )


def answer_without_values(reply: Reply, wanted: Wanted) -> str:
    """The server's words, unless they quote what was written."""
    values = [value for values in wanted.content.values() for value in values if len(value) > 2]
    quotes = any(value in reply.message for value in values)
    return f"{reply.code} {reply.description}" + ("" if quotes or not reply.message else f": {reply.message}"[:300])
