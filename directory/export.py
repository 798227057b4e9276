"""CSV of the active accounts for the university's LDAP directory."""

from collections.abc import Iterator

from accounts.enums import Category
from core.csv import Writable, write_rows
from directory.models import active_people

#: People held in memory at a time.
BATCH = 2_000
#: Names of the attributes they become (eduPerson, SupAnn).
COLUMNS = ("uid", "mail", "givenName", "sn", "eduPersonPrimaryAffiliation", "supannListeRouge")
AFFILIATIONS = {Category.STAFF: "employee", Category.HOSTED: "affiliate", Category.STUDENT: "student"}


def write_directory(file: Writable) -> int:
    """Write the active accounts, ordered by `uid`, as CSV with semicolons. Returns their number.

    `supannListeRouge` is TRUE, not to be shown, unless the person's last decision
    is to be listed.
    """
    return write_rows(file, COLUMNS, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    for person in active_people().order_by("uid").iterator(chunk_size=BATCH):
        yield (
            person.uid,
            person.institutional_address,
            person.given_name,
            # LDAP requires `sn`, also of people with one name.
            person.family_name or person.given_name,
            AFFILIATIONS[Category(person.category)],
            "FALSE" if person.listed else "TRUE",  # type: ignore[attr-defined]
        )
