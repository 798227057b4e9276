"""The HR file in the agents' area: a preview before anything is written, then an import (ADM-08)."""

import csv
import json
import re
from io import StringIO
from itertools import product

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.models import Account, Lock
from agents.imports import forms
from agents.roles import Role
from hr_feed.models import HrFilePart, HrImport, ImportState
from hr_feed.uploads import jobs, services
from hr_feed.uploads.jobs import run_next
from hr_feed.uploads.sanity_checks import failed_checks
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.agents.hr_imports import (
    act,
    entries_of,
    imported,
    now,
    page_of,
    people,
    people_of_the_file,
    previewed,
    received,
)
from tests.agents.screens import visible_text
from tests.agents.signed_in import an_agent, verified_agent
from tests.factories import active_account
from tests.hr_feed.hr_files import another, row, text_of
from tests.hr_feed.hr_files import imported as imported_from_the_command_line

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES


def send(browser: Client, content: bytes, name: str = "personnel.csv", **more: object) -> HttpResponse:
    return browser.post(reverse("admin:imports"), {"file": SimpleUploadedFile(name, content), **more})


class TestSending:
    def test_nothing_is_written_before_the_preview_is_confirmed(self, agent, browser):
        """ADM-06: extra fields confirm nothing; a second click sends no second file."""
        forged = {"state": "done", "uploaded_by": "1", "approved_by": "1", "sure": "on", "attempts": "9"}
        first, second = (send(browser, text_of(*people(3)).encode(), **forged) for _ in range(2))
        hr_import = HrImport.objects.get()
        assert first.url == second.url == reverse("admin:import", args=[hr_import.pk])
        assert "Ce fichier est déjà là" in browser.get(second.url).content.decode()
        assert (hr_import.state, hr_import.uploaded_by, hr_import.attempts) == (ImportState.TO_PREVIEW, agent, 0)
        assert browser.get(reverse("admin:import-report", args=[hr_import.pk])).status_code == 404
        assert run_next()
        assert now(hr_import).state == ImportState.PREVIEWED
        assert not people_of_the_file()
        assert not Message.objects.filter(kind=Kind.ACTIVATION).exists()
        [entry] = entries_of(Event.HR_FILE_RECEIVED)
        assert (entry.actor, entry.account, entry.details["file"]) == (agent, None, "personnel.csv")

    def test_a_large_file_is_kept_in_parts_and_comes_back_unchanged(self, monkeypatch):
        """Web and worker share nothing but the database."""
        monkeypatch.setattr(services, "PART", 1_000)
        content = text_of(*people(50)).encode()
        hr_import = services.store_upload(file=SimpleUploadedFile("a.csv", content), name="a.csv", agent=an_agent())
        assert hr_import.parts.count() == len(content) // 1_000 + 1
        with jobs._content(hr_import) as stream:
            assert stream.read() == content

    def test_what_cannot_be_read_is_refused_at_once_with_an_explanation(self, browser, monkeypatch):
        good = text_of(row())
        for content, name, words in (
            (b"", "a.csv", "Le fichier est vide"),
            (b"nom;prenom\n", "a.csv", "La première ligne doit nommer les colonnes"),
            (b"PK\x03\x04" + b"\x00" * 50, "a.csv", "Le fichier est un classeur ou une archive"),
            (b"\xd0\xcf\x11\xe0" + b"\x00" * 50, "a.csv", "Le fichier est un classeur ou une archive"),
            (good.encode("utf-16"), "a.csv", "Le fichier est en UTF-16"),
            (text_of(row(), columns=("hr_id", "mot_de_passe")).encode(), "a.csv", "nom d’un mot de passe"),
            (good.encode(), "a.csv.exe", "Ce n’est pas un fichier .csv"),
        ):
            assert words in send(browser, content, name).content.decode()
        for sent in ({"file": "personnel.csv"}, {}):
            assert "Choisissez le fichier à envoyer" in browser.post(reverse("admin:imports"), sent).content.decode()
        monkeypatch.setattr(forms, "MEGABYTE", 2)
        too_large = send(browser, good.encode()).content.decode()
        assert f"Le fichier dépasse {settings.HR_FILE_LARGEST_MB}\u00a0Mo" in too_large
        assert not HrImport.objects.exists()
        assert not HrFilePart.objects.exists()

    def test_files_as_spreadsheets_write_them_are_imported(self, agent, browser):
        encodings = product(("utf-8", "utf-8-sig", "cp1252", "iso8859-15"), ("\n", "\r\n"))
        for number, (encoding, end) in enumerate(encodings, 1):
            send(browser, text_of(another(number, given_name="Zoé"), end=end).encode(encoding))
            run_next()
            services.approve(pk=HrImport.objects.latest("pk").pk, agent=agent)
            run_next()
            assert Account.objects.get(hr_id=f"HR{number}").given_name == "Zoé", (encoding, end)


