"""`manage.py import_staff`, as an operator and cron use it."""

import csv
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account
from hr_feed.report import ImportReport, Problem, Severity
from tests.hr_feed.hr_files import another, row, text_of

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(text_of(row(), another(2, ine="?"), another(3)), encoding="utf-8")
    return path


def run(*arguments: object, **options: object) -> str:
    output = StringIO()
    call_command("import_staff", *map(str, arguments), stdout=output, **options)
    return output.getvalue()


def test_a_dry_run_then_an_import_print_a_summary_in_french_and_write_a_report(file, tmp_path):
    preview = run(file, "--dry-run")
    assert preview.startswith("Essai\u00a0: rien n’a été changé.")
    assert "Comptes créés\u00a0: 2" in preview
    assert not Account.objects.exists()

    terminal, log, report = Terminal(), StringIO(), tmp_path / "report.csv"
    summary = run(file, "--report", report, stderr=terminal).splitlines()
    assert Account.objects.count() == 2
    assert {"Lignes lues\u00a0: 3", "Comptes créés\u00a0: 2", "Lignes refusées\u00a0: 1"} <= set(summary)
    assert any("ligne 3 · HR2 · ine · erreur" in line for line in summary)
    assert report.read_bytes().startswith(b"\xef\xbb\xbf")
    heading, problem = csv.reader(StringIO(report.read_text(encoding="utf-8-sig")), delimiter=";")
    assert heading == ["ligne", "hr_id", "colonne", "gravité", "raison"]
    assert problem[:4] == ["3", "HR2", "ine", "erreur"]
    assert f"[{'#' * 40}]" in terminal.getvalue()

    file.write_text(text_of(*(another(n, ine="?") for n in range(1, 31))))
    assert run(file, verbosity=0, stderr=log) == log.getvalue() == ""
    summary = run(file)
    assert summary.count(" · ine · ") == 20
    assert "Et 10 autres" in summary


def test_no_cell_of_the_report_is_a_formula():
    """ADM-07"""
    report, output = ImportReport(), StringIO(newline="")
    report.add(Problem(2, "=1", "@SUM(1)", Severity.ERROR, '-2;"\n'))
    report.write_csv(output)
    [_heading, read] = csv.reader(StringIO(output.getvalue(), newline=""), delimiter=";")
    assert read == ["2", "'=1", "'@SUM(1)", "erreur", "'-2;\"\n"]


def test_an_unreadable_file_or_report_is_one_sentence_before_any_change(file, tmp_path):
    with pytest.raises(CommandError, match="rapport"):
        run(file, "--report", tmp_path / "nowhere" / "report.csv")
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(CommandError, match="n’existe pas ou ne peut pas être lu"):
            run(path)
    for content in (b"", b"nom;prenom\n", b"hr_id;mdp\n", b"\xff\xfeh\x00"):
        file.write_bytes(content)
        with pytest.raises(CommandError) as refusal:
            run(file)
        assert refusal.value.returncode == 1
        assert len(str(refusal.value).splitlines()) == 1
    assert not Account.objects.exists()
