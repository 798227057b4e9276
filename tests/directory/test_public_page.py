"""The page of the public directory, as anonymous clients use or abuse it."""

import re
import time
from html import unescape

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

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


def test_nothing_is_listed_before_a_query_of_two_letters(browser, django_assert_num_queries):
    """PRV-02: the database is not even asked, nor the limit counted."""
    listed_person()
    with django_assert_num_queries(0):
        page = browser.get(reverse("directory"))
    assert (page.status_code, cards(page.content.decode()), bool(page.cookies)) == (200, [], False)
    for query in ["", "d", " d ", "é", "1", "12", "%", "_", "*", "%%%%", "__", "a b c", "-", "«»", "\u0301\u0301"]:
        with django_assert_num_queries(0):
            html = search(browser, query)
        assert (TOO_SHORT in html, cards(html)) == (True, []), query


def test_a_card_shows_what_the_wizard_promised_and_no_more(browser):
    """PRV-04"""
    person = listed_person("Camille", "Durand", category=Category.HOSTED, birth_date="1984-02-29", ine="0123456789A")
    html = search(browser, "durand")
    assert [" ".join(card.split()) for card in cards(html)] == [
        f"Camille Durand Personnel d’un organisme associé {person.institutional_address}"
    ]
    assert f'href="mailto:{person.institutional_address}"' in html
    private = (person.recovery_address, person.phone, person.employer, person.uid, person.hr_id, "1984", person.ine)
    assert [fact for fact in private if fact in html] == []


def test_a_page_holds_twenty_people_of_a_hundred_at_most(browser, django_assert_max_num_queries):
    """PRV-02, INP-01: beyond, a finer query is asked for; an invalid page number leads to a page."""
    listed_people_called("Durand", 1)
    assert "1 résultat pour «\N{NO-BREAK SPACE}durand\N{NO-BREAK SPACE}»" in search(browser, "durand")
    people = listed_people_called("Martin", 45)
    pages = [search(browser, "martin", page=page) for page in ("1", "2", "3")]
    assert all(f"Page {number} sur 3" in html for number, html in enumerate(pages, start=1))
    assert "45 résultats pour «\N{NO-BREAK SPACE}martin\N{NO-BREAK SPACE}»" in pages[0]
    found = [re.findall(r'href="mailto:([^"]+)"', html) for html in pages]
    assert [len(addresses) for addresses in found] == [20, 20, 5]
    assert sorted(address for addresses in found for address in addresses) == sorted(
        person.institutional_address for person in people
    )
    assert ("page=2" in pages[0], "page=4" in pages[2]) == (True, False)
    asked = dict.fromkeys(("0", "-1", "4", "999"), 3) | dict.fromkeys(("9" * 5000, "abc", "", "1.5", "nan"), 1)
    for page, shown in asked.items():
        assert f"Page {shown} sur 3" in search(browser, "martin", page=page), page[:9]
    with django_assert_max_num_queries(2):
        search(browser, "martin", page="2")
    with django_assert_max_num_queries(6):
        search(browser, "mratin")
    listed_people_called("Petit", 130)
    html = search(browser, "petit", page="6")
    texts = ("Plus de 100 résultats", "Précisez votre recherche", "Page 5 sur 5")
    assert ([text for text in texts if text not in html], len(cards(html))) == ([], 20)


def test_the_page_says_when_no_name_or_only_a_similar_one_is_found(browser):
    """INP-06: of two queries the last one counts; what was typed stays in the field."""
    listed_person("Camille", "Lefebvre")
    html = search(browser, "durand")
    assert "Personne ne correspond à «\N{NO-BREAK SPACE}durand\N{NO-BREAK SPACE}»" in html
    assert "Seules les personnes qui l’ont accepté apparaissent" in html
    html = browser.get(f"{reverse('directory')}?q=petit&q=lefevbre").content.decode()
    assert (len(cards(html)), "Aucun nom ne s’écrit exactement ainsi" in html) == (1, True)
    assert "Aucun nom" not in search(browser, "lefebvre")
    assert 'value="Lefèvre"' in search(browser, "Lefèvre")
    assert 'value="&lt;b&gt;"' in search(browser, "<b>")


def test_a_hidden_account_cannot_be_told_from_none(browser):
    """PRV-02, ENU-01: by full name, by a part of it, or misspelt; status, headers and page are the same."""
    unknown = normalised_answer(browser.get(reverse("directory"), {"q": "Camille Inexistant"}), "Camille Inexistant")
    locked, withdrawn = listed_person("Camille", "Verrouilleau"), listed_person("Camille", "Retiraud")
    lock_account(account=locked, reason=LockReason.PHISHING)
    decide(withdrawn, listed=False)
    listed_person("Camille", "Partiret", end_date="2020-01-01")
    active_unlisted_person("Camille", "Muetton")
    active_account(given_name="Camille", family_name="Refusard")
    pending_account(given_name="Camille", family_name="Attendu")
    for name in ("Verrouilleau", "Retiraud", "Partiret", "Muetton", "Refusard", "Attendu"):
        for query in (f"Camille {name}", name, name[:4], f"{name[:-2]}{name[:-3:-1]}"):
            answer = browser.get(reverse("directory"), {"q": query})
            assert normalised_answer(answer, query) == unknown, query


def test_a_long_query_is_refused_before_any_work(browser, django_assert_num_queries):
    """INP-05"""
    for query in ["a" * 81, "a " * 60, "é" * 100_000, "\u1100" * 100_000, "Z" + "\u0301" * 50_000]:
        begun = time.process_time()
        with django_assert_num_queries(0):
            html = search(browser, query)
        assert time.process_time() - begun < 0.5
        assert "Ce texte est trop long" in html
        assert len(html) < 20_000


def test_a_client_may_search_a_hundred_times_an_hour_pages_counted(browser):
    """PRV-02, ENU-06: going through the alphabet does not get far."""
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
    """ENU-06, PRV-02: copying the directory from many clients takes days."""
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


def test_search_engines_are_kept_out_unless_allowed_on_the_empty_page(browser, settings):
    """PRV-02"""

    def is_kept_out(query: str) -> bool:
        answer = browser.get(reverse("directory") + query)
        headers = {"noindex, nofollow": True, "all": False}[answer["X-Robots-Tag"]]
        assert ('<meta name="robots" content="noindex">' in answer.content.decode()) == headers
        return headers

    queries = ("", "?page=2", "?q=durand", "?q=d", "?q=")
    assert [is_kept_out(query) for query in queries] == [True] * 5
    settings.DIRECTORY_INDEXED = True
    assert [is_kept_out(query) for query in queries] == [False, False, True, True, True]


def test_the_directory_is_read_only_in_both_languages_and_linked_from_the_home_page(browser):
    listed_person("Camille", "Durand")
    for method in ["post", "put", "patch", "delete"]:
        assert getattr(browser, method)(reverse("directory"), {"q": "durand"}).status_code == 405
    assert f'href="{reverse("directory")}"' in browser.get(reverse("home")).content.decode()
    assert len(cards(browser.get("/en/annuaire/", {"q": "durand"}).content.decode())) == 1
