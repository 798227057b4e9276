"""What the university's own directory is fed with: `manage.py export_directory` (PRV-02)."""

import csv
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from directory import export
from tests.directory.listed import active_unlisted_person, decide, listed_people_called, listed_person
from tests.factories import pending_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db


def written() -> str:
    output = io.StringIO()
    call_command("export_directory", stdout=output)
    return output.getvalue()


def exported() -> dict[str, dict[str, str]]:
    """Each line by its uid."""
    return {line["uid"]: line for line in csv.DictReader(io.StringIO(written()), delimiter=";")}


def red_list_of(person: Account) -> str:
    return exported()[person.uid]["supannListeRouge"]


def test_a_line_is_what_the_ldap_needs_and_no_more():
    """PRV-04"""
    listed_person("Zoé", "Lefèvre", uid="zlefevre", institutional_address="zoe.lefevre@univ-exemple.fr")

    assert written() == (
        "uid;mail;givenName;sn;eduPersonPrimaryAffiliation;supannListeRouge\n"
        "zlefevre;zoe.lefevre@univ-exemple.fr;Zoé;Lefèvre;employee;FALSE\n"
    )


def test_the_red_list_follows_the_last_decision():
    """PRV-02: TRUE before any answer, FALSE after a yes, TRUE in the next export after a withdrawal."""
    person = active_unlisted_person()
    assert red_list_of(person) == "TRUE"
    decide(person, listed=True)
    assert red_list_of(person) == "FALSE"
    decide(person, listed=False)
    assert red_list_of(person) == "TRUE"


def test_only_active_accounts_are_exported():
    """PRV-02: nobody before activation; nobody who is locked or left."""
    locked, active = listed_person(), listed_person()
    lock_account(account=locked, reason=LockReason.PHISHING)
    listed_person(end_date=timezone.localdate() - timedelta(days=1))
    pending_account()

    assert list(exported()) == [active.uid]


def test_the_category_is_said_in_the_words_of_the_ldap():
    for category, word in [(Category.STAFF, "employee"), (Category.HOSTED, "affiliate"), (Category.STUDENT, "student")]:
        person = listed_person(category=category)
        assert exported()[person.uid]["eduPersonPrimaryAffiliation"] == word


def test_every_category_has_its_word():
    assert set(export.AFFILIATIONS) == set(Category)


def test_no_cell_is_a_formula():
    """INP-08, ADM-07"""
    for name in ['=HYPERLINK("x")', "+1", "-2+3", "@SUM(1)"]:
        person = listed_person("Camille", name)
        assert exported()[person.uid]["sn"] == f"'{name}"


def test_a_name_with_signs_stays_one_cell():
    """INP-08"""
    for name in [
        "Du;rand",
        'Du"rand',
        "d’Ornano",
        "O'Brien",
        "Nguyễn",
        *(N[f"N{number}"] for number in (*range(14, 21), 25, 26)),
    ]:
        person = listed_person("Camille", name)
        assert exported()[person.uid]["sn"] == name


def test_the_order_is_the_same_each_time():
    for uid in ("c", "a", "b"):
        listed_person(uid=uid)
    assert list(exported()) == ["a", "b", "c"]
    assert written() == written()


def test_people_are_read_by_batches(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(export, "BATCH", 2)
    listed_people_called("Durand", 7)

    with django_assert_max_num_queries(1):
        assert len(exported()) == 7


def test_the_file_takes_the_place_of_the_last_one(tmp_path: Path, capsys):
    path = tmp_path / "people.csv"
    path.write_text("former", encoding="utf-8")
    person = listed_person("Zoé", "Lefèvre")

    output = io.StringIO()
    call_command("export_directory", output=path, stdout=output)

    assert f"{person.uid};{person.institutional_address};Zoé;Lefèvre;employee;FALSE\n" in path.read_text(
        encoding="utf-8"
    )
    assert output.getvalue() == "1 compte\n"
    assert os.listdir(tmp_path) == ["people.csv"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_failure_leaves_the_last_file_as_it_was(tmp_path: Path, monkeypatch):
    path = tmp_path / "people.csv"
    path.write_text("former", encoding="utf-8")
    listed_person()
    monkeypatch.setattr(export, "AFFILIATIONS", {})

    with pytest.raises(KeyError):
        call_command("export_directory", output=path)

    assert path.read_text(encoding="utf-8") == "former"
    assert os.listdir(tmp_path) == ["people.csv"]


def test_a_place_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path):
    with pytest.raises(CommandError, match="ne peut pas être écrit"):
        call_command("export_directory", output=tmp_path / "nowhere" / "people.csv")
