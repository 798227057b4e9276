"""The HR file in the agents' area: a preview before anything is written, then an import that survives everything."""

import csv
import json
import re
from io import StringIO
from itertools import product

import pytest
from django.conf import settings as portal
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
from tests.agents.signed_in import an_agent, verified_agent
from tests.factories import active_account
from tests.fuzz import N
from tests.hr_feed.hr_files import another, row, text_of
from tests.hr_feed.hr_files import imported as imported_from_the_command_line

pytestmark = pytest.mark.django_db


def send(browser: Client, content: bytes, name: str = "personnel.csv", **more: object) -> HttpResponse:
    return browser.post(reverse("admin:imports"), {"file": SimpleUploadedFile(name, content), **more})


class TestSending:
    def test_a_file_is_kept_and_nothing_is_written_before_the_preview_is_confirmed(self):
        agent, browser = verified_agent(Role.RESPONSABLES)

        answer = send(browser, text_of(*people(3)).encode())

        hr_import = HrImport.objects.get()
        assert answer.url == reverse("admin:import", args=[hr_import.pk])
        assert (hr_import.state, hr_import.uploaded_by) == (ImportState.TO_PREVIEW, agent)
        assert run_next()
        assert now(hr_import).state == ImportState.PREVIEWED
        assert not people_of_the_file()
        assert not Message.objects.filter(kind=Kind.ACTIVATION).exists()
        [entry] = entries_of(Event.HR_FILE_RECEIVED)
        assert (entry.actor, entry.account, entry.details["file"]) == (agent, None, "personnel.csv")

    def test_a_large_file_comes_back_byte_by_byte(self, monkeypatch):
        """Web and worker share nothing but the database."""
        monkeypatch.setattr(services, "PART", 1_000)
        content = text_of(*people(50)).encode()
        hr_import = services.store_upload(file=SimpleUploadedFile("a.csv", content), name="a.csv", agent=an_agent())
        assert hr_import.parts.count() == len(content) // 1_000 + 1
        with jobs._content(hr_import) as stream:
            assert stream.read() == content

    def test_what_cannot_be_read_is_refused_at_once_with_a_sentence(self):
        """ADM-08"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        good = text_of(row())
        wrong = [
            (b"", "a.csv", "Le fichier est vide"),
            (b"nom;prenom\n", "a.csv", "La première ligne doit nommer les colonnes"),
            (b"PK\x03\x04" + b"\x00" * 50, "a.csv", "Le fichier est un classeur ou une archive"),
            (b"\xd0\xcf\x11\xe0" + b"\x00" * 50, "a.csv", "Le fichier est un classeur ou une archive"),
            (good.encode("utf-16"), "a.csv", "Le fichier est en UTF-16"),
            (b"\x00" * 500, "a.csv", "La première ligne doit nommer les colonnes"),
            (text_of(row(), columns=("hr_id", "mot_de_passe")).encode(), "a.csv", "nom d’un mot de passe"),
            (good.encode(), "a.xlsx", "Ce n’est pas un fichier .csv"),
            (good.encode(), "a.csv.exe", "Ce n’est pas un fichier .csv"),
        ]
        for content, name, sentence in wrong:
            answer = send(browser, content, name)
            assert answer.status_code == 200
            assert sentence in answer.content.decode()
        for sent in ({"file": "personnel.csv"}, {"file[]": "x"}, {}):
            assert "Choisissez le fichier à envoyer" in browser.post(reverse("admin:imports"), sent).content.decode()
        for body in (b"--x\r\nbroken", b""):
            answer = browser.post(reverse("admin:imports"), body, content_type="multipart/form-data; boundary=x")
            assert answer.status_code in (200, 400)
        assert not HrImport.objects.exists()

    def test_a_file_that_is_too_large_is_refused_kindly(self, monkeypatch):
        monkeypatch.setattr(forms, "MEGABYTE", 2)
        _agent, browser = verified_agent(Role.RESPONSABLES)
        answer = send(browser, text_of(row()).encode())
        assert f"Le fichier dépasse {portal.HR_FILE_LARGEST_MB}\u00a0Mo" in answer.content.decode()
        assert not HrFilePart.objects.exists()

    def test_files_as_spreadsheets_write_them_are_imported(self):
        """ADM-08: BOM, CP1252, CRLF."""
        agent, browser = verified_agent(Role.RESPONSABLES)
        encodings = product(("utf-8", "utf-8-sig", "cp1252", "iso8859-15"), ("\n", "\r\n"))
        for number, (encoding, end) in enumerate(encodings, 1):
            send(browser, text_of(another(number, given_name="Zoé"), end=end).encode(encoding))
            hr_import = HrImport.objects.latest("pk")
            run_next()
            services.approve(pk=hr_import.pk, agent=agent)
            run_next()
            assert Account.objects.get(hr_id=f"HR{number}").given_name == "Zoé", (encoding, end)

    def test_bad_rows_are_told_by_line_and_good_ones_go_in(self):
        """ADM-08"""
        bad = [
            another(1),
            another(11, recovery_address="a@univ-exemple.fr"),
            another(12, family_name="Dur\r\nBcc: victime@example.org"),
            another(13, family_name='=HYPERLINK("https://evil.example")'),
            another(14, employer="a\x00b"),
        ]
        hr_import = imported(*people(3), *bad)
        assert (hr_import.done["created"], hr_import.done["refused"]) == (3, 5)
        assert people_of_the_file() == {"HR1", "HR2", "HR3"}
        lines = [int(line.split(";")[0]) for line in hr_import.report.splitlines()[1:]]
        assert sorted(set(lines)) == [5, 6, 7, 9, 10]

    def test_a_hostile_name_is_shown_as_text(self):
        """ADM-08, INP-05"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        for number, name in enumerate(name for name in N if isinstance(N[name], str)):
            answer = send(browser, text_of(another(number)).encode(), name=f"{N[name]}.csv")
            assert answer.status_code in (200, 302)
            for page in (reverse("admin:imports"), getattr(answer, "url", reverse("admin:imports"))):
                shown = browser.get(page)
                assert shown.status_code == 200
                assert "<script>alert" not in shown.content.decode()
                assert "<img src=x" not in shown.content.decode()

    def test_two_clicks_are_one_file(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        first, second = (send(browser, text_of(row()).encode()) for _ in range(2))
        assert first.url == second.url
        assert HrImport.objects.count() == 1
        assert "Ce fichier est déjà là" in browser.get(second.url).content.decode()

    def test_other_fields_of_the_form_change_nothing(self):
        """ADM-06"""
        agent, browser = verified_agent(Role.RESPONSABLES)
        forged = {"state": "done", "uploaded_by": "1", "approved_by": "1", "sha256": "0", "sure": "on", "attempts": "9"}
        send(browser, text_of(row()).encode(), **forged)
        hr_import = HrImport.objects.get()
        assert (hr_import.state, hr_import.uploaded_by, hr_import.attempts) == (ImportState.TO_PREVIEW, agent, 0)
        assert hr_import.sha256 != "0"


class TestPreview:
    def test_says_what_would_become_of_whom_without_what_proves_or_reaches_people(self):
        """PRV-04"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        imported(*people(2))
        changed = {
            "family_name": "Lefèvre",
            "birth_date": "1991-07-17",
            "recovery_address": "nouvelle@exemple.org",
            "phone": "07 98 76 54 32",
            "ine": "0123456789A",
            "employer": "CNRS",
        }
        hr_import = previewed(another(1, **changed), another(3), another(4, ine="?"))

        page = page_of(browser, hr_import)

        assert (hr_import.foreseen["created"], hr_import.foreseen["updated"], hr_import.foreseen["corrected"]) == (
            1,
            1,
            1,
        )
        for shown in (
            "<bdi>Nomb</bdi> → <bdi>Lefèvre</bdi>",
            "<bdi>Université</bdi> → <bdi>CNRS</bdi>",
            "Date de naissance",
            "Adresse de secours",
            "Camille Nomd",
        ):
            assert shown in re.sub(r"\s+", " ", page)
        for hidden in ("1991", "17/07", "nouvelle@exemple.org", "p1@exemple.net", "98765432", "0123456789A", "1984"):
            assert hidden not in page
            assert hidden not in json.dumps(hr_import.examples) + hr_import.report
        assert "Importer 2 lignes" in page

    def test_tells_who_would_be_closed(self):
        imported(*people(3))
        hr_import = previewed(*people(3, end_date="2025-01-31"))
        assert (hr_import.foreseen["closing"], hr_import.foreseen["known"]) == (3, 3 + 2)

    def test_changes_nothing_and_sends_no_mail(self):
        agent = an_agent(Role.RESPONSABLES)
        imported(*people(2), agent=agent)
        before = (list(Account.objects.order_by("pk").values()), Message.objects.count())
        previewed(*people(5, employer="CNRS"), agent=agent)
        assert (list(Account.objects.order_by("pk").values()), Message.objects.count()) == before

    def test_what_is_out_of_the_ordinary_is_said_loudly(self):
        counts = [
            ({"read": 100, "known": 100, "created": 2, "updated": 20, "closing": 5, "refused": 5}, 0),
            ({"read": 100, "known": 0, "created": 100}, 0),
            ({"read": 100, "known": 0, "refused": 11}, 1),
            ({"read": 5_000, "known": 5_000, "created": 4_000}, 1),
            ({"read": 5_000, "known": 5_000, "updated": 1_001, "closing": 251, "corrected": 251}, 3),
            ({}, 0),
        ]
        for foreseen, number in counts:
            assert len(failed_checks(foreseen)) == number, foreseen
        assert "5\u00a0000" in " ".join(failed_checks({"known": 5_000, "created": 4_000}))

    def test_an_agent_without_the_right_sees_nothing_of_it(self):
        """ADM-05"""
        hr_import = previewed(*people(2))
        for role in (Role.ASSISTANCE, Role.LECTURE):
            _agent, browser = verified_agent(role)
            for name in ("import", "import-report", "import-progress"):
                assert browser.get(reverse(f"admin:{name}", args=[hr_import.pk])).status_code == 403
            assert act(browser, "approval", hr_import).status_code == 403
            assert send(browser, text_of(row()).encode()).status_code == 403
            assert "Import RH" not in browser.get(reverse("admin:index")).content.decode()
        assert now(hr_import).state == ImportState.PREVIEWED

    def test_cannot_be_confirmed_by_reading(self):
        """ADM-06"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        hr_import = previewed(*people(2))
        for name in ("approval", "abandonment", "resumption"):
            assert browser.get(reverse(f"admin:import-{name}", args=[hr_import.pk])).status_code == 405
        assert now(hr_import).state == ImportState.PREVIEWED


class TestImporting:
    def test_a_confirmed_file_is_imported_once_whatever_is_clicked(self):
        agent, browser = verified_agent(Role.RESPONSABLES)
        hr_import = previewed(*people(3))

        answers = [act(browser, "approval", hr_import) for _ in range(2)]
        assert run_next()
        assert not run_next()
        answers.append(act(browser, "approval", hr_import))

        assert [answer.status_code for answer in answers] == [302, 302, 302]
        assert people_of_the_file() == {"HR1", "HR2", "HR3"}
        assert Message.objects.filter(kind=Kind.ACTIVATION).count() == 3
        done = now(hr_import)
        assert (done.state, done.approved_by, done.done["created"]) == (ImportState.DONE, agent, 3)
        started, finished = entries_of(Event.HR_IMPORT_STARTED, Event.HR_IMPORT_FINISHED)
        assert (started.actor, finished.actor, finished.details["created"]) == (agent, agent, 3)
        assert {entry.actor for entry in entries_of(Event.USER_CREATED)} == {agent}

    def test_the_content_goes_with_the_names_and_the_report_stays(self):
        """PRV-05"""
        hr_import = imported(*people(3), another(4, ine="?"))
        assert not HrFilePart.objects.exists()
        assert "Camille" not in json.dumps(hr_import.examples) + hr_import.report
        assert "HR4;ine;erreur" in hr_import.report

    def test_does_what_the_database_asks_for_by_then(self):
        """A preview may be older than what others have done since."""
        _agent, browser = verified_agent(Role.RESPONSABLES)
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
        assert person.is_locked
        assert person.recovery_address == "choisie@exemple.net"
        assert hr_import.done["proposed"] == 1

    def test_the_same_content_again_has_to_be_confirmed_and_sends_no_mail(self):
        """ADM-08"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        imported(*people(3))
        Account.objects.filter(hr_id="HR1").update(employer="CNRS")
        again = previewed(*people(3))

        assert "Ce fichier a déjà été importé" in page_of(browser, again)
        assert "Cochez la case" in act(browser, "approval", again).content.decode()
        assert "Cochez la case" in act(browser, "approval", again, sure="1").content.decode()
        assert now(again).state == ImportState.PREVIEWED
        assert act(browser, "approval", again, sure="on").status_code == 302
        run_next()

        assert (now(again).done["updated"], now(again).done["unchanged"]) == (1, 2)
        assert Message.objects.filter(kind=Kind.ACTIVATION).count() == 3

    def test_one_file_is_imported_at_a_time(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        first, second = previewed(*people(3)), previewed(*people(4))
        act(browser, "approval", first)

        answer = browser.post(reverse("admin:import-approval", args=[second.pk]), follow=True)

        assert "Un autre fichier est en cours d’import" in answer.content.decode()
        assert now(second).state == ImportState.PREVIEWED
        run_next()
        act(browser, "approval", second)
        run_next()
        assert now(second).state == ImportState.DONE

    def test_the_database_keeps_states_and_times_together(self):
        hr_import = received(*people(2))
        impossible = (
            {"state": ImportState.DONE},
            {"state": ImportState.TO_IMPORT},
            {"ended_at": timezone.now()},
            {"state": ImportState.PREVIEWED, "leased_until": timezone.now()},
        )
        for facts in impossible:
            with pytest.raises(IntegrityError), transaction.atomic():
                HrImport.objects.filter(pk=hr_import.pk).update(**facts)


class TestReport:
    def test_is_a_csv_without_formulas_and_each_download_is_in_the_journal(self):
        """ADM-07"""
        agent, browser = verified_agent(Role.RESPONSABLES)
        hr_import = imported(*people(2), another(3, ine="?"), another(4, recovery_address="=cmd|' /C calc'!A0"))

        answer = browser.get(reverse("admin:import-report", args=[hr_import.pk]))

        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert f'filename="import-rh-{hr_import.pk}.csv"' in answer["Content-Disposition"]
        assert answer.content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))
        assert [line[:4] for line in rows[1:]] == [
            ["4", "HR3", "ine", "erreur"],
            ["5", "HR4", "recovery_address", "erreur"],
        ]
        assert not any(cell.startswith(("=", "+", "-", "@")) for line in rows for cell in line)
        assert [entry.actor for entry in entries_of(Event.HR_REPORT_READ)] == [agent]

    def test_is_nowhere_before_the_preview(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        hr_import = received(*people(2))
        assert browser.get(reverse("admin:import-report", args=[hr_import.pk])).status_code == 404
        assert not entries_of(Event.HR_REPORT_READ)

    def test_of_a_file_that_is_not_there_is_nowhere(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        for name in ("import", "import-report", "import-progress"):
            assert browser.get(reverse(f"admin:{name}", args=[10**9])).status_code == 404
        for name in ("approval", "abandonment", "resumption"):
            assert browser.post(reverse(f"admin:import-{name}", args=[10**9])).status_code == 404


def test_the_list_and_the_page_of_a_large_file_stay_small():
    """200 rows of each kind are shown, however many there are."""
    _agent, browser = verified_agent(Role.RESPONSABLES)
    hr_import = previewed(*people(250), *(another(number, ine="?") for number in range(300, 550)))
    page = page_of(browser, hr_import)
    assert page.count("<tr>") < 450
    assert "Comptes à créer (250)" in page
    assert "Les 200 premières seulement" in page
