"""A SCIM 2.0 client (RFC 7644) for users."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings

from provisioning.connector import TargetDown
from provisioning.connectors.http import Answer, HttpClient

MEDIA_TYPE = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PAGE = 100
BAD_REQUEST, INTERNAL_ERROR, NOT_IMPLEMENTED = 400, 500, 501
#: Of the portal's own token.
UNAUTHORIZED = (401, 403)
#: PATCH is optional (RFC 7644, 3.5.2).
WITHOUT_PATCH = (405, NOT_IMPLEMENTED)

#: As JSON.
User = dict[str, Any]


class ScimClient:
    """Every method raises TargetDown when the server cannot be reached, or refuses the portal as such."""

    def __init__(self) -> None:
        self._http = HttpClient()

    def close(self) -> None:
        self._http.close()

    def find(self, attribute: str, value: str) -> list[User]:
        """Compared here as well: a server may refuse or ignore a filter, but for one on userName."""
        answer = self._send("GET", "/Users", query={"filter": f"{attribute} eq {json.dumps(value)}"})
        if answer.status == BAD_REQUEST and attribute != "userName":
            return []
        users, _total = _listed(answer)
        return [user for user in users if str(user.get(attribute, "")).lower() == value.lower()]

    def walk(self) -> Iterator[list[User]]:
        """All users, in pages."""
        start, total = 1, 1
        while start <= total:
            users, total = _listed(self._send("GET", "/Users", query={"startIndex": start, "count": PAGE}))
            if not users:
                return
            yield users
            start += len(users)

    def create(self, user: User) -> Answer:
        return self._send("POST", "/Users", content={"schemas": [USER], **user})

    def change(self, user: User, changes: Mapping[str, Any]) -> Answer:
        """By path; an empty text removes the value. Only when the user is as it was read, where the server can tell."""
        operations = [
            {"op": "replace", "path": path, "value": value} if value != "" else {"op": "remove", "path": path}
            for path, value in changes.items()
        ]
        content = {"schemas": [PATCH], "Operations": operations}
        answer = self._send("PATCH", _path(user), content=content, headers=_unchanged(user))
        if answer.status in WITHOUT_PATCH:
            answer = self._send("PUT", _path(user), content=_merged(user, changes), headers=_unchanged(user))
        return answer

    def delete(self, user: User) -> Answer:
        return self._send("DELETE", _path(user))

    def configuration(self) -> dict[str, Any]:
        """What the server says it can do (RFC 7643, 5)."""
        return _parsed(self._send("GET", "/ServiceProviderConfig"))

    def _send(
        self,
        method: str,
        path: str,
        *,
        content: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        own = {"accept": MEDIA_TYPE, "authorization": f"Bearer {settings.PROVISIONING_SCIM_TOKEN}"}
        if content is not None:
            own["content-type"] = MEDIA_TYPE
        body = None if content is None else json.dumps(content)
        url = f"{settings.PROVISIONING_SCIM_URL}{path}"
        answer = self._http.send(method, url, headers={**own, **(headers or {})}, body=body, query=query)
        is_away = answer.status > NOT_IMPLEMENTED or 300 <= answer.status < 400
        if answer.status in UNAUTHORIZED or is_away:
            raise TargetDown(str(answer))
        return answer


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        content = json.loads(answer.body) if answer.is_success else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise TargetDown(f"{answer}, not a SCIM answer")
    return content


def _listed(answer: Answer) -> tuple[list[User], int]:
    """The users of a page, and how many there are in all."""
    content = _parsed(answer)
    users, total = content.get("Resources") or [], content.get("totalResults")
    if not isinstance(total, int) or not all(isinstance(user, dict) and user.get("id") for user in users):
        raise TargetDown(f"{answer}, not a list of users")
    return users, total


def _path(user: User) -> str:
    return f"/Users/{quote(str(user['id']), safe='')}"


def _unchanged(user: User) -> dict[str, str]:
    version = (user.get("meta") or {}).get("version")
    return {"if-match": version} if isinstance(version, str) and version.isprintable() and version.isascii() else {}


def _merged(user: User, changes: Mapping[str, Any]) -> User:
    """The whole user, with what other systems have written. null removes a value (RFC 7643, 2.5)."""
    merged = {name: value for name, value in user.items() if name != "meta"}
    for path, text in changes.items():
        value = None if text == "" else text
        name, _dot, part = path.partition(".")
        merged[name] = {**(merged.get(name) or {}), part: value} if part else value
    return merged
