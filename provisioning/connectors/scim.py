"""Writes accounts as users to a SCIM 2.0 service (RFC 7643): names, address, whether they may enter. No password."""

import json
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

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
from provisioning.connectors.http import Answer
from provisioning.connectors.scim_client import INTERNAL_ERROR, ScimClient, User
from provisioning.enums import SUSPENDED_ELSEWHERE
from provisioning.facts import ERASED, Facts

#: No user is made for an account in such a state; one that is there may not enter.
WITHOUT_USER = (State.PENDING, State.CLOSED, ERASED)
ANOTHER_ORIGIN = "a user of another origin"
NOT_FOUND, CONFLICT, CHANGED_MEANWHILE = 404, 409, 412
#: Of this user: a value is refused, or all of them are too long.
REFUSALS = (400, 413)
#: In a row: the server fails, not one user.
MOST_ERRORS = 3
WORK = "work"


class ScimConnector(Connector):
    target = "scim"
    # The users are read one by one.
    batch = 5

    def __init__(self) -> None:
        self.client = ScimClient()
        self.errors = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()

    def content(self, facts: Facts) -> dict[str, Any]:
        """By path."""
        names = facts.names()
        return {
            "externalId": external_id(facts),
            "userName": names["uid"],
            "name.familyName": names["family_name"],
            "name.givenName": names["given_name"],
            "displayName": names["full_name"],
            "emails": [{"value": names["login"], "type": WORK, "primary": True}],
            "active": facts.state == State.ACTIVE,
        }

    def read(self, uids: Sequence[str]) -> dict[str, Seen]:
        return {uid: Seen(uid, user) for uid in uids for user in self.client.find("userName", uid)}

    def walk(self) -> Iterator[list[Seen]]:
        for users in self.client.walk():
            yield [Seen(str(user.get("userName", "")).lower(), user) for user in users]

    def write(self, wanted: Wanted, seen: Seen | None) -> Outcome:
        # An account that was written is known by its number, whatever its user is called there now.
        user = seen.content if seen else self._of_number(wanted) if wanted.replica.state else None
        return self._create(wanted) if user is None else self._change(wanted, user)

    def differences(self, wanted: Wanted, seen: Seen | None) -> list[str]:
        if seen is None:
            return [] if wanted.facts.state in WITHOUT_USER else ["no user"]
        if not may_write(seen.content, wanted):
            return [ANOTHER_ORIGIN]
        if suspended_by_another(seen.content, wanted):
            return [SUSPENDED_ELSEWHERE]
        if wanted.facts.state == ERASED:
            return ["a user, though erased"]
        return [*changes(seen.content, wanted.content)]

    def is_own(self, seen: Seen) -> bool:
        return str(seen.content.get("externalId", "")).isdecimal()

    def probe(self) -> Iterator[Finding]:
        configuration = self.client.configuration()
        yield Finding(True, "The server is reached, its certificate is right, the token is accepted.")
        self.client.find("userName", "portail")
        yield Finding(True, "Users can be found by userName.")
        has_patch = (configuration.get("patch") or {}).get("supported") is True
        yield Finding(has_patch or None, "PATCH changes single attributes; without it whole users are written.")

    def _of_number(self, wanted: Wanted) -> User | None:
        found = self.client.find("externalId", external_id(wanted.facts))
        return found[0] if found else None

    def _create(self, wanted: Wanted) -> Outcome:
        if wanted.facts.state in WITHOUT_USER:
            return Applied()
        answer = self.client.create(as_user(wanted.content))
        if answer.status == NOT_FOUND:
            raise TargetDown(f"{answer} for /Users")
        if answer.status == CONFLICT:
            user = self._of_number(wanted) or next(iter(self.client.find("userName", wanted.uid)), None)
            if user is not None:
                return self._change(wanted, user)
        return self._outcome(answer, wanted)

    def _change(self, wanted: Wanted, user: User) -> Outcome:
        if not may_write(user, wanted):
            return Conflict(f"{ANOTHER_ORIGIN} has this userName")
        if suspended_by_another(user, wanted):
            return Conflict(f"the user {SUSPENDED_ELSEWHERE}")
        if wanted.facts.state == ERASED:
            answer = self.client.delete(user)
            return Applied() if answer.status == NOT_FOUND else self._outcome(answer, wanted)
        changed = changes(user, wanted.content)
        return self._outcome(self.client.change(user, changed), wanted) if changed else Applied()

    def _outcome(self, answer: Answer, wanted: Wanted) -> Outcome:
        if answer.status in (NOT_FOUND, CHANGED_MEANWHILE):
            return ReadAgain()
        said = answer_without_values(answer, wanted)
        self.errors = self.errors + 1 if answer.status == INTERNAL_ERROR else 0
        if self.errors == MOST_ERRORS:
            raise TargetDown(said)
        if answer.is_success:
            return Applied()
        if answer.status == CONFLICT:
            return Conflict(said)
        return Refused(said) if answer.status in REFUSALS else Later(said)


