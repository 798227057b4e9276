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


def exported(column: str) -> dict[str, str]:
    """What the column holds, by uid."""
    return {line["uid"]: line[column] for line in csv.DictReader(io.StringIO(written()), delimiter=";")}


def test_the_red_list_follows_the_last_decision():
    """PRV-02: TRUE before any answer, FALSE after a yes, TRUE in the next export after a withdrawal."""
    person = active_unlisted_person()
    red_list = [exported("supannListeRouge")[person.uid]]
    for listed in (True, False):
        decide(person, listed=listed)
        red_list.append(exported("supannListeRouge")[person.uid])
    assert red_list == ["TRUE", "FALSE", "TRUE"]


def test_only_active_accounts_are_exported_in_one_order_by_batches(monkeypatch, django_assert_max_num_queries):
    """PRV-02, PRV-04: no pending, locked or departed account; of each what the LDAP needs and no more."""
    monkeypatch.setattr(export, "BATCH", 2)
    lock_account(account=listed_person(), reason=LockReason.PHISHING)
    listed_person(end_date=timezone.localdate() - timedelta(days=1))
    pending_account()
    for uid, category in (("c", Category.STAFF), ("a", Category.STUDENT), ("b", Category.HOSTED)):
        listed_person("Zoé", "Lefèvre", uid=uid, institutional_address=f"{uid}@univ-exemple.fr", category=category)
    with django_assert_max_num_queries(1):
        assert written() == (
            "uid;mail;givenName;sn;eduPersonPrimaryAffiliation;supannListeRouge\n"
            "a;a@univ-exemple.fr;Zoé;Lefèvre;student;FALSE\n"
            "b;b@univ-exemple.fr;Zoé;Lefèvre;affiliate;FALSE\n"
            "c;c@univ-exemple.fr;Zoé;Lefèvre;employee;FALSE\n"
        )
    assert set(export.AFFILIATIONS) == set(Category)


def test_a_name_with_signs_stays_one_cell():
    """INP-08, ADM-07: and is no formula."""
    names = ["Du;rand", 'Du"rand', "d’Ornano", "O'Brien", "Nguyễn"]
    names += [N[f"N{number}"] for number in (*range(14, 21), 25, 26)]
    expected = {listed_person("Camille", name).uid: name for name in names}
    for formula in ['=HYPERLINK("x")', "+1", "-2+3", "@SUM(1)"]:
        expected[listed_person("Camille", formula).uid] = f"'{formula}"
    assert exported("sn") == expected


def test_the_file_replaces_the_last_one_and_a_failure_leaves_it_as_it_was(tmp_path: Path, monkeypatch):
    path, output = tmp_path / "people.csv", io.StringIO()
    path.write_text("former", encoding="utf-8")
    listed_person(uid="zoe")
    with monkeypatch.context() as patch:
        patch.setattr(export, "AFFILIATIONS", {})
        with pytest.raises(KeyError):
            call_command("export_directory", output=path)
    assert (path.read_text(encoding="utf-8"), os.listdir(tmp_path)) == ("former", ["people.csv"])
    call_command("export_directory", output=path, stdout=output)
    assert "\nzoe;" in path.read_text(encoding="utf-8")
    assert (output.getvalue(), os.listdir(tmp_path)) == ("1 compte\n", ["people.csv"])
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="ne peut pas être écrit"):
        call_command("export_directory", output=tmp_path / "nowhere" / "people.csv")
