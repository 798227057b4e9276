"""Responses without what differs on each request, so that two can be compared."""

import re
from typing import NamedTuple

from django.http import HttpResponse

CHANGING_HEADERS = {"X-Request-Id", "Date", "Expires", "Content-Length"}
CSRF_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
REFERENCE = re.compile(r"[0-9a-f]{32}")


class Answer(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]
    body: str


def normalised_answer(response: HttpResponse, *typed: str) -> Answer:
    """`typed` is replaced in the body."""
    body = CSRF_TOKEN.sub("csrf", response.content.decode())
    body = REFERENCE.sub("reference", body)
    for text in sorted(typed, key=len, reverse=True):
        body = body.replace(text, "typed")
    headers = sorted((name, value) for name, value in response.items() if name not in CHANGING_HEADERS)
    cookies = sorted(f"{name} {sent['httponly']} {sent['samesite']}" for name, sent in response.cookies.items())
    return Answer(response.status_code, tuple(headers), tuple(cookies), body)
