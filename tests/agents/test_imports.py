"""The HR file in the agents' area: a preview before anything is written, then an import that survives the death of its
worker (ADM-08, AVL-09)."""

import csv
import inspect
import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.models import Account, Lock
from agents.imports import forms
from agents.roles import Role
from config.celery import app
from hr_feed import importer
from hr_feed.models import MOST_ATTEMPTS, HrFilePart, HrImport, ImportState
from hr_feed.tasks import run_hr_imports
from hr_feed.uploads import jobs, services
from hr_feed.uploads.expiry import discard_old_files
from hr_feed.uploads.jobs import run_next
from hr_feed.uploads.sanity_checks import failed_checks
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from privacy.purge import purge
from tests.agents.hr_imports import imported, now, people, previewed, received
from tests.agents.signed_in import visible_text
from tests.agents.test_scale import queries_of
from tests.factories import active_account, reloaded
from tests.hr_feed.hr_files import another, row, text_of

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES


def send(browser: Client, content: bytes, name: str = "personnel.csv", **more: object) -> HttpResponse:
    return browser.post(reverse("admin:imports"), {"file": SimpleUploadedFile(name, content), **more})


def act(browser: Client, name: str, hr_import: HrImport, **sent: str) -> HttpResponse:
    return browser.post(reverse(f"admin:import-{name}", args=[hr_import.pk]), sent)


def page_of(browser: Client, hr_import: HrImport, name: str = "import") -> HttpResponse:
    return browser.get(reverse(f"admin:{name}", args=[hr_import.pk]))


def people_of_the_file() -> set[str]:
    return set(Account.objects.filter(hr_id__regex=r"^HR\d{1,3}$").values_list("hr_id", flat=True))


def actors_of(*events: Event) -> list[Account | None]:
    return [entry.actor for entry in JournalEntry.objects.filter(event__in=events).order_by("pk")]


def lease(hr_import: HrImport, **duration: int) -> None:
    HrImport.objects.filter(pk=hr_import.pk).update(leased_until=timezone.now() + timedelta(**duration))


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(importer, "ROWS_IN_A_CHUNK", 10)


def before_each_renewal(patch: pytest.MonkeyPatch, call: Callable[[HrImport, int], object]) -> None:
    renewal = jobs._lease_renewal
    patch.setattr(jobs, "_lease_renewal", lambda one: lambda done, total: (call(one, done), renewal(one)(done, total)))


