"""Logins and LDAP names made from people's names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hr_feed.login_names import RESERVED_NAMES, NameRegistry, NoLatinLetter, hyphenated, login_base, uid_base

NAMES = st.text(st.characters(categories=["L", "M"], include_characters=" -'’."), max_size=120)


def test_names_become_plain_letters():
    for given_name, family, login, uid in (
        ("Camille", "Durand", "camille.durand", "cdurand"),
        ("CAMILLE", "DURAND", "camille.durand", "cdurand"),
        ("Éléonore", "Lefèvre", "eleonore.lefevre", "elefevre"),
        ("Jean-Pierre", "de La Tour", "jean-pierre.de-la-tour", "jdelatour"),
        ("Maëva", "D’Angelo", "maeva.dangelo", "mdangelo"),
        ("Grace", "O'Connor", "grace.oconnor", "goconnor"),
        ("Œdipe", "Ægir", "oedipe.aegir", "oaegir"),
        ("Łukasz", "Størmer", "lukasz.stormer", "lstormer"),
        ("Đorđe", "Großmann", "dorde.grossmann", "dgrossmann"),
        ("Anne", "Dupré--Martin ", "anne.dupre-martin", "adupremartin"),
        ("Jean", "Martin Jr.", "jean.martin-jr", "jmartinjr"),
        ("李", "Wang", "wang", "wang"),
        ("Ming", "李", "ming", "ming"),
    ):
        assert (login_base(given_name, family), uid_base(given_name, family, login)) == (login, uid)
    with pytest.raises(NoLatinLetter):
        login_base("明", "李")
    long = login_base("Marie-" * 16, "de-la-" * 16)
    assert len(long) <= 57
    assert not long.endswith("-")


@given(given=NAMES, family=NAMES)
def test_login_and_uid_fit_and_leave_room_for_a_number(given, family):
    try:
        login = login_base(given, family)
    except NoLatinLetter:
        assert hyphenated(given) == hyphenated(family) == ""
        return
    uid = NameRegistry(set()).give(uid_base(given, family, login))
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?", login)
    assert len(login) <= 57
    assert re.fullmatch(r"[a-z][a-z0-9]{0,19}", uid)


def test_homonyms_get_the_next_free_number_and_reserved_names_are_never_given():
    taken = NameRegistry({"cdurand", "cdurand3"})
    assert [taken.give("cdurand") for _ in range(3)] == ["cdurand2", "cdurand4", "cdurand5"]
    assert uid_base("Robert", "Oot", "robert.oot") == "root"
    for name in ("root", "postmaster", "daemon"):
        assert name in RESERVED_NAMES
        assert NameRegistry(set()).give(name) == f"{name}2"
