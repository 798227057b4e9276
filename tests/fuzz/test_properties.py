"""Properties of any input: addresses, links, redirects after login (INP-03, INP-08, TOK-02)."""

from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.links import account_links
from accounts.links.signed_link import LinkRefused, SignedLink
from accounts.models import Account
from activation import links as activation_links
from core.email_addresses import InvalidAddress, address_key, canonical_address, same_address
from mailrouting import links as mailrouting_links
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
LINKS = {
    link.purpose: link
    for module in (account_links, activation_links, mailrouting_links)
    for link in vars(module).values()
    if isinstance(link, SignedLink)
}


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


@pytest.mark.parametrize("purpose", LINKS)
def test_altered_link_is_refused(purpose, monkeypatch):
    """TOK-02: with LinkRefused, whatever the alteration."""
    link = LINKS[purpose]
    monkeypatch.setattr(type(link), "state", lambda self, account, subject_id: ())
    whole = link.token(Account(pk=7), link.deadline(timezone.now()), 1)
    place = st.integers(0, len(whole) - 1)
    letter = st.one_of(st.sampled_from("AZaz09_-=.:/% \x00\u212a"), st.characters())

    @steady
    @given(
        st.one_of(
            st.builds(lambda at, new: f"{whole[:at]}{new}{whole[at + 1 :]}", place, letter),
            st.builds(lambda at, new: f"{whole[:at]}{new}{whole[at:]}", place, letter),
            st.builds(lambda at: whole[:at] + whole[at + 1 :], place),
            st.builds(lambda at: whole[at:] + whole[:at], place),
            st.builds(lambda at: whole[:at] + whole[at:].swapcase(), place),
            st.builds(lambda at: whole[:at], place),
            st.builds(lambda more: whole + more, st.text(min_size=1)),
            st.text(),
            st.text("ABCdef012_-", min_size=97, max_size=97),
        )
    )
    def refused(token: str) -> None:
        if token != whole:
            with pytest.raises(LinkRefused):
                link.read(token)

    assert link.read(whole)
    refused()


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