def external_id(facts: Facts) -> str:
    return str(facts.account.pk)


def may_write(user: User, wanted: Wanted) -> bool:
    """A user without number is the person's when no address says otherwise; an erased account adopts none."""
    if number := user.get("externalId"):
        return bool(number == external_id(wanted.facts))
    if wanted.replica.state:
        return True
    addresses = {str(email.get("value", "")).lower() for email in emails_of(user)}
    return wanted.facts.state != ERASED and (not addresses or wanted.facts.account.login.lower() in addresses)


def suspended_by_another(user: User, wanted: Wanted) -> bool:
    """A lock that this portal does not know, after a restored backup for example: an agent decides."""
    return (
        user.get("active") is False
        and wanted.facts.state == State.ACTIVE
        and wanted.replica.state in ("", State.ACTIVE)
        and not wanted.replica.is_confirmed
    )


def changes(user: User, content: dict[str, Any]) -> dict[str, Any]:
    """By path, what the user does not have as it should. Other attributes are left alone."""
    wanted = {path: value for path, value in content.items() if path != "emails" and not has(user, path, value)}
    emails = with_work_address(user, content["emails"])
    return {**wanted, "emails": emails} if emails else wanted


def has(user: User, path: str, value: Any) -> bool:
    name, _dot, part = path.partition(".")
    found = (user.get(name) or {}).get(part) if part else user.get(name)
    if path == "userName":
        return bool(str(found).lower() == value.lower())
    return bool(found == value or (value == "" and not found))


def with_work_address(user: User, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All addresses, with the institutional one as the only one of work; empty when it is so already."""
    found = emails_of(user)
    work = [email for email in found if email.get("type", WORK) == WORK]
    [own] = wanted
    is_right = len(work) == 1 and str(work[0].get("value", "")).lower() == own["value"].lower()
    if is_right and work[0].get("primary", True):
        return []
    others = [email for email in found if email not in work]
    # One alone may be primary (RFC 7643, 2.4).
    return [*({name: value for name, value in email.items() if name != "primary"} for email in others), own]


def emails_of(user: User) -> list[dict[str, Any]]:
    return [email for email in user.get("emails") or [] if isinstance(email, dict)]


def as_user(content: dict[str, Any]) -> User:
    """Without empty values."""
    user: User = {}
    for path, value in content.items():
        name, _dot, part = path.partition(".")
        if value == "":
            continue
        user[name] = {**user.get(name, {}), part: value} if part else value
    return user


def answer_without_values(answer: Answer, wanted: Wanted) -> str:
    """The server's words, unless they quote what was written."""
    try:
        detail = str(json.loads(answer.body).get("detail") or "")
    except (ValueError, AttributeError):
        detail = ""
    content = wanted.content
    values = [content["emails"][0]["value"], *(value for value in content.values() if isinstance(value, str))]
    quotes = any(value.lower() in detail.lower() for value in values if len(value) > 2)
    return str(answer) + ("" if quotes or not detail.isprintable() or not detail else f": {detail}"[:300])
