"""HR files sent by agents, as far as a test wants them; the worker's part is done when the test says so."""

from itertools import count
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Account
from agents.roles import Role
from hr_feed.models import HrImport
from hr_feed.uploads import services
from hr_feed.uploads.jobs import run_next
from tests.agents.signed_in import an_agent
from tests.hr_feed.hr_files import another, text_of

numbers = count(1_000)


def received(*rows: dict[str, str], agent: Account | None = None, name: str = "a.csv", **shape: Any) -> HrImport:
    file = SimpleUploadedFile(name, text_of(*rows, **shape).encode(), content_type="text/csv")
    return services.store_upload(file=file, name=name, agent=agent or an_agent(Role.RESPONSABLES))


def previewed(*rows: dict[str, str], **shape: Any) -> HrImport:
    hr_import = received(*rows, **shape)
    assert run_next()
    return now(hr_import)


def imported(*rows: dict[str, str], **shape: Any) -> HrImport:
    hr_import = previewed(*rows, **shape)
    services.approve(pk=hr_import.pk, agent=hr_import.uploaded_by)
    assert run_next()
    return now(hr_import)


def now(hr_import: HrImport) -> HrImport:
    return HrImport.objects.get(pk=hr_import.pk)


def people(number: int, **facts: str) -> list[dict[str, str]]:
    return [another(one, **facts) for one in range(1, number + 1)]


def some_preview() -> HrImport:
    """A file unlike any other that waits for a yes."""
    return previewed(another(next(numbers)))
