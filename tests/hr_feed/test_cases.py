"""HR files that did harm elsewhere, as data: the bytes of a file, what is said by line, and what is in the database."""

from io import BytesIO

import pytest
from django.utils.translation import override

from accounts.models import Account
from hr_feed.columns import COLUMNS
from hr_feed.importer import import_feed
from hr_feed.parsing.parser import UnreadableFile
from hr_feed.report import ImportReport
from outbox.models import Message

pytestmark = pytest.mark.django_db

HEADER = ";".join(COLUMNS)
LINE = "{id};{family};{given};{born};{category};Université;{address};{start};{end};fr;{login};{ine};{phone}"
ORDINARY = {"given": "Jean", "born": "1984-02-29", "category": "staff", "start": "2024-09-01"}
ORDINARY |= dict.fromkeys(("end", "login", "ine", "phone"), "")
SHOWN = ("given_name", "family_name", "uid", "start_date", "end_date", "recovery_address", "phone", "category")
KNOWN = {"id": "00012345", "family": "Legrand", "given": "Bastien"}


def line(number: int = 1, **facts: str) -> str:
    letter = chr(ord("a") + number)
    unlike = {"id": f"C{number}", "family": f"Cas{letter}", "address": f"c{number}@exemple.net"}
    return LINE.format(**ORDINARY | unlike | facts)


def one_each(field: str, *values: str) -> str:
    return "\n".join([HEADER, *(line(number, **{field: value}) for number, value in enumerate(values))])


def file(*lines: str) -> str:
    return "\n".join([HEADER, *lines, ""])


OLD, NEW = {"start": "2023-09-01", "end": "2025-08-31"}, {"start": "2025-09-01", "end": "2099-08-31"}
BOTH = ("2023-09-01", "2099-08-31")
COMPLETE, ASKED = "Écrivez un numéro complet", "ne gardez qu’un numéro RH"
REFUSED = ["Une lettre du nom n’existe pas", "Un nom a des lettres"]
LAST = line(2, given="Léa")

