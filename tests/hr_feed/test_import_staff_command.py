"""`manage.py import_staff`, as an operator and cron see it (design §8)."""

import csv
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account
from core.csv import escape_formula
from hr_feed.report import ImportReport, Problem, Severity
from tests.hr_feed.hr_files import another, row, text_of

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    """Somebody looks."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(text_of(row(), another(2, ine="?"), another(3)), encoding="utf-8")
    return path


def run(*arguments: object, **options: object) -> str:
    """What the command says."""
    output = StringIO()
    call_command("import_staff", *map(str, arguments), stdout=output, **options)
    return output.getvalue()


def test_good_rows_go_in_and_the_summary_says_so_in_french(file):
    summary = run(file).splitlines()

    assert Account.objects.count() == 2
    assert "Lignes lues\u00a0: 3" in summary
    assert "Comptes créés\u00a0: 2" in summary
    assert "Lignes refusées\u00a0: 1" in summary
    assert any("ligne 3 · HR2 · ine · erreur" in line for line in summary)


def test_a_dry_run_changes_nothing_and_says_so(file):
    summary = run(file, "--dry-run")

    assert summary.startswith("Essai\u00a0: rien n’a été changé.")
    assert "Comptes créés\u00a0: 2" in summary
    assert not Account.objects.exists()


def test_verbosity_0_says_nothing(file):
    assert run(file, verbosity=0) == ""


def test_the_report_is_a_csv_of_the_problems(file, tmp_path):
    report = tmp_path / "report.csv"

    run(file, "--report", report)

    with report.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines, delimiter=";"))
    assert rows[0] == ["ligne", "hr_id", "colonne", "gravité", "raison"]
    assert rows[1][:4] == ["3", "HR2", "ine", "erreur"]
    assert report.read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_report_that_cannot_be_written_is_found_out_before_anything_changes(file, tmp_path):
    with pytest.raises(CommandError, match="rapport"):
        run(file, "--report", tmp_path / "nowhere" / "report.csv")
    assert not Account.objects.exists()


@pytest.mark.parametrize("cell", ["=1+1", "+33", "-2", "@SUM(1)", "\t=1", "\r=1", "\0=1"])
def test_no_cell_of_the_report_is_a_formula(cell):
    """ADM-07"""
    report = ImportReport()
    report.add(Problem(2, cell, cell, Severity.ERROR, f'{cell};"\n'))
    output = StringIO(newline="")

    report.write_csv(output)

    [_heading, read] = csv.reader(StringIO(output.getvalue(), newline=""), delimiter=";")
    assert read == ["2", f"'{cell}", f"'{cell}", "erreur", f"'{cell};\"\n"]
    assert escape_formula("ordinaire") == "ordinaire"


def test_many_problems_are_not_all_shown(tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(text_of(*(another(n, ine="?") for n in range(1, 31))))

    summary = run(file)

    assert summary.count(" · ine · ") == 20
    assert "Et 10 autres" in summary


@pytest.mark.parametrize("content", [b"", b"nom;prenom\n", b"hr_id;mdp\n", b"\xff\xfeh\x00"])
def test_a_file_that_says_nothing_is_one_clear_sentence(tmp_path, content):
    file = tmp_path / "people.csv"
    file.write_bytes(content)

    with pytest.raises(CommandError) as refusal:
        run(file)
    assert refusal.value.returncode == 1
    assert len(str(refusal.value).splitlines()) == 1


def test_a_missing_file_or_a_folder_is_one_clear_sentence(tmp_path):
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(CommandError, match="n’existe pas ou ne peut pas être lu"):
            run(path)


def test_a_terminal_shows_progress_and_a_log_does_not(file):
    terminal, log = Terminal(), StringIO()

    run(file, stderr=terminal)
    run(file, stderr=log)

    assert f"[{'#' * 40}]" in terminal.getvalue()
    assert log.getvalue() == ""