class TestPreview:
    def test_says_what_would_become_of_whom_without_what_proves_or_reaches_people(self, agent, browser):
        """PRV-04: and changes nothing."""
        imported(*people(2), agent=agent)
        before = list(Account.objects.order_by("pk").values()), Message.objects.count()
        changed = {
            "family_name": "Lefèvre",
            "birth_date": "1991-07-17",
            "recovery_address": "nouvelle@exemple.org",
            "phone": "07 98 76 54 32",
            "ine": "0123456789A",
            "employer": "CNRS",
        }
        hr_import = previewed(another(1, **changed), another(3), another(4, ine="?"), agent=agent)
        page = re.sub(r"\s+", " ", page_of(browser, hr_import))
        assert [hr_import.foreseen[what] for what in ("created", "updated", "corrected")] == [1, 1, 1]
        for shown in (
            "<bdi>Nomb</bdi> → <bdi>Lefèvre</bdi>",
            "<bdi>Université</bdi> → <bdi>CNRS</bdi>",
            "Date de naissance",
            "Adresse de secours",
            "Camille Nomd",
            "Importer 2 lignes",
        ):
            assert shown in page
        secret = ("1991", "17/07", "nouvelle@exemple.org", "p1@exemple.net", "98765432", "0123456789A", "1984")
        assert not [fact for fact in secret if fact in page + json.dumps(hr_import.examples) + hr_import.report]
        assert (list(Account.objects.order_by("pk").values()), Message.objects.count()) == before
        closing = previewed(*people(2, end_date="2025-01-31"), agent=agent)
        assert (closing.foreseen["closing"], closing.foreseen["known"]) == (2, 2 + 1)

    def test_warns_of_unusual_numbers(self):
        for foreseen, number in (
            ({"read": 100, "known": 100, "created": 2, "updated": 20, "closing": 5, "refused": 5}, 0),
            ({"read": 100, "known": 0, "created": 100}, 0),
            ({"read": 100, "known": 0, "refused": 11}, 1),
            ({"read": 5_000, "known": 5_000, "created": 4_000}, 1),
            ({"read": 5_000, "known": 5_000, "updated": 1_001, "closing": 251, "corrected": 251}, 3),
            ({}, 0),
        ):
            assert len(failed_checks(foreseen)) == number, foreseen
        assert "5\u00a0000" in " ".join(failed_checks({"known": 5_000, "created": 4_000}))

    def test_an_agent_without_the_permission_sees_nothing_of_it(self):
        """ADM-05"""
        hr_import = previewed(*people(2))
        _agent, browser = verified_agent(Role.ASSISTANCE)
        for name in ("import", "import-report", "import-progress"):
            assert browser.get(reverse(f"admin:{name}", args=[hr_import.pk])).status_code == 403
        assert act(browser, "approval", hr_import).status_code == 403
        assert send(browser, text_of(row()).encode()).status_code == 403
        assert "Import RH" not in browser.get(reverse("admin:index")).content.decode()
        assert now(hr_import).state == ImportState.PREVIEWED

    def test_of_a_large_file_shows_200_rows_of_each_kind(self, browser):
        page = page_of(browser, previewed(*people(250), *(another(number, ine="?") for number in range(300, 550))))
        assert page.count("<tr>") < 450
        assert "Comptes à créer (250)" in page
        assert "Les 200 premières seulement" in page


