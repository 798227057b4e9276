"""The page of the public directory, as anybody on the Internet uses or abuses it."""

import re
import time
from html import unescape

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from core.rate_limits import DIRECTORY_SEARCHES_PER_CLIENT, RateLimit, client_key
from tests.directory.listed import active_unlisted_person, decide, listed_people_called, listed_person
from tests.factories import active_account, pending_account
from tests.normalised import normalised_answer

pytestmark = pytest.mark.django_db

TOO_SHORT = "Saisissez au moins 2 lettres"


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False)


def search(browser: Client, query: str, **more: str) -> str:
    return browser.get(reverse("directory"), {"q": query, **more}).content.decode()


def cards(html: str) -> list[str]:
    """The text of each card."""
    found = re.findall(r"<li>\s*(<p>\s*<b>.*?)</li>", html, re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>", " ", card)) for card in found]


def test_nothing_is_listed_before_a_question(browser, django_assert_num_queries):
    """PRV-02"""
    listed_person()

    with django_assert_num_queries(0):
        page = browser.get(reverse("directory"))

    assert page.status_code == 200
    assert cards(page.content.decode()) == []
    assert not page.cookies


def test_a_card_shows_what_the_wizard_promised_and_no_more(browser):
    """PRV-04"""
    person = listed_person("Camille", "Durand", category=Category.HOSTED, birth_date="1984-02-29", ine="0123456789A")

    html = search(browser, "durand")

    assert [" ".join(card.split()) for card in cards(html)] == [
        f"Camille Durand Personnel d’un organisme associé {person.institutional_address}"
    ]
    assert f'href="mailto:{person.institutional_address}"' in html
    for secret in (
        person.recovery_address,
        person.phone,
        person.employer,
        person.uid,
        person.hr_id,
        "1984",
        person.ine,
    ):
        assert secret not in html


def test_the_page_says_how_many_were_found(browser):
    listed_people_called("Durand", 1)
    assert "1 résultat pour «\N{NO-BREAK SPACE}durand\N{NO-BREAK SPACE}»" in search(browser, "durand")

    listed_people_called("Durand", 11)
    html = search(browser, "durand")
    assert "12 résultats pour «\N{NO-BREAK SPACE}durand\N{NO-BREAK SPACE}»" in html
    assert 'role="status"' in html


def test_a_page_holds_twenty_people_and_leads_to_the_next(browser):
    people = listed_people_called("Durand", 45)
    seen = []
    for page in ("1", "2", "3"):
        html = search(browser, "durand", page=page)
        assert f"Page {page} sur 3" in html
        seen.append(re.findall(r'href="mailto:([^"]+)"', html))

    assert [len(addresses) for addresses in seen] == [20, 20, 5]
    assert sorted(address for addresses in seen for address in addresses) == sorted(
        person.institutional_address for person in people
    )
    assert "page=2" in search(browser, "durand")
    assert "page=4" not in search(browser, "durand", page="3")


def test_a_page_that_is_none_leads_to_one(browser):
    """INP-01"""
    listed_people_called("Durand", 45)
    for asked, shown in [
        ("0", 3),
        ("-1", 3),
        ("4", 3),
        ("999", 3),
        ("9" * 5000, 1),
        ("abc", 1),
        ("", 1),
        ("1.5", 1),
        ("1e9", 1),
        ("nan", 1),
    ]:
        assert f"Page {shown} sur 3" in search(browser, "durand", page=asked)


def test_beyond_a_hundred_people_a_finer_question_is_asked_for(browser):
    """PRV-02: pages end there."""
    listed_people_called("Durand", 130)

    html = search(browser, "durand", page="6")

    assert "Plus de 100 résultats" in html
    assert "Précisez votre recherche" in html
    assert "Page 5 sur 5" in html
    assert len(cards(html)) == 20


def test_nobody_found_says_what_to_try(browser):
    html = search(browser, "durand")

    assert "Personne ne correspond à «\N{NO-BREAK SPACE}durand\N{NO-BREAK SPACE}»" in html
    assert "Seules les personnes qui l’ont accepté apparaissent" in html


def test_less_than_two_letters_is_no_question(browser, django_assert_num_queries):
    """PRV-02: PostgreSQL is not even asked, nor the limit counted."""
    for query in ["", "d", " d ", "é", "1", "12", "%", "_", "*", "%%%%", "__", "a b c", "-", "«»", "\u0301\u0301"]:
        listed_person()

        with django_assert_num_queries(0):
            html = search(browser, query)

        assert TOO_SHORT in html
        assert cards(html) == []


def hidden_people() -> dict[str, str]:
    """One of each kind that the directory must not tell from nobody, by family name."""
    locked, withdrawn = listed_person("Camille", "Verrouilleau"), listed_person("Camille", "Retiraud")
    lock_account(account=locked, reason=LockReason.PHISHING)
    decide(withdrawn, listed=False)
    left = listed_person("Camille", "Partiret", end_date="2020-01-01")
    never_asked = active_unlisted_person("Camille", "Muetton")
    refused = active_account(given_name="Camille", family_name="Refusard")
    pending = pending_account(given_name="Camille", family_name="Attendu")
    return {person.family_name: "" for person in (locked, withdrawn, left, never_asked, refused, pending)}


def test_who_is_hidden_cannot_be_told_from_who_does_not_exist(browser):
    """PRV-02, ENU-01: by full name, by a part of it, or misspelt; status, headers and page are the same."""
    nobody = normalised_answer(browser.get(reverse("directory"), {"q": "Camille Inexistant"}), "Camille Inexistant")
    for family_name in hidden_people():
        for query in (
            f"Camille {family_name}",
            family_name,
            family_name[:4],
            f"{family_name[:-2]}{family_name[:-3:-1]}",
        ):
            answer = browser.get(reverse("directory"), {"q": query})
            assert normalised_answer(answer, query) == nobody, query


def test_a_long_question_is_refused_before_anything_is_done_with_it(browser, django_assert_num_queries):
    """INP-05"""
    for query in ["a" * 81, "a " * 60, "é" * 100_000, "\u1100" * 100_000, "Z" + "\u0301" * 50_000]:
        begun = time.process_time()
        with django_assert_num_queries(0):
            html = search(browser, query)

        assert time.process_time() - begun < 0.5
        assert "Ce texte est trop long" in html
        assert len(html) < 20_000


def test_a_question_asked_twice_counts_the_last_time(browser):
    """INP-06"""
    listed_person("Camille", "Durand")

    answer = browser.get(f"{reverse('directory')}?q=petit&q=durand")

    assert len(cards(answer.content.decode())) == 1


def test_a_client_may_search_a_hundred_times_an_hour_pages_counted(browser):
    """PRV-02, ENU-06: whoever goes through the alphabet does not get far."""
    with time_machine.travel("2026-11-16 10:00:10", tick=False):
        for _ in range(50):
            assert browser.get(reverse("directory"), {"q": "durand"}).status_code == 200
            assert browser.get(reverse("directory"), {"q": "durand", "page": 2}).status_code == 200
        for answer in (
            browser.get(reverse("directory"), {"q": "durand"}),
            browser.head(reverse("directory") + "?q=petit"),
        ):
            assert answer.status_code == 429
            assert 0 < int(answer["Retry-After"]) <= 3600

        assert browser.get(reverse("directory")).status_code == 200
        assert TOO_SHORT in search(browser, "d")
        assert Client().get(reverse("directory"), {"q": "durand"}, REMOTE_ADDR="198.51.100.9").status_code == 200


def test_all_clients_together_are_limited_too(monkeypatch):
    """ENU-06, PRV-02: who copies the directory from many places takes days."""
    monkeypatch.setattr("directory.views.DIRECTORY_SEARCHES_IN_ALL", RateLimit("few-searches-in-all", "2/hour"))
    search = f"{reverse('directory')}?q=durand"

    answers = [Client(REMOTE_ADDR=f"198.51.100.{number}").get(search).status_code for number in range(3)]

    assert answers == [200, 200, 429]


def test_a_campus_may_search_more_often_but_not_without_end(settings):
    """ENU-06"""
    settings.CAMPUS_NETWORKS = ["203.0.113.0/28"]
    campus = client_key("203.0.113.9")

    with time_machine.travel("2026-11-16 10:00:10", tick=False):
        assert all(DIRECTORY_SEARCHES_PER_CLIENT.count(campus) for _ in range(2000))
        assert Client().get(reverse("directory"), {"q": "durand"}, REMOTE_ADDR="203.0.113.9").status_code == 429


def test_the_directory_is_only_read(browser):
    for method in ["post", "put", "patch", "delete"]:
        assert getattr(browser, method)(reverse("directory"), {"q": "durand"}).status_code == 405


def test_search_engines_are_kept_out(browser):
    """PRV-02"""
    for address in ["", "?q=durand", "?q=d", "?page=2"]:
        answer = browser.get(reverse("directory") + address)

        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert '<meta name="robots" content="noindex">' in answer.content.decode()


def test_the_university_may_let_search_engines_keep_the_empty_page_alone(browser, settings):
    settings.DIRECTORY_INDEXED = True
    listed_person("Camille", "Durand")

    empty = browser.get(reverse("directory"))

    assert empty["X-Robots-Tag"] == "all"
    assert "noindex" not in empty.content.decode()
    for query in ("durand", "d", ""):
        answer = browser.get(reverse("directory"), {"q": query})
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert '<meta name="robots" content="noindex">' in answer.content.decode()


def test_what_was_typed_stays_in_the_field(browser):
    assert 'value="Lefèvre"' in search(browser, "Lefèvre")
    assert 'value="&lt;b&gt;"' in search(browser, "<b>")


def test_a_slip_is_said_to_be_one(browser):
    listed_person("Camille", "Lefebvre")

    html = search(browser, "lefevbre")

    assert len(cards(html)) == 1
    assert "Aucun nom ne s’écrit exactement ainsi" in html
    assert "Aucun nom" not in search(browser, "lefebvre")


def test_searching_costs_few_queries(browser, django_assert_max_num_queries):
    """The spelling, the names; when nobody is called so, two more."""
    listed_people_called("Durand", 45)

    with django_assert_max_num_queries(2):
        search(browser, "durand", page="2")
    with django_assert_max_num_queries(6):
        search(browser, "durnad")


def test_in_english_the_search_is_the_same(browser):
    listed_person("Camille", "Durand")
    with translation.override("en"):
        address = reverse("directory")

    assert address == "/en/annuaire/"
    assert len(cards(browser.get(address, {"q": "durand"}).content.decode())) == 1


def test_the_home_page_leads_to_the_directory(browser):
    assert f'href="{reverse("directory")}"' in browser.get(reverse("home")).content.decode()
