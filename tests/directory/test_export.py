"""The file for the university's own directory: `manage.py export_directory` (PRV-02)."""

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
from directory import export
from tests.directory.listed import active_unlisted_person, decide, listed_person
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
    red_list = [exported()[person.uid]["supannListeRouge"]]
    for listed in (True, False):
        decide(person, listed=listed)
        red_list.append(exported()[person.uid]["supannListeRouge"])
    assert red_list == ["TRUE", "FALSE", "TRUE"]


def test_only_active_accounts_are_exported_in_one_order_by_batches(monkeypatch, django_assert_max_num_queries):
    """PRV-02: no pending, locked or departed account."""
    monkeypatch.setattr(export, "BATCH", 2)
    lock_account(account=listed_person(), reason=LockReason.PHISHING)
    listed_person(end_date=timezone.localdate() - timedelta(days=1))
    pending_account()
    for uid in ("c", "a", "d", "b", "e"):
        listed_person(uid=uid)
    with django_assert_max_num_queries(1):
        assert list(exported()) == ["a", "b", "c", "d", "e"]


def test_each_category_has_the_word_of_the_ldap():
    assert set(export.AFFILIATIONS) == set(Category)
    words = {Category.STAFF: "employee", Category.HOSTED: "affiliate", Category.STUDENT: "student"}
    expected = {listed_person(category=category).uid: word for category, word in words.items()}
    assert {uid: line["eduPersonPrimaryAffiliation"] for uid, line in exported().items()} == expected


def test_a_name_with_signs_stays_one_cell():
    """INP-08, ADM-07: and is no formula."""
    names = ["Du;rand", 'Du"rand', "d’Ornano", "O'Brien", "Nguyễn"]
    names += [N[f"N{number}"] for number in (*range(14, 21), 25, 26)]
    expected = {listed_person("Camille", name).uid: name for name in names}
    for formula in ['=HYPERLINK("x")', "+1", "-2+3", "@SUM(1)"]:
        expected[listed_person("Camille", formula).uid] = f"'{formula}"
    assert {uid: line["sn"] for uid, line in exported().items()} == expected


def test_the_file_replaces_the_last_one(tmp_path: Path):
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


def test_a_failure_leaves_the_last_file_as_it_was_and_a_bad_path_is_named(tmp_path: Path, monkeypatch):
    path = tmp_path / "people.csv"
    path.write_text("former", encoding="utf-8")
    listed_person()
    monkeypatch.setattr(export, "AFFILIATIONS", {})
    with pytest.raises(KeyError):
        call_command("export_directory", output=path)
    assert path.read_text(encoding="utf-8") == "former"
    assert os.listdir(tmp_path) == ["people.csv"]
    with pytest.raises(CommandError, match="ne peut pas être écrit"):
        call_command("export_directory", output=tmp_path / "nowhere" / "people.csv")
