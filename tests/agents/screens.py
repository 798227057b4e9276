"""What the pages of the agents' area show."""

import re
from html import unescape

from django.http import HttpResponse
from django.test import Client


def visible_text(answer: HttpResponse) -> str:
    """On one line; bold words are part of their sentence."""
    words = re.sub(r"<[^>]+>", " ", re.sub(r"</?b>", "", answer.content.decode()))
    return re.sub(r"\s+", " ", unescape(words))


def follow(browser: Client, answer: HttpResponse) -> HttpResponse:
    assert answer.status_code == 302, visible_text(answer)
    return browser.get(answer["Location"])
