"""Properties of any input: addresses, links, redirects after login (INP-03, INP-08, TOK-02)."""

from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.links.signed_link import LinkRefused
from accounts.models import Account
from activation.links import activation_link
from core.email_addresses import InvalidAddress, address_key, canonical_address, same_address
from tests.factories import active_account
from tests.fuzz import NEXT, N
from tests.signing_in import is_signed_in, submit_login

pytestmark = pytest.mark.django_db

steady = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ON_FILE = "kevin.maillard@mail.exemple.net"
#: Letters that some comparisons take for those of the address.
TWINS = {"k": "K\u212aｋ", "i": "Iİıíｉі", "s": "ſSｓѕ", "a": "AаáＡ", "e": "EеéＥ", "m": "Mｍ", "l": "LΙ1|ｌ"}
TWINS |= {".": "．。｡", "@": "＠"}
STOPS = str.maketrans("．。｡", "...")
INSERTED = ["", "", "\u200b", "\u0301", "\x00", " ", "+"]


@st.composite
def twins(draw: st.DrawFn) -> str:
    """The address with some letters replaced and a character inserted."""
    letters = [draw(st.sampled_from(letter + TWINS.get(letter, ""))) for letter in ON_FILE]
    letters.insert(draw(st.integers(0, len(letters))), draw(st.sampled_from(INSERTED)))
    return "".join(letters)


@steady
@given(twins())
@example("\u212aevin.maillard@mail.exemple.net")
@example("kevın.maillard@mail.exemple.net")
@example("kevin.maillard@maıl.exemple.net")
def test_lookalike_address_is_another_address_and_does_not_log_in(twin):
    """INP-03, EML-03, CVE-2019-19844: only case may differ, and only the domain's makes them the same."""
    try:
        key = address_key(twin)
    except InvalidAddress:
        assert not same_address(twin, ON_FILE)
    else:
        assert (key == address_key(ON_FILE)) <= (twin.strip(" ").translate(STOPS).lower() == ON_FILE)
        assert same_address(twin, ON_FILE) == (canonical_address(twin) == ON_FILE)
    with transaction.atomic():
        person = active_account(institutional_address="kevin.maillard@univ-exemple.fr")
        typed, browser = twin.replace("mail.exemple.net", "univ-exemple.fr"), Client()
        answer = submit_login(browser, person, login=typed)
        assert answer.status_code in (200, 302)
        assert is_signed_in(browser) <= (typed.strip().translate(STOPS).lower() == person.login)
        transaction.set_rollback(True)


@steady
@given(st.integers(0, 96), st.text(max_size=3), st.text("ABCdef012_-", min_size=97, max_size=97))
def test_altered_link_is_refused(at, typed, invented):
    """TOK-02: with LinkRefused, whatever the alteration. Links of all purposes read their tokens alike."""
    person = Account(pk=7, recovery_address=ON_FILE)
    person.lock_count = 0
    whole = activation_link.token(person, activation_link.deadline(timezone.now()))
    before, after = whole[:at], whole[at:]
    altered = {before + typed + after[1:], before + typed + after, whole + typed, before, after + before}
    assert activation_link.read(whole)
    for token in {*altered, before + after.swapcase(), typed, invented} - {whole}:
        with pytest.raises(LinkRefused):
            activation_link.read(token)


@steady
@given(
    st.one_of(
        st.text(),
        st.builds(lambda a, b: a + b, st.sampled_from(["/", "//", "\\", "/\\", "https:", "/compte/"]), st.text()),
    )
)
@example(NEXT[0])
@example(NEXT[3])
@example(N["N12"])
@example("/en/compte/?a=b#c")
def test_login_redirects_to_this_host_only(wanted):
    """INP-08"""
    with transaction.atomic():
        answer = submit_login(Client(), active_account(), next=wanted)
        assert answer.status_code == 302
        assert urlsplit(answer["Location"]).netloc in ("", "testserver")
        transaction.set_rollback(True)
