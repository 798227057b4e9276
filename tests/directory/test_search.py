"""Search by name: what is forgiven, what is not, and who is found (PRV-02)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from directory.models import SearchableName
from directory.search import MOST_PEOPLE, find_people
from tests.directory.listed import (
    active_unlisted_person,
    decide,
    listed_people_called,
    listed_person,
)
from tests.factories import pending_account

pytestmark = pytest.mark.django_db


def names(query: str) -> list[str]:
    return [person.full_name for person in find_people(query).people]


#: Queries that find each name, by what they ignore: accents, case, order, the end of words, hyphens, apostrophes.
EXACT = {
    ("Anne", "Lefèvre"): "lefevre|LEFÈVRE|Lefe\u0300vre|anne lefevre|lefevre anne|Lefèvre, Anne|A. Lefèvre|lef|ann lef",
    ("Anne", "Lefe\u0300vre"): "lefèvre",
    ("Seán", "O’Brien"): "o'brien|o’brien|obrien|brien",
    ("Thu", "Nguyễn"): "nguyen|NGUYỄN",
    ("Marie-Claude", "Petit"): "marie claude|marieclaude|claude petit",
    ("Jeanne", "Dupont-Moretti"): "moretti|dupont moretti",
    ("Yann", "Le Guen"): "leguen|le guen|guen",
    ("Aymeric", "de la Tour d’Auvergne"): "de la tour|tour auvergne",
    ("Wei", "Li"): "li|Li Wei",
    ("Zoé", "Œuvray"): "oeuvray",
    ("Søren", "Łukasz"): "soren lukasz",
    ("Jürgen", "Groß"): "gross",
    ("İpek", "Yılmaz"): "ipek yilmaz",
}
#: Queries with a typo or two, which find « Camille » with each family name.
TYPOS = {
    "Lefèvre": "lefevbre",
    "Lefebvre": "lefevbre",
    "Dupont": "dupond",
    "Durand": "durnad|udrand|duran d|durend",
    "Martin": "mertin",
    "Lopez": "lopze|loppez",
    "Gauthier": "gautier",
    "Mathieu": "matthieu",
    "Bertrand": "bertarnd",
    "Nguyễn": "nguyne|ngyuen",
    "Schwarzenegger": "schwarzeneger|schwartzeneger",
    "Petit": "camile petit|petti cam",
}
NOT_FOUND = "durand xavier|xavier|durrrrand|duvivier|rand|du|cami du"
#: There is no way to ask for all people.
WILDCARDS = (
    "%%%",
    "___",
    "***",
    "% %",
    "_a_",
    "%a%",
    ".*",
    "^.{3}",
    "a b c d",
    "?",
    "\\",
    "''",
    "жуков",
    "李明",
    "½",
    "𝒳",
)


def test_accents_case_order_and_the_end_of_words_do_not_matter():
    for (given_name, family_name), queries in EXACT.items():
        person = listed_person(given_name, family_name)
        for query in queries.split("|"):
            found = find_people(query)
            assert (found.people, found.is_near) == ([person], False), query
        person.delete()


def test_typos_are_forgiven_and_other_names_are_not_found():
    """PRV-02: wildcards and single letters find no one."""
    listed_person("Quelqu’un", "Xxxxxxx")
    for family_name, queries in TYPOS.items():
        person = listed_person("Camille", family_name)
        for query in queries.split("|"):
            found = find_people(query)
            assert (found.people, found.is_near) == ([person], query != "duran d"), query
        if family_name == "Durand":
            assert [query for query in (*NOT_FOUND.split("|"), *WILDCARDS) if names(query)] == []
        person.delete()


def test_typos_are_tried_only_when_no_name_matches_and_the_fewest_come_first():
    for family_name in ("Dupont", "Dupond", "Bertrant", "Bertrandt"):
        listed_person("Anne", family_name)
    assert names("dupond") == ["Anne Dupond"]
    found = find_people("bertrnadt")
    assert [person.family_name for person in found.people] == ["Bertrandt", "Bertrant"]
    assert found.is_near


def test_two_letters_are_a_whole_name_never_the_beginning_of_one():
    """PRV-02: otherwise 676 queries would list all people."""
    listed_person("Wei", "Li")
    listed_person("Lionel", "Liotard")
    assert names("li") == ["Wei Li"]
    assert names("lio") == ["Lionel Liotard"]
    assert names("wi") == []


def test_whole_names_come_before_longer_ones_then_the_order_is_that_of_a_directory():
    for given_name, family_name in [("Zoé", "Martin"), ("Anne", "Martinez"), ("Élodie", "Martin"), ("Martin", "Abel")]:
        listed_person(given_name, family_name)
    assert names("martin") == ["Martin Abel", "Élodie Martin", "Zoé Martin", "Anne Martinez"]


def test_a_wildcard_is_a_space():
    """Inert: what is found is what the letters say."""
    for query in ["dur%", "d%nd", "du_and", "dur.*", "durand\\", "%durand%", "du[r]and", "(durand)"]:
        person = listed_person("Camille", "Durand")
        listed_person("Camille", "Drend")
        letters = "".join(letter if letter.isalpha() else " " for letter in query)

        assert names(query) == names(letters)
        assert set(names(query)) <= {person.full_name}


def test_signs_that_are_several_letters_are_no_error():
    """INP-01: PostgreSQL measures words of 255 letters at most."""
    person = listed_person("Camille", "ﬃ" * 100)
    assert find_people("ﬃ" * 80).people == [person]
    assert names(f"x{'ﬃ' * 79}") == []


def test_at_most_a_hundred_people_are_found():
    """PRV-02: also by a typo."""
    listed_people_called("Durand", MOST_PEOPLE)
    assert not find_people("durand").is_cut
    listed_person("Camille", "Durand")
    for query in ("durand", "durnad"):
        found = find_people(query)
        assert (len(found.people), found.is_cut) == (MOST_PEOPLE, True)


def test_only_active_accounts_whose_last_decision_is_yes_are_listed():
    """PRV-02: from one moment to the next; locking, departure and withdrawal take effect at once."""
    person, now = pending_account(given_name="Camille", family_name="Durand"), timezone.now()
    account = Account.objects.filter(pk=person.pk)
    active = {"activated_at": now, "charter_accepted_at": now, "password": "argon2$", "end_date": None}

    def is_listed(**facts: object) -> bool:
        account.update(**facts)
        return names("durand") == ["Camille Durand"]

    assert not is_listed(**active)
    account.update(activated_at=None, charter_accepted_at=None, password="!")
    decide(person, listed=True)
    assert not is_listed()
    assert is_listed(**active)
    assert is_listed(end_date=timezone.localdate())
    assert not is_listed(end_date=timezone.localdate() - timedelta(days=1))
    assert not is_listed(end_date=None, password="!")
    decide(person, listed=False)
    assert not is_listed(**active)
    decide(person, listed=True)
    assert is_listed()
    lock_account(account=person, reason=LockReason.PHISHING)
    assert not is_listed()
    other = active_unlisted_person("Camille", "Martin")
    for listed in (True, False):
        decide(other, listed=listed, at=now)
    assert names("martin") == []


def test_the_database_keeps_the_searchable_names_in_line():
    """By triggers, for each way of writing: update, deletion, activation; a name without a Latin letter is no error."""
    pending_account()
    assert not SearchableName.objects.exists()
    person, other = listed_person("Jean-Baptiste", "d’Ornano"), listed_person("明", "李")
    written = SearchableName.objects.get(account=person)
    assert written.words == " jean baptiste d ornano jeanbaptiste dornano "
    assert written.sort_key == "d ornano  jean baptiste"
    assert SearchableName.objects.get(account=other).words.strip() == ""
    Account.objects.filter(pk=person.pk).update(family_name="Lefèvre")
    assert (names("lefevre"), names("ornano")) == (["Jean-Baptiste Lefèvre"], [])
    person.delete()
    assert [name.account for name in SearchableName.objects.all()] == [other]


def test_the_index_answers():
    """At 100,000 listed people a search takes 5 to 20 ms: only through the index of trigrams."""
    listed_person()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plans = [plan_of(cursor, "words LIKE '%% dur%%'"), plan_of(cursor, "words %%> 'durnad'")]
    assert all("directory_words_trigrams" in plan for plan in plans)


def plan_of(cursor, condition: str) -> str:
    cursor.execute(f"EXPLAIN SELECT account_id FROM directory_searchablename WHERE {condition}", [])
    return "\n".join(line for (line,) in cursor.fetchall())


@settings(max_examples=60, deadline=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=80))
def test_any_text_has_an_answer_and_finds_only_listed_people(query):
    """INP-01"""
    if not Account.objects.exists():
        listed_person("Camille", "Durand")
        active_unlisted_person("Camille", "Durand-Caché")
    assert set(names(query)) <= {"Camille Durand"}


@settings(max_examples=60, deadline=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    family_name=st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=3, max_size=30).filter(
        lambda name: name.isprintable()
    )
)
def test_a_name_typed_as_it_is_written_is_found(family_name):
    person = listed_person("Camille", family_name)
    folded = SearchableName.objects.get(account=person).sort_key.partition("  ")[0]

    if len(folded.replace(" ", "")) >= 3 and " " not in folded:
        assert family_name in {found.family_name for found in find_people(family_name).people}