#: Name: file; sentences by line and column; of each account in order, what is stored.
CASES = {
    "contracts, the old one first": (file(line(**OLD), line(**NEW)), {}, [BOTH]),
    "contracts, far apart": (file(line(**NEW), line(2), line(**OLD, phone="612345678")), {}, [(*BOTH, "+33612"), "c2@"]),
    "contracts, one without an end": (file(line(**OLD), line(category="hosted")), {}, [("2023-09-01", "None", "hosted")]),
    "contracts in force at once": (file(line(), line(category="student", start="2025-09-01")), {}, [("2024-", "staff")]),
    "contracts of two people": (
        file(line(**OLD), line(**NEW, born="1984-03-01")),
        {(2, "birth_date"): "Les lignes 2, 3 du même numéro se contredisent", (3, "birth_date"): "2, 3"},
        [],
    ),
    "contracts, one damaged": (
        file(line(**OLD), line(**NEW).replace("1984-02-29", "hier"), line(2), line(2) + '"'),
        {
            (2, "hr_id"): "La ligne 3 de la même personne est refusée",
            (3, "birth_date"): "AAAA-MM-JJ",
            (4, "hr_id"): "La ligne 5",
            (5, ""): "guillemet",
        },
        [],
    ),
    "zeros that a spreadsheet ate": (
        (file(line(1, **KNOWN), line(2)), file(line(1, **KNOWN | {"id": "12345"}), line(3, id="12345.0"), line(4, id="c2"))),
        {(2, "hr_id"): "que le compte du numéro RH 00012345", (3, "hr_id"): ASKED, (4, "hr_id"): "numéro RH C2, presque"},
        ["blegrand", "c2@"],
    ),
    "another number, address and spelling": (
        (file(line(1, **KNOWN)), file(line(2, id="7", family="BASTIEN", given="Le Grand"), line(3, **KNOWN | {"id": "8", "born": "1990-01-01"}))),
        {(2, "hr_id"): "remettez ce numéro dans le fichier"},
        ["blegrand", "blegrand2"],
    ),
    "columns sorted without the others": (
        (file(line(1, phone="0612345678")), file(line(1, given="Léa", born="1990-01-01", phone="x"))),
        {(2, "hr_id"): "d’une personne d’un autre prénom", (2, "phone"): COMPLETE},
        ["Jean Casb jcasb"],
    ),
    "nothing but capitals, and a telephone lost": (
        (file(line(1, phone="0612345678")), file(line(1, address="C1@exemple.net", phone="6,12346E+08"))),
        {(2, "phone"): COMPLETE},
        ["c1@exemple.net +33612345678"],
    ),
    "names": (
        one_each("family", "N´Diaye", "N`Guessan", "O‘Brien", "M’Baye", "Martin – Durand", "Ṭāʾib", "Ağa", "ＡB", "Лев", "Dur(and)")
        + "\n" + line(10, given="", family="Sukarno"),
        {(10, "institutional_address"): REFUSED[0], (11, "family_name"): REFUSED[1]},
        ["N'Diaye", "N'Guessan", "O'Brien", "M'Baye", "Martin-Durand", "jtaib", "jaga", "jab", ("sukarno", "Sukarno")],
    ),
    "days": (
        one_each("start", "2024-09-01 00:00:00", "01/09/2024 00:00", "2024-09-01T00:00:00Z")
        + "\n" + "\n".join(line(n, start=day) for n, day in enumerate(
            ("45536", "01/09/24", "1988-13-30", "02/13/1984", "2023-02-29", "0001-01-01", "NULL", "2024-09-01 08:30"), 4)),
        {
            (5, "start_date"): "dans Excel", (6, "start_date"): "quatre chiffres", (7, "start_date"): "Ce mois n’existe pas",
            (8, "start_date"): "Ce mois", (9, "start_date"): "Ce jour n’existe pas", (10, "start_date"): "avant 1900",
            (11, "start_date"): "laissez la case vide", (12, "start_date"): "sans l’heure",
        },
        ["2024-09-01"] * 3,
    ),
    "addresses": (
        one_each("address", "JEAN@exemple.net", "b@gmail.com.", "\u200ec@exemple.net\u200b", "jean@Exemple.net", "mailto:d@exemple.net"),
        {(5, "recovery_address"): "à la ligne 2", (6, "recovery_address"): "une seule adresse"},
        ["JEAN@exemple.net", "b@gmail.com", "c@exemple.net", "jean@exemple.net"],
    ),
    "telephones": (
        one_each("phone", "612345678", "+33 (0)6 12 34 56 78", "+330612345678", "33612345678", "06 12 34 56 78 (perso)",
                 "\u202a+33 6 12 34 56 78\u202c", "06–12–34–56–78", "'0612345678", "tel:+33612345678", "06‑12‑34‑56‑78",
                 "6,12346E+08", "06.12.34.56.78 / 04 67 11 22 33", "06 12 34 56 7", "0800 123 456", "+44 20 7946 0958 ext 12"),
        {(number, "phone"): COMPLETE for number in range(12, 17)},
        ["+33612345678"] * 10 + ["jcas"] * 5,
    ),
    "other helpful cells": (file(line(ine="?", phone="#N/A")), {(2, "ine"): "Un INE a", (2, "phone"): "Excel n’a"}, ["jcas"]),
    "what Excel could not compute": (file(line(family="#NOM?")), {(2, "family_name"): "Excel n’a pas pu calculer"}, []),
    "sep": (f"\ufeffsep=;\r\n{HEADER}\r\n{line()}\r\n", {}, ["jcas"]),
    "tabs": (file(line()).replace(";", "\t"), {}, ["jcas"]),
    "pipes": (file(line()).replace(";", "|"), {}, ["jcas"]),
    "line ends of old Macs": (file(line(), line(2)).replace("\n", "\r"), {}, ["jcasb", "jcasc"]),
    "UTF-16 without a mark": (file(line()).encode("utf-16-le"), "Le fichier est en UTF-16", []),
    "letters of MS-DOS": (file(line(), LAST).encode("cp850"), "de la ligne 2 sont ceux d’un Mac ou de MS-DOS", []),
    "letters of old Macs": (file(line(), LAST).encode("mac-roman"), "de la ligne 2", []),
    "encoded twice": (
        file(line(), *(line(n, given=given.encode().decode("cp1252")) for n, given in ((2, "João"), (3, "Zoé"), (4, "Júlia")))),
        {(number, "given_name"): "Les accents de cette case sont faux" for number in (3, 4, 5)},
        ["jcasb"],
    ),
    "lost letters": (file(line(given="Zo\ufffd")), {(2, "given_name"): "Des lettres sont perdues"}, []),
    "cut off": (file(line()) + line(2, **NEW)[:-15], {(3, ""): "Le fichier s’arrête au milieu de cette ligne"}, ["jcasb"]),
    "misspelt columns": (
        file(line(end="2020-01-01")).replace("end_date", "date_fin").replace("phone", "telephone").replace(";ine", ";nir"),
        {
            (1, "end_date"): "Cette colonne manque", (1, "ine"): "manque", (1, "phone"): "manque",
            (1, "date_fin"): "si c’est end_date, renommez-la", (1, "telephone"): "c’est phone", (1, ""): "ne sont pas lues\u00a0: nir",
        },
        ["None"],
    ),
}  # fmt: skip


def imported(content: str | bytes, **options: bool) -> ImportReport:
    return import_feed(BytesIO(content.encode() if isinstance(content, str) else content), **options)


@pytest.mark.parametrize("name", CASES)
def test_is_imported_or_said_by_line(name):
    """ADM-08: in a preview as in the import, in French and in English."""
    content, said, stored = CASES[name]
    if isinstance(content, tuple):
        assert imported(content[0]).problems == []
        content = content[1]
    if isinstance(said, str):
        with pytest.raises(UnreadableFile, match=said):
            imported(content)
        said = {}
    else:
        with override("en"):
            english = {problem.reason for problem in imported(content, dry_run=True).problems}
        preview = imported(content, dry_run=True)
        assert preview == imported(content)
        found = {(problem.line, problem.column): problem.reason for problem in preview.problems}
        assert found.keys() == said.keys()
        assert [found[place] for place, reason in said.items() if reason not in found[place]] == []
        assert english.isdisjoint(found.values())
    rows = [" ".join(map(str, row)) for row in Account.objects.order_by("pk").values_list(*SHOWN)]
    assert len(rows) == len(stored) == Message.objects.count()
    for row, facts in zip(rows, stored, strict=True):
        assert all(fact in row for fact in ([facts] if isinstance(facts, str) else facts)), row
