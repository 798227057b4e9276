"""One Chromium a process, one context a visitor."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Browser, expect, sync_playwright

from activation.models import LinkRequest
from devtools.browser import find
from outbox.models import Message
from outbox.tasks import send_due_messages
from tests.browser.inspection import Screen, open_screen
from tests.browser.visitor import Visitor
from tests.stack import Stack, running_stack, stack, wait_until  # noqa: F401

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
ARGUMENTS += ("--disable-background-networking", "--disable-component-update")


@pytest.fixture(scope="session")
def chromium(django_db_setup) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright runs an event loop in this thread; Django would take every query for one made in a coroutine.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=10_000)
        browser = playwright.chromium.launch(executable_path=find(), args=ARGUMENTS)
        yield browser
        browser.close()
        # Connections of its event loop, which would block the deletion of the database.
        connections.close_all()


@pytest.fixture
def new_visitor(chromium: Browser, stack: Stack) -> Iterator[Callable[..., Visitor]]:  # noqa: F811
    """In a browser of their own, whom no page may make complain (HDR-02) or ask another host (PRV-06)."""
    visitors = []

    def arrives(*, width: int = 1280, **options: Any) -> Visitor:
        context = chromium.new_context(
            base_url=stack.url,
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
            **{"locale": "fr-FR", "timezone_id": "Europe/Paris", **options},
        )
        context.set_default_timeout(10_000)
        visitors.append(Visitor(context, stack.url, has_scripts=options.get("java_script_enabled", True)))
        return visitors[-1]

    yield arrives
    for visitor in visitors:
        visitor.context.close()
    # No mail of one test may arrive in the next.
    stack.send(send_due_messages)
    wait_until(lambda: not (LinkRequest.objects.waiting() or Message.objects.unfinished()), stack.log("worker"))
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


@pytest.fixture(scope="module")
def screen(chromium: Browser) -> Iterator[Screen]:
    yield from open_screen(chromium, has_scripts=True)


@pytest.fixture(scope="module")
def screen_without_scripts(chromium: Browser) -> Iterator[Screen]:
    yield from open_screen(chromium, has_scripts=False)