def run_until_killed(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    def kill(_hr_import: HrImport, done: int) -> None:
        if done > rows:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        before_each_renewal(patch, kill)
        with pytest.raises(KeyboardInterrupt):
            run_next()


class TestSending:
    def test_nothing_is_written_before_the_preview_is_confirmed(
        self, agent, browser, monkeypatch, django_capture_on_commit_callbacks
    ):
        """ADM-06: extra fields confirm nothing; a second click sends no second file. Its parts make the whole again."""
        monkeypatch.setattr(services, "PART", 100)
        content = text_of(*people(3)).encode()
        forged = {"state": "done", "uploaded_by": "1", "approved_by": "1", "sure": "on", "attempts": "9"}
        with django_capture_on_commit_callbacks() as tasks:
            sent_to = {send(browser, content, **forged).url for _ in range(2)}
        hr_import = HrImport.objects.get()
        assert sent_to == {reverse("admin:import", args=[hr_import.pk])}
        assert (hr_import.state, hr_import.uploaded_by, hr_import.attempts) == (ImportState.TO_PREVIEW, agent, 0)
        assert hr_import.parts.count() == len(content) // 100 + 1
        with jobs._content(hr_import) as stream:
            assert stream.read() == content
        assert page_of(browser, hr_import, "import-report").status_code == 404
        assert "FOR UPDATE" in str(queries_of(run_next)), "two workers could take it"
        assert now(hr_import).state == ImportState.PREVIEWED
        entry = JournalEntry.objects.get(event=Event.HR_FILE_RECEIVED)
        assert (entry.actor, entry.account, entry.details["file"]) == (agent, None, "personnel.csv")
        with django_capture_on_commit_callbacks() as more_tasks:
            assert "FOR UPDATE" in str(queries_of(lambda: services.approve(pk=hr_import.pk, agent=agent)))
        assert str([*tasks, *more_tasks]).count("enqueue_on_commit") == 2

    def test_what_cannot_be_read_is_refused_at_once_with_an_explanation(self, browser, monkeypatch):
        good = text_of(row())
        with_a_password = text_of(row(), columns=("hr_id", "mot_de_passe"))
        for content, name, words in (
            (b"", "a.csv", "Le fichier est vide"),
            (b"PK\x03\x04" + b"\x00" * 50, "a.csv", "Le fichier est un classeur ou une archive"),
            (with_a_password.encode(), "a.csv", "nom d’un mot de passe"),
            (good.encode(), "a.csv.exe", "Ce n’est pas un fichier .csv"),
        ):
            assert words in send(browser, content, name).content.decode()
        assert "Choisissez le fichier à envoyer" in browser.post(reverse("admin:imports")).content.decode()
        monkeypatch.setattr(forms, "MEGABYTE", 2)
        too_large = f"Le fichier dépasse {settings.HR_FILE_LARGEST_MB}\u00a0Mo"
        assert too_large in send(browser, good.encode()).content.decode()
        assert not HrImport.objects.exists()


class TestPreview:
    def test_says_what_would_become_of_whom_without_what_proves_or_reaches_people(self, agent, browser):
        """PRV-04: and changes nothing."""
        imported(*people(2), agent=agent)
        before = list(Account.objects.order_by("pk").values()), Message.objects.count()
        changed = {"family_name": "Lefèvre", "birth_date": "1991-07-17", "recovery_address": "nouvelle@exemple.org"}
        changed |= {"phone": "07 98 76 54 32", "ine": "0123456789A", "employer": "CNRS"}
        hr_import = previewed(another(1, **changed), another(3), another(4, category="?"), agent=agent)
        page = re.sub(r"\s+", " ", page_of(browser, hr_import).content.decode())
        assert [hr_import.foreseen[what] for what in ("created", "updated", "corrected")] == [1, 1, 1]
        shown = ("<bdi>Nomb</bdi> → <bdi>Lefèvre</bdi>", "<bdi>Université</bdi> → <bdi>CNRS</bdi>", "Camille Nomd")
        shown += ("Date de naissance", "Adresse de secours", "Importer 2 lignes")
        assert [words for words in shown if words not in page] == []
        secret = ("1991", "17/07", "nouvelle@exemple.org", "p1@exemple.net", "98765432", "0123456789A", "1984")
        assert not [fact for fact in secret if fact in page + json.dumps(hr_import.examples) + hr_import.report]
        assert (list(Account.objects.order_by("pk").values()), Message.objects.count()) == before
        closing = previewed(*people(2, end_date="2025-01-31"), agent=agent)
        assert (closing.foreseen["closing"], closing.foreseen["known"]) == (2, 2 + 1)

    def test_warns_of_unusual_numbers(self):
        for foreseen, number in (
            ({"read": 100, "known": 100, "created": 2, "updated": 20, "closing": 5, "refused": 5}, 0),
            ({"read": 100, "known": 0, "created": 100}, 0),
            ({"read": 100, "known": 100, "asked": 10, "misspelt": 1}, 2),
            ({"read": 100, "known": 0, "refused": 11}, 1),
            ({"read": 5_000, "known": 5_000, "created": 4_000}, 1),
            ({"read": 5_000, "known": 5_000, "updated": 1_001, "closing": 251, "corrected": 251}, 3),
        ):
            assert len(failed_checks(foreseen)) == number, foreseen


class TestImporting:
    def test_a_confirmed_file_is_imported_once_and_its_content_is_deleted(self, agent, browser):
        """PRV-05: the report stays. The same content again has to be confirmed, and sends no mail."""
        hr_import, other = previewed(*people(3), another(4, category="?")), previewed(*people(2))
        answers = [act(browser, "approval", hr_import) for _ in range(2)]
        at_the_same_time = browser.post(reverse("admin:import-approval", args=[other.pk]), follow=True)
        assert "Un autre fichier est en cours d’import" in visible_text(at_the_same_time)
        assert now(other).state == ImportState.PREVIEWED
        # A confirmed file goes before previews, and alone.
        waiting = received(*people(1))
        lease(waiting, minutes=1)
        assert not run_next()
        lease(waiting, minutes=-1)
        assert run_next()
        assert (now(hr_import).state, now(waiting).state) == (ImportState.DONE, ImportState.TO_PREVIEW)
        assert run_next()
        assert not run_next()
        answers.append(act(browser, "approval", hr_import))
        assert [answer.status_code for answer in answers] == [302, 302, 302]
        assert people_of_the_file() == {"HR1", "HR2", "HR3"}
        done = now(hr_import)
        assert (done.state, done.approved_by, done.done["refused"]) == (ImportState.DONE, agent, 1)
        assert actors_of(Event.HR_IMPORT_STARTED, Event.HR_IMPORT_FINISHED, Event.USER_CREATED) == [agent] * 5
        assert not hr_import.parts.exists()
        assert "Camille" not in json.dumps(done.examples) + done.report
        assert "HR4;category;erreur" in done.report

        Account.objects.filter(hr_id="HR1").update(employer="CNRS")
        again = previewed(*people(3), another(4, category="?"))
        assert "Ce fichier a déjà été importé" in page_of(browser, again).content.decode()
        for typed in ({}, {"sure": "1"}):
            assert "Cochez la case" in act(browser, "approval", again, **typed).content.decode()
        assert act(browser, "approval", again, sure="on").status_code == 302
        run_next()
        assert (now(again).done["updated"], now(again).done["unchanged"]) == (1, 2)
        assert Message.objects.filter(kind=Kind.ACTIVATION).count() == 3

    def test_makes_a_second_account_of_the_same_name_only_where_an_agent_has_decided_so(self, agent, browser):
        imported(row())
        hr_import = previewed(
            *(row(hr_id=f"HR{number}", recovery_address=f"{number}@exemple.net") for number in (7, 8))
        )
        page, refused = page_of(browser, hr_import), act(browser, "approval", hr_import, distinct="HR9")
        assert "HR7, ligne 2. Mêmes noms et même date de naissance que le compte du numéro RH HR1" in visible_text(page)
        assert hr_import.foreseen["asked"] == 2
        assert "Cette ligne n’est plus à départager" in visible_text(refused)
        act(browser, "approval", hr_import, distinct="HR8")
        assert run_next()
        done = now(hr_import)
        assert (people_of_the_file(), done.done["asked"], done.done["created"]) == ({"HR1", "HR8"}, 1, 1)
        assert JournalEntry.objects.filter(event=Event.HR_IMPORT_STARTED).last().details["distinct"] == ["HR8"]
        assert "HR7;hr_id;à décider" in done.report

    def test_cannot_unlock_nor_take_back_what_people_have_chosen(self):
        """ADM-05, ADM-08"""
        person = active_account(hr_id="HR1", recovery_address="choisie@exemple.net")
        Lock.objects.create(account=person, reason=LockReason.PHISHING)
        assert imported(row()).done["proposed"] == 1
        assert (reloaded(person).is_locked, reloaded(person).recovery_address) == (True, "choisie@exemple.net")

    def test_the_report_is_a_csv_without_formulas_and_each_download_is_in_the_journal(self, agent, browser):
        """ADM-07"""
        formula = another(4, recovery_address="=cmd|' /C calc'!A0")
        header = another(5, family_name="Dur\r\nBcc: victime@example.org")
        hr_import = imported(*people(2), another(3, category="?"), formula, header)
        answer = page_of(browser, hr_import, "import-report")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert f'filename="import-rh-{hr_import.pk}.csv"' in answer["Content-Disposition"]
        _columns, *rows = csv.reader(StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";")
        problems = [["4", "HR3", "category"], ["5", "HR4", "recovery_address"], ["6", "HR5", "family_name"]]
        assert [line[:3] for line in rows] == problems
        assert not any(cell.startswith(("=", "+", "-", "@")) for line in rows for cell in line)
        assert actors_of(Event.HR_REPORT_READ) == [agent]


class TestWorker:
    def test_files_do_not_stand_before_urgent_mail_and_the_task_carries_nothing_of_the_file(self):
        for task in ("run_hr_imports", "discard_old_hr_files"):
            assert app.conf.task_routes[f"hr_feed.tasks.{task}"] == {"queue": "bulk"}
        assert not inspect.signature(run_hr_imports.run).parameters
        [sweep] = [one for one in app.conf.beat_schedule.values() if one["task"] == run_hr_imports.name]
        assert sweep["schedule"] <= timedelta(seconds=20)
        assert run_hr_imports.time_limit > app.conf.task_time_limit

    def test_a_run_that_was_killed_is_taken_up_when_its_lease_is_over(self, browser, small_chunks, monkeypatch):
        """AVL-09: the same end, one mail each, and the counts of both runs are added."""
        hr_import = previewed(*people(50))
        act(browser, "approval", hr_import, sure="on")
        run_until_killed(monkeypatch, 30)
        assert "L’import est en cours" in page_of(browser, hr_import).content.decode()
        facts = page_of(browser, hr_import, "import-progress").json()
        assert (facts, run_next()) == ({"over": False, "done": 21, "total": 51}, False)
        lease(hr_import, seconds=-1)
        assert run_next()
        done = now(hr_import)
        assert (done.state, done.attempts, done.done["created"], done.done["read"]) == (ImportState.DONE, 2, 50, 50)
        assert len(people_of_the_file()) == Message.objects.filter(kind=Kind.ACTIVATION).count() == 50

    def test_a_run_that_fails_again_and_again_waits_for_an_agent(self, agent, browser, monkeypatch):
        hr_import = received(*people(3))
        with monkeypatch.context() as patch:
            patch.setattr(jobs, "import_feed", lambda *_arguments, **_options: 1 // 0)
            for _ in range(MOST_ATTEMPTS):
                assert not run_next()
        assert now(hr_import).attempts == MOST_ATTEMPTS
        assert "Le traitement s’est arrêté" in page_of(browser, hr_import).content.decode()
        assert (page_of(browser, hr_import, "import-progress").json()["over"], run_next()) == (True, False)
        act(browser, "resumption", hr_import)
        assert run_next()
        assert act(browser, "resumption", hr_import).status_code == 302
        assert (now(hr_import).state, actors_of(Event.HR_IMPORT_RESUMED)) == (ImportState.PREVIEWED, [agent])

    def test_a_run_that_lost_its_lease_stops_and_writes_nothing_more(self, small_chunks, monkeypatch):
        hr_import = previewed(*people(50))
        services.approve(pk=hr_import.pk, agent=hr_import.uploaded_by)
        with monkeypatch.context() as patch:
            before_each_renewal(patch, lambda one, done: done > 20 and lease(one, hours=1))
            assert run_next()
        assert (now(hr_import).state, len(people_of_the_file())) == (ImportState.TO_IMPORT, 20)
        assert not actors_of(Event.HR_IMPORT_FINISHED)


class TestAbandoning:
    def test_deletes_the_content_unless_it_is_being_imported_and_is_in_the_journal(
        self, agent, browser, small_chunks, monkeypatch
    ):
        hr_import = previewed(*people(50))
        act(browser, "approval", hr_import, sure="on")
        run_until_killed(monkeypatch, 30)
        assert "Abandonner" not in page_of(browser, hr_import).content.decode()
        act(browser, "abandonment", hr_import)
        assert now(hr_import).state == ImportState.TO_IMPORT
        lease(hr_import, seconds=-1)
        assert act(browser, "abandonment", hr_import).url == reverse("admin:imports")
        gone = now(hr_import)
        assert (gone.state, gone.examples, gone.done["created"]) == (ImportState.ABANDONED, {}, 30)
        assert "Ce qui avait déjà été importé reste" in page_of(browser, hr_import).content.decode()
        assert (HrFilePart.objects.exists(), actors_of(Event.HR_IMPORT_ABANDONED)) == (False, [agent])
        assert act(browser, "approval", hr_import, sure="on").status_code == 302
        assert (now(hr_import).state, run_next()) == (ImportState.ABANDONED, False)

    @pytest.mark.parametrize("by", [discard_old_files, purge])
    def test_an_unconfirmed_file_is_kept_for_a_day(self, by):
        """PRV-05"""
        old, young, running = previewed(*people(2)), previewed(*people(3)), received(*people(4))
        for hr_import, hours in ((old, 24.1), (young, 23.9), (running, 25)):
            HrImport.objects.filter(pk=hr_import.pk).update(uploaded_at=timezone.now() - timedelta(hours=hours))
        lease(running, minutes=5)
        by()
        states = [now(one).state for one in (old, young, running)]
        assert states == [ImportState.ABANDONED, ImportState.PREVIEWED, ImportState.TO_PREVIEW]
        assert set(HrFilePart.objects.values_list("hr_import", flat=True)) == {young.pk, running.pk}
        assert actors_of(Event.HR_IMPORT_ABANDONED) == [None]
