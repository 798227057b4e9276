"""Running a confirmed HR file: leases, retries, abandoned files (AVL-09)."""

import inspect
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from agents.roles import Role
from config.celery import app
from hr_feed import importer
from hr_feed.models import LEASE, MOST_ATTEMPTS, HrFilePart, HrImport, ImportState
from hr_feed.tasks import run_hr_imports
from hr_feed.uploads import jobs, services
from hr_feed.uploads.expiry import discard_old_files
from hr_feed.uploads.jobs import run_next
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from privacy.purge import purge
from tests.agents.hr_imports import act, entries_of, now, page_of, people, people_of_the_file, previewed, received
from tests.agents.signed_in import an_agent

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(importer, "ROWS_IN_A_CHUNK", 10)


def at_each_renewal(
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: Callable[[HrImport, int], object] = lambda hr_import, done: None,
    after: Callable[[HrImport, int], object] = lambda hr_import, done: None,
) -> None:
    """Call both around each renewal of the lease, with the number of rows done."""
    renewing = jobs._lease_renewal

    def watched(hr_import: HrImport) -> Callable[[int, int], None]:
        renew = renewing(hr_import)

        def renew_and_call(done: int, total: int) -> None:
            before(hr_import, done)
            renew(done, total)
            after(hr_import, done)

        return renew_and_call

    monkeypatch.setattr(jobs, "_lease_renewal", watched)


