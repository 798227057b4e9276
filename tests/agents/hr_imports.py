"""HR files sent by agents, as far as a test wants them; the worker's part is done when the test says so."""

from itertools import count
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from agents.roles import Role
from hr_feed.models import HrImport
from hr_feed.uploads import services
from hr_feed.uploads.jobs import run_next
from journal.events import Event
from journal.models import JournalEntry
from tests.agents.signed_in import an_agent
from tests.hr_feed.hr_files import another, text_of

numbers = count(1_000)


def a_file(*rows: dict[str, str], name: str = "personnel.csv", **shape: Any) -> SimpleUploadedFile:
    """What a browser sends."""
    return SimpleUploadedFile(name, text_of(*rows, **shape).encode(), content_type="text/csv")


def received(*rows: dict[str, str], agent: Account | None = None, **shape: Any) -> HrImport:
    """A file that waits for its preview."""
    file = a_file(*rows, **shape)
    return services.store_upload(file=file, name=str(file.name), agent=agent or an_agent(Role.RESPONSABLES))


def previewed(*rows: dict[str, str], **shape: Any) -> HrImport:
    """A file that waits for a yes."""
    hr_import = received(*rows, **shape)
    assert run_next()
    return now(hr_import)


def imported(*rows: dict[str, str], **shape: Any) -> HrImport:
    """A file that was imported."""
    hr_import = previewed(*rows, **shape)
    services.approve(pk=hr_import.pk, agent=hr_import.uploaded_by)
    assert run_next()
    return now(hr_import)


def now(hr_import: HrImport) -> HrImport:
    """The row as it is now."""
    return HrImport.objects.get(pk=hr_import.pk)


def people(count: int, **facts: str) -> list[dict[str, str]]:
    """As many people, who have nothing in common."""
    return [another(number, **facts) for number in range(1, count + 1)]


def some_preview() -> HrImport:
    """A file unlike any other that waits for a yes."""
    return previewed(another(next(numbers)))


def act(browser: Client, name: str, hr_import: HrImport, **sent: str) -> HttpResponse:
    return browser.post(reverse(f"admin:import-{name}", args=[hr_import.pk]), sent)


def page_of(browser: Client, hr_import: HrImport) -> str:
    return browser.get(reverse("admin:import", args=[hr_import.pk])).content.decode()


def people_of_the_file() -> set[str]:
    return set(Account.objects.filter(hr_id__regex=r"^HR\d{1,3}$").values_list("hr_id", flat=True))


def entries_of(*events: Event) -> list[JournalEntry]:
    return list(JournalEntry.objects.filter(event__in=events).order_by("pk"))
