"""The copy of who is who that the university's own directory (LDAP) is fed with."""

import csv
from collections.abc import Iterator
from typing import Any

from accounts.enums import Category
from accounts.hr_feed.report import without_formula
from directory.models import active_people

#: People held in memory at a time.
BATCH = 2_000
#: Names of the attributes they become (eduPerson, SupAnn).
COLUMNS = ("uid", "mail", "givenName", "sn", "eduPersonPrimaryAffiliation", "supannListeRouge")
AFFILIATIONS = {Category.STAFF: "employee", Category.HOSTED: "affiliate", Category.STUDENT: "student"}


def write_directory(file: Any) -> int:
    """Write everybody whose account is active, by `uid`, as CSV with semicolons; answer how many they are.

    `file` is anything with a `write`. `supannListeRouge` is TRUE, not to be shown, unless the person's last decision
    is to be listed (PRV-02).
    """
    writer = csv.writer(file, delimiter=";", lineterminator="\n")
    writer.writerow(COLUMNS)
    written = 0
    for line in _lines():
        writer.writerow([without_formula(cell) for cell in line])
        written += 1
    return written


def _lines() -> Iterator[tuple[str, ...]]:
    people = active_people().order_by("uid")
    facts = people.values_list("uid", "institutional_address", "given_name", "family_name", "category", "listed")
    for uid, address, given_name, family_name, category, listed in facts.iterator(chunk_size=BATCH):
        yield uid, address, given_name, family_name, AFFILIATIONS[category], "FALSE" if listed else "TRUE"