def kill_worker_after(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    def kill(_hr_import: HrImport, done: int) -> None:
        if done > rows:
            raise KeyboardInterrupt

    at_each_renewal(monkeypatch, after=kill)


class TestWorker:
    def test_imports_do_not_stand_before_urgent_mail_and_the_task_carries_nothing_of_the_file(self):
        for task in ("run_hr_imports", "discard_old_hr_files"):
            assert app.conf.task_routes[f"hr_feed.tasks.{task}"] == {"queue": "bulk"}
        assert not inspect.signature(run_hr_imports.run).parameters
        [sweep] = [one for one in app.conf.beat_schedule.values() if one["task"] == run_hr_imports.name]
        assert sweep["schedule"] <= timedelta(seconds=20)
        assert run_hr_imports.time_limit > app.conf.task_time_limit

    def test_one_worker_has_one_file_in_hand(self):
        first = received(*people(2))
        received(*people(3))
        HrImport.objects.filter(pk=first.pk).update(leased_until=timezone.now() + LEASE)
        assert not run_next()

    def test_a_confirmed_file_goes_before_previews(self):
        waiting = previewed(*people(2))
        other = received(*people(3))
        services.approve(pk=waiting.pk, agent=an_agent())
        run_next()
        assert (now(waiting).state, now(other).state) == (ImportState.DONE, ImportState.TO_PREVIEW)

    def test_progress_is_shown_while_it_runs(self, browser, small_chunks, monkeypatch):
        hr_import = received(*people(25))
        address = reverse("admin:import-progress", args=[hr_import.pk])
        seen = []
        at_each_renewal(monkeypatch, after=lambda _hr_import, _done: seen.append(browser.get(address).json()))
        run_next()
        facts = [(one["done"], one["total"], one["over"]) for one in seen]
        assert facts == [(11, 26, False), (21, 26, False), (26, 26, False)]
        assert browser.get(address).json()["over"]

    def test_a_run_that_was_killed_is_taken_up_when_its_lease_is_over(self, browser, small_chunks, monkeypatch):
        """AVL-09: the same end, one mail each, and the counts of both runs are added."""
        hr_import = previewed(*people(50))
        act(browser, "approval", hr_import, sure="on")
        kill_worker_after(monkeypatch, 30)
        with pytest.raises(KeyboardInterrupt):
            run_next()
        monkeypatch.undo()
        assert len(people_of_the_file()) == 30
        assert "L’import est en cours" in page_of(browser, hr_import)
        assert not run_next()

        HrImport.objects.filter(pk=hr_import.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
        assert run_next()

        done = now(hr_import)
        assert (done.state, done.attempts, done.done["created"], done.done["read"]) == (ImportState.DONE, 2, 50, 50)
        assert "unchanged" not in done.done
        assert len(people_of_the_file()) == Message.objects.filter(kind=Kind.ACTIVATION).count() == 50

    def test_a_run_that_fails_again_and_again_waits_for_an_agent(self, agent, browser, monkeypatch):
        hr_import = received(*people(3))

        def fail(*_arguments, **_options):
            raise RuntimeError

        monkeypatch.setattr(jobs, "import_feed", fail)
        for _ in range(MOST_ATTEMPTS):
            assert not run_next()
        assert now(hr_import).attempts == MOST_ATTEMPTS
        assert "Le traitement s’est arrêté" in page_of(browser, hr_import)
        assert browser.get(reverse("admin:import-progress", args=[hr_import.pk])).json()["over"]
        monkeypatch.undo()
        assert not run_next()

        act(browser, "resumption", hr_import)
        assert run_next()

        assert now(hr_import).state == ImportState.PREVIEWED
        assert [entry.actor for entry in entries_of(Event.HR_IMPORT_RESUMED)] == [agent]
        assert act(browser, "resumption", hr_import).status_code == 302
        assert len(entries_of(Event.HR_IMPORT_RESUMED)) == 1

    def test_a_run_that_lost_its_lease_stops_and_writes_nothing_more(self, small_chunks, monkeypatch):
        hr_import = previewed(*people(50))
        services.approve(pk=hr_import.pk, agent=hr_import.uploaded_by)

        def take_over(one: HrImport, done: int) -> None:
            if done > 20:
                HrImport.objects.filter(pk=one.pk).update(leased_until=timezone.now() + 2 * LEASE)

        at_each_renewal(monkeypatch, before=take_over)
        assert run_next()
        assert now(hr_import).state == ImportState.TO_IMPORT
        assert len(people_of_the_file()) == 20
        assert not entries_of(Event.HR_IMPORT_FINISHED)

    def test_a_file_abandoned_during_its_preview_is_gone(self, browser, small_chunks, monkeypatch):
        hr_import = received(*people(30))
        at_each_renewal(monkeypatch, before=lambda one, _done: act(browser, "abandonment", one))
        run_next()
        assert now(hr_import).state == ImportState.ABANDONED
        assert not HrFilePart.objects.exists()


class TestAbandoning:
    def test_an_abandoned_file_is_deleted_and_is_in_the_journal(self, agent, browser):
        hr_import = previewed(*people(3))
        assert act(browser, "abandonment", hr_import).url == reverse("admin:imports")
        gone = now(hr_import)
        assert (gone.state, gone.examples, gone.done) == (ImportState.ABANDONED, {}, {})
        assert not HrFilePart.objects.exists()
        assert [entry.actor for entry in entries_of(Event.HR_IMPORT_ABANDONED)] == [agent]
        assert act(browser, "approval", hr_import).status_code == 302
        assert not people_of_the_file()

    def test_a_file_cannot_be_abandoned_while_it_is_being_imported(self, browser):
        hr_import = previewed(*people(3))
        act(browser, "approval", hr_import)
        HrImport.objects.filter(pk=hr_import.pk).update(leased_until=timezone.now() + LEASE)
        assert "Abandonner" not in page_of(browser, hr_import)
        act(browser, "abandonment", hr_import)
        assert now(hr_import).state == ImportState.TO_IMPORT

    def test_shows_what_was_imported_before_it_was_abandoned(self, browser, small_chunks, monkeypatch):
        hr_import = previewed(*people(50))
        act(browser, "approval", hr_import, sure="on")
        kill_worker_after(monkeypatch, 30)
        with pytest.raises(KeyboardInterrupt):
            run_next()
        HrImport.objects.filter(pk=hr_import.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
        act(browser, "abandonment", hr_import)
        assert now(hr_import).done["created"] == 30
        assert "Ce qui avait déjà été importé reste" in page_of(browser, hr_import)

    @pytest.mark.parametrize("by", [discard_old_files, purge])
    def test_an_unconfirmed_file_is_kept_for_a_day(self, by):
        """PRV-05"""
        old, young, running = previewed(*people(2)), previewed(*people(3)), received(*people(4))
        for hr_import, hours in ((old, 24.1), (young, 23.9), (running, 25)):
            HrImport.objects.filter(pk=hr_import.pk).update(uploaded_at=timezone.now() - timedelta(hours=hours))
        HrImport.objects.filter(pk=running.pk).update(leased_until=timezone.now() + LEASE)

        by()

        states = [now(one).state for one in (old, young, running)]
        assert states == [ImportState.ABANDONED, ImportState.PREVIEWED, ImportState.TO_PREVIEW]
        assert set(HrFilePart.objects.values_list("hr_import", flat=True)) == {young.pk, running.pk}
        [entry] = entries_of(Event.HR_IMPORT_ABANDONED)
        assert entry.actor is None