class TestImporting:
    def test_a_confirmed_file_is_imported_once_and_its_content_is_deleted(self, agent, browser):
        """PRV-05: the report stays."""
        hr_import = previewed(*people(3), another(4, ine="?"))
        answers = [act(browser, "approval", hr_import) for _ in range(2)]
        assert run_next()
        assert not run_next()
        answers.append(act(browser, "approval", hr_import))
        assert [answer.status_code for answer in answers] == [302, 302, 302]
        assert people_of_the_file() == {"HR1", "HR2", "HR3"}
        assert Message.objects.filter(kind=Kind.ACTIVATION).count() == 3
        done = now(hr_import)
        counts = done.done["created"], done.done["refused"]
        assert (done.state, done.approved_by, counts) == (ImportState.DONE, agent, (3, 1))
        started, finished = entries_of(Event.HR_IMPORT_STARTED, Event.HR_IMPORT_FINISHED)
        assert (started.actor, finished.actor, finished.details["created"]) == (agent, agent, 3)
        assert {entry.actor for entry in entries_of(Event.USER_CREATED)} == {agent}
        assert not HrFilePart.objects.exists()
        assert "Camille" not in json.dumps(done.examples) + done.report
        assert "HR4;ine;erreur" in done.report

    def test_does_what_has_to_be_done_by_then(self, browser):
        """Another import may come between the preview and the confirmation."""
        hr_import = previewed(*people(3))
        imported_from_the_command_line(another(1), another(2, employer="CNRS"))
        act(browser, "approval", hr_import)
        run_next()
        done = now(hr_import).done
        assert (hr_import.foreseen["created"], done["created"], done["updated"], done["unchanged"]) == (3, 1, 1, 1)

    def test_cannot_unlock_nor_take_back_what_people_have_chosen(self):
        """ADM-05, ADM-08"""
        person = active_account(hr_id="HR1", recovery_address="choisie@exemple.net")
        Lock.objects.create(account=person, reason=LockReason.PHISHING)
        hr_import = imported(row())
        person = Account.objects.with_lock().get(pk=person.pk)
        assert (person.is_locked, person.recovery_address) == (True, "choisie@exemple.net")
        assert hr_import.done["proposed"] == 1

    def test_the_same_content_again_has_to_be_confirmed_and_sends_no_mail(self, browser):
        imported(*people(3))
        Account.objects.filter(hr_id="HR1").update(employer="CNRS")
        again = previewed(*people(3))
        assert "Ce fichier a déjà été importé" in page_of(browser, again)
        for typed in ({}, {"sure": "1"}):
            assert "Cochez la case" in act(browser, "approval", again, **typed).content.decode()
        assert now(again).state == ImportState.PREVIEWED
        assert act(browser, "approval", again, sure="on").status_code == 302
        run_next()
        assert (now(again).done["updated"], now(again).done["unchanged"]) == (1, 2)
        assert Message.objects.filter(kind=Kind.ACTIVATION).count() == 3

    def test_one_file_is_imported_at_a_time(self, browser):
        first, second = previewed(*people(3)), previewed(*people(4))
        act(browser, "approval", first)
        answer = browser.post(reverse("admin:import-approval", args=[second.pk]), follow=True)
        assert "Un autre fichier est en cours d’import" in visible_text(answer)
        assert now(second).state == ImportState.PREVIEWED
        run_next()
        act(browser, "approval", second)
        run_next()
        assert now(second).state == ImportState.DONE

    def test_the_database_keeps_states_and_times_together(self):
        hr_import = received(*people(2))
        for facts in (
            {"state": ImportState.DONE},
            {"state": ImportState.TO_IMPORT},
            {"ended_at": timezone.now()},
            {"state": ImportState.PREVIEWED, "leased_until": timezone.now()},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                HrImport.objects.filter(pk=hr_import.pk).update(**facts)


def test_the_report_is_a_csv_without_formulas_and_each_download_is_in_the_journal(agent, browser):
    """ADM-07"""
    hr_import = imported(
        *people(2),
        another(3, ine="?"),
        another(4, recovery_address="=cmd|' /C calc'!A0"),
        another(5, family_name="Dur\r\nBcc: victime@example.org"),
    )
    answer = browser.get(reverse("admin:import-report", args=[hr_import.pk]))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="import-rh-{hr_import.pk}.csv"' in answer["Content-Disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert [line[:3] for line in rows[1:]] == [
        ["4", "HR3", "ine"],
        ["5", "HR4", "recovery_address"],
        ["6", "HR5", "family_name"],
    ]
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in rows for cell in line)
    assert [entry.actor for entry in entries_of(Event.HR_REPORT_READ)] == [agent]
    for name in ("import", "import-report", "import-progress"):
        assert browser.get(reverse(f"admin:{name}", args=[10**9])).status_code == 404
