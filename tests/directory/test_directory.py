"""The public directory: who chooses to be in it (PRV-02), the file for the university's own, the search and its page."""

import io
import os
import re
import time
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from core.rate_limits import DIRECTORY_SEARCHES_PER_CLIENT, PublicLimit, RateLimit, client_key
from directory import export
from directory.forms import DirectoryForm
from directory.models import DirectoryConsent, SearchableName
from directory.search import MOST_PEOPLE, find_people
from directory.services import change_directory_consent
from directory.views import DirectoryChoiceView
from journal.events import Event
from outbox.models import Message
from tests.activation.wizard.client import DIRECTORY, answered_until, begin
from tests.concurrency import together
from tests.directory.listed import active_unlisted_person, decide, listed_people_called, listed_person
from tests.factories import active_account, pending_account
from tests.fuzz import N
from tests.normalised import normalised_answer
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

ACCOUNT = "account-directory"
QUESTION = "Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"
YES, NO = {"listed": "yes", "understood": "on"}, {"listed": "no", "understood": "on"}
ANSWERS = (
    (YES, True, "Oui, afficher ma fiche", Event.DIRECTORY_CONSENT_GIVEN),
    (NO, False, "Non, ne pas afficher ma fiche", Event.DIRECTORY_CONSENT_REFUSED),
)


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture(params=[DIRECTORY, ACCOUNT])
def question(request, client: Client) -> tuple[Account, Client, str]:
    """A person without a decision, their browser, and the page of the question."""
    if request.param == DIRECTORY:
        newcomer = pending_account(given_name="Camille", family_name="Durand")
        answered_until(newcomer, DIRECTORY)
        begin(client, newcomer)
        return newcomer, client, reverse(DIRECTORY)
    person: Account = request.getfixturevalue("person")
    DirectoryConsent.objects.filter(account=person).delete()
    return person, browser_of(person), reverse(ACCOUNT)


def ticked(html: str) -> list[str]:
    return [tag for tag in html.split("<input")[1:] if " checked" in tag.split(">")[0]]


def test_the_question_comes_without_an_answer_which_is_stored_with_the_wording_that_was_read(question):
    """PRV-02, PRV-04, INP-06: the preview is the public card; value, wording, language, time, event, actor are kept."""
    person, browser, url = question
    html = browser.get(url).content.decode()
    assert (ticked(html), reverse("privacy") in html) == ([], True)
    preview = html.split('class="preview"')[1].split("</section>")[0]
    facts = (person.full_name, person.institutional_address, person.recovery_address, "1984")
    assert [fact in preview for fact in facts] == [True, True, False, False]
    for typed, listed, words, event in ANSWERS:
        # Of two values the last one counts.
        data, before = {**typed, "listed": ["yes", typed["listed"]]}, timezone.now()
        browser.post(url, data)
        decision = DirectoryConsent.objects.current(person)
        assert (decision.listed, decision.wording, decision.language) == (listed, f"{QUESTION} {words}", "fr")
        assert before <= decision.decided_at <= timezone.now()
        entry = person.journal.filter(event=event).latest("pk")
        assert (entry.actor, entry.source) == (person, "web")
        assert f'value="{typed["listed"]}"' in ticked(browser.get(url).content.decode())[0]
    browser.post(f"/en{url}", YES)
    decision = DirectoryConsent.objects.current(person)
    assert (decision.language, QUESTION in decision.wording, bool(decision.wording)) == ("en", False, True)


def test_only_yes_or_no_with_the_box_ticked_is_an_answer_and_only_about_oneself(question):
    """PRV-02, INP-01, INP-06: neither choice is easier; a refused form keeps what was chosen and escapes the rest."""
    person, browser, url = question
    other = active_account()
    for listed in ("", "oui", "YES", "true", "on", "1", N["N10"]):
        form = DirectoryForm({"listed": listed, "understood": "on"})
        assert form.errors == {"listed": ["Choisissez Oui ou Non"]}
        assert listed not in str(form) or "<" not in listed
    for listed in ("yes", "no"):
        html = browser.post(url, {"listed": listed}).content.decode()
        chosen = [f'value="{listed}"' in tag for tag in ticked(html)]
        assert ("Cochez la case pour confirmer votre choix" in html, chosen) == (True, [True])
    assert not DirectoryConsent.objects.filter(account=person).exists()
    browser.post(url, {**YES, "account": str(other.pk), "user": str(other.pk)})
    assert [DirectoryConsent.objects.current(account).listed for account in (person, other)] == [True, False]


def test_yes_lists_and_no_withdraws_at_once(person):
    """PRV-02: one page, the same clicks, no password; a charter to accept does not stand in the way."""
    browser = browser_of(person)
    for typed, listed, _words, _event in ANSWERS:
        for _ in range(2):
            account_page = browser.post(reverse(ACCOUNT), typed, follow=True).content.decode()
        result = "vous figurez" if listed else "vous ne figurez pas"
        assert f"Enregistré\N{NO-BREAK SPACE}: {result} dans l’annuaire public." in account_page
        found = "mailto:" in Client().get(reverse("directory"), {"q": "durand"}).content.decode()
        assert (found, "Vous y figurez" in account_page) == (listed, listed)
    assert DirectoryConsent.objects.filter(account=person).count() == 3
    assert not Message.objects.filter(person=person).exists()
    assert DirectoryChoiceView.open_without_charter


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_recorded_once(person):
    together(*[lambda: change_directory_consent(account=person, listed=True, wording="?")] * 4)
    assert person.directory_consents.filter(listed=True).count() == 1
    assert person.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 1


def written() -> str:
    output = io.StringIO()
    call_command("export_directory", stdout=output)
    return output.getvalue()


def test_the_red_list_follows_the_last_decision():
    """PRV-02: TRUE before any answer, FALSE after a yes, TRUE in the next export after a withdrawal."""
    person = active_unlisted_person()
    assert written().endswith(";TRUE\n")
    for listed, red_list in ((True, "FALSE"), (False, "TRUE")):
        decide(person, listed=listed)
        assert written().endswith(f";{red_list}\n")


def test_only_active_accounts_are_exported_in_one_order_by_batches(monkeypatch, django_assert_max_num_queries):
    """PRV-02, PRV-04, INP-08, ADM-07: what the LDAP needs and no more; a name with signs is one cell and no formula."""
    monkeypatch.setattr(export, "BATCH", 2)
    lock_account(account=listed_person(), reason=LockReason.PHISHING)
    listed_person(end_date=timezone.localdate() - timedelta(days=1))
    pending_account()
    signs = {"c": "Nguyễn", "a": 'Du;r"and', "b": "=SUM(1)"}
    for uid, category in (("c", Category.STAFF), ("a", Category.STUDENT), ("b", Category.HOSTED)):
        listed_person("Zoé", signs[uid], uid=uid, institutional_address=f"{uid}@univ-exemple.fr", category=category)
    with django_assert_max_num_queries(1):
        assert written() == (
            "uid;mail;givenName;sn;eduPersonPrimaryAffiliation;supannListeRouge\n"
            'a;a@univ-exemple.fr;Zoé;"Du;r""and";student;FALSE\n'
            "b;b@univ-exemple.fr;Zoé;'=SUM(1);affiliate;FALSE\n"
            "c;c@univ-exemple.fr;Zoé;Nguyễn;employee;FALSE\n"
        )
    assert set(export.AFFILIATIONS) == set(Category)


def test_the_file_replaces_the_last_one_and_a_failure_leaves_it_as_it_was(tmp_path: Path, monkeypatch):
    path, output = tmp_path / "people.csv", io.StringIO()
    path.write_text("former")
    listed_person(uid="zoe")
    with monkeypatch.context() as patch:
        patch.setattr(export, "AFFILIATIONS", {})
        with pytest.raises(KeyError):
            call_command("export_directory", output=path)
    assert (path.read_text(), os.listdir(tmp_path)) == ("former", ["people.csv"])
    call_command("export_directory", output=path, stdout=output)
    assert "\nzoe;" in path.read_text()
    assert (output.getvalue(), os.listdir(tmp_path)) == ("1 compte\n", ["people.csv"])
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="ne peut pas être écrit"):
        call_command("export_directory", output=tmp_path / "nowhere" / "people.csv")


#: Queries that find each name, by what they ignore: accents, case, order, the end of words, hyphens, apostrophes.
EXACT = {
    ("Anne", "Lefèvre"): "lefevre|LEFÈVRE|Lefe\u0300vre|anne lefevre|lefevre anne|Lefèvre, Anne|A. Lefèvre|lef|ann lef",
    ("Seán", "O’Brien"): "o'brien|o’brien|obrien|brien",
    ("Thu", "Nguyễn"): "nguyen|NGUYỄN",
    ("Marie-Claude", "Petit"): "marie claude|marieclaude|claude petit",
    ("Yann", "Le Guen"): "leguen|le guen|guen",
    ("Wei", "Li"): "li|Li Wei",
    ("Zoé", "Œuvray"): "oeuvray",
    ("Søren", "Łukasz"): "soren lukasz",
    ("Jürgen", "Groß"): "gross",
    ("İpek", "Yılmaz"): "ipek yilmaz",
}
#: Queries with a typo or two, which find « Camille » with each family name.
TYPOS = {
    "Lefebvre": "lefevbre",
    "Dupont": "dupond",
    "Durand": "durnad|udrand|duran d|durend",
    "Gauthier": "gautier",
    "Bertrand": "bertarnd",
    "Nguyễn": "nguyne|ngyuen",
    "Schwarzenegger": "schwarzeneger|schwartzeneger",
    "Petit": "camile petit|petti cam",
}
NOT_FOUND = ["durand xavier", "xavier", "durrrrand", "duvivier", "rand", "du", "cami du"]
#: There is no way to ask for all people.
WILDCARDS = ["%%%", "___", "***", "_a_", "%a%", ".*", "^.{3}", "?", "\\", "''", "жуков", "李明", "½", "𝒳"]
TOO_SHORT = "Saisissez au moins 2 lettres"


def names(query: str) -> list[str]:
    return [person.full_name for person in find_people(query).people]


def answer(query: str, address: str = "127.0.0.1", **more: str) -> HttpResponse:
    return Client(REMOTE_ADDR=address).get(reverse("directory"), {"q": query, **more})


def page(query: str, **more: str) -> str:
    return answer(query, **more).content.decode()


def cards(html: str) -> list[str]:
    found = re.findall(r"<li>\s*(<p>\s*<b>.*?)</li>", html, re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", card)).split()) for card in found]


class TestSearch:
    def test_accents_case_order_and_the_end_of_words_do_not_matter(self):
        for (given_name, family_name), queries in EXACT.items():
            person = listed_person(given_name, family_name)
            for query in queries.split("|"):
                found = find_people(query)
                assert (found.people, found.is_near) == ([person], False), query
            person.delete()

    def test_typos_are_forgiven_and_other_names_are_not_found(self):
        """PRV-02: wildcards and single letters find no one."""
        listed_person("Quelqu’un", "Xxxxxxx")
        for family_name, queries in TYPOS.items():
            person = listed_person("Camille", family_name)
            for query in queries.split("|"):
                found = find_people(query)
                assert (found.people, found.is_near) == ([person], query != "duran d"), query
            if family_name == "Durand":
                assert [query for query in (*NOT_FOUND, *WILDCARDS, "% %", "a b c d") if names(query)] == []
            person.delete()

    def test_whole_names_come_first_and_typos_only_when_there_is_none(self):
        """PRV-02: two letters are a whole name, never the beginning of one: else 676 queries would list all people."""
        for name in ["Zoé Martin", "Anne Martinez", "Élodie Martin", "Martin Abel", "Wei Li", "Lionel Liotard"]:
            listed_person(*name.split())
        for family_name in ("Dupont", "Dupond", "Bertrant", "Bertrandt"):
            listed_person("Anne", family_name)
        assert names("martin") == ["Martin Abel", "Élodie Martin", "Zoé Martin", "Anne Martinez"]
        assert (names("dupond"), names("bertrnadt")) == (["Anne Dupond"], ["Anne Bertrandt", "Anne Bertrant"])
        assert (names("li"), names("lio"), names("wi")) == (["Wei Li"], ["Lionel Liotard"], [])

    def test_a_wildcard_is_a_space_and_a_sign_that_is_several_letters_no_error(self):
        """INP-01: what is found is what the letters say; PostgreSQL measures words of 255 letters at most."""
        listed_person("Camille", "Durand")
        listed_person("Camille", "Drend")
        for query in ("dur%", "d%nd", "du_and", "dur.*", "durand\\", "%durand%", "du[r]and", "(durand)"):
            letters = "".join(letter if letter.isalpha() else " " for letter in query)
            assert names(query) == names(letters)
            assert set(names(query)) <= {"Camille Durand"}
        person = listed_person("Camille", "ﬃ" * 100)
        assert find_people("ﬃ" * 80).people == [person]
        assert names(f"x{'ﬃ' * 79}") == []

    def test_only_active_accounts_whose_last_decision_is_yes_are_listed(self):
        """PRV-02: from one moment to the next; locking, departure and withdrawal take effect at once."""
        person, now, today = pending_account(family_name="Durand"), timezone.now(), timezone.localdate()
        active = {"activated_at": now, "charter_accepted_at": now, "password": "argon2$", "end_date": None}
        never = {"activated_at": None, "charter_accepted_at": None, "password": "!"}
        for decision, facts, is_listed in (
            *((None, active, False), (True, never, False), (None, active, True), (None, {"end_date": today}, True)),
            (None, {"end_date": today - timedelta(days=1)}, False),
            *((None, {**active, "password": "!"}, False), (False, active, False), (True, active, True)),
        ):
            Account.objects.filter(pk=person.pk).update(**facts)
            if decision is not None:
                decide(person, listed=decision)
            assert names("durand") == ["Camille Durand"] * is_listed, (decision, facts)
        lock_account(account=person, reason=LockReason.PHISHING)
        assert names("durand") == []
        other = active_unlisted_person("Camille", "Martin")
        for listed in (True, False):
            decide(other, listed=listed, at=now)
        assert names("martin") == []

    def test_the_database_keeps_the_searchable_names_in_line_and_the_index_answers(self):
        """By triggers, for each way of writing; at 100,000 people a search is fast only through the index."""
        pending_account()
        assert not SearchableName.objects.exists()
        person, other = listed_person("Jean-Baptiste", "d’Ornano"), listed_person("明", "李")
        written = SearchableName.objects.get(account=person)
        words = " jean baptiste d ornano jeanbaptiste dornano "
        assert (written.words, written.sort_key) == (words, "d ornano  jean baptiste")
        assert SearchableName.objects.get(account=other).words.strip() == ""
        Account.objects.filter(pk=person.pk).update(family_name="Lefèvre")
        assert (names("lefevre"), names("ornano")) == (["Jean-Baptiste Lefèvre"], [])
        person.delete()
        assert [name.account for name in SearchableName.objects.all()] == [other]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            for condition in ("words LIKE '%% dur%%'", "words %%> 'durnad'"):
                cursor.execute(f"EXPLAIN SELECT FROM directory_searchablename WHERE {condition}", [])
                assert "directory_words_trigrams" in str(cursor.fetchall())


class TestPage:
    def test_nothing_is_listed_before_a_query_of_two_letters_nor_for_a_long_one(self, django_assert_num_queries):
        """PRV-02, INP-05: the database is not even asked, nor the limit counted."""
        listed_person()
        with django_assert_num_queries(0):
            empty = Client().get(reverse("directory"))
        assert (empty.status_code, cards(empty.content.decode()), bool(empty.cookies)) == (200, [], False)
        for query in ("", "d", " d ", "é", "12", "%", "%%%%", "__", "a b c", "-", "«»", "\u0301\u0301"):
            with django_assert_num_queries(0):
                html = page(query)
            assert (TOO_SHORT in html, cards(html)) == (True, []), query
        for query in ("a" * 81, "a " * 60, "é" * 100_000, "\u1100" * 100_000, "Z" + "\u0301" * 50_000):
            begun = time.process_time()
            with django_assert_num_queries(0):
                html = page(query)
            assert time.process_time() - begun < 0.5
            assert ("Ce texte est trop long" in html, len(html) < 20_000) == (True, True)

    def test_a_card_shows_what_the_wizard_promised_and_no_more(self):
        """PRV-04"""
        person = listed_person(category=Category.HOSTED, birth_date="1984-02-29", ine="0123456789A")
        html = page("durand")
        assert cards(html) == [f"Camille Durand Personnel d’un organisme associé {person.institutional_address}"]
        assert f'href="mailto:{person.institutional_address}"' in html
        private = (person.recovery_address, person.phone, person.employer, person.uid, person.hr_id, "1984", person.ine)
        assert [fact for fact in private if fact in html] == []

    def test_a_page_holds_twenty_people_of_a_hundred_at_most(self, django_assert_max_num_queries):
        """PRV-02, INP-01, INP-06: beyond, a finer query is asked for; an invalid page number leads to a page."""
        people = listed_people_called("Martin", 45)
        found = [re.findall(r'href="mailto:([^"]+)"', page("martin", page=number)) for number in ("1", "2", "3")]
        assert ([len(addresses) for addresses in found], set().union(*found)) == (
            [20, 20, 5],
            {p.login for p in people},
        )
        for number in ("0", "-1", "x", "9" * 40):
            assert len(cards(page("martin", page=number))) in (5, 20), number
        with django_assert_max_num_queries(6):
            html = page("mratin")
        assert "Aucun nom ne s’écrit exactement ainsi" in html
        listed_people_called("Petit", MOST_PEOPLE)
        assert not find_people("petit").is_cut
        listed_person("Camille", "Petit")
        for query in ("petit", "petti"):
            found_people = find_people(query)
            assert (len(found_people.people), found_people.is_cut) == (MOST_PEOPLE, True)
        html = page("petit", page="6")
        assert ("Plus de 100 résultats" in html, "Page 5 sur 5" in html, len(cards(html))) == (True, True, 20)
        assert "Personne ne correspond à «\N{NO-BREAK SPACE}durand\N{NO-BREAK SPACE}»" in page("durand")
        assert 'value="&lt;b&gt;"' in page("<b>")

    def test_a_hidden_account_cannot_be_told_from_none(self):
        """PRV-02, ENU-01: by full name, by a part of it, or misspelt; status, headers and page are the same."""
        unknown = normalised_answer(answer("Camille Inexistant"), "Camille Inexistant")
        locked, withdrawn = listed_person("Camille", "Verrouilleau"), listed_person("Camille", "Retiraud")
        lock_account(account=locked, reason=LockReason.PHISHING)
        decide(withdrawn, listed=False)
        listed_person("Camille", "Partiret", end_date="2020-01-01")
        active_unlisted_person("Camille", "Muetton")
        active_account(given_name="Camille", family_name="Refusard")
        pending_account(given_name="Camille", family_name="Attendu")
        for name in ("Verrouilleau", "Retiraud", "Partiret", "Muetton", "Refusard", "Attendu"):
            for query in (f"Camille {name}", name[:4], f"{name[:-2]}{name[:-3:-1]}"):
                assert normalised_answer(answer(query), query) == unknown, query

    def test_searches_are_limited_for_a_client_a_campus_and_all_together(self, settings, monkeypatch, time_machine):
        """PRV-02, ENU-06: a hundred an hour, pages counted: copying the directory takes days."""
        time_machine.move_to("2026-11-16 10:00:10", tick=False)
        assert all(DIRECTORY_SEARCHES_PER_CLIENT.count(client_key("127.0.0.1")) for _ in range(98))
        assert [answer("durand").status_code, answer("durand", page="2").status_code] == [200, 200]
        for slowed in (answer("durand"), Client().head(reverse("directory") + "?q=petit")):
            assert (slowed.status_code, 0 < int(slowed["Retry-After"]) <= 3601) == (429, True)
        assert Client().get(reverse("directory")).status_code == 200
        assert TOO_SHORT in page("d")
        settings.CAMPUS_NETWORKS = ["203.0.113.0/28"]
        assert all(DIRECTORY_SEARCHES_PER_CLIENT.count(client_key("203.0.113.9")) for _ in range(2000))
        assert answer("durand", "203.0.113.9").status_code == 429
        in_all = PublicLimit(DIRECTORY_SEARCHES_PER_CLIENT, RateLimit("few-searches-in-all", "2/hour"))
        monkeypatch.setattr("directory.views.DIRECTORY_SEARCHES", in_all)
        answers = [answer("durand", f"198.51.100.{number // 4}").status_code for number in range(8)]
        assert answers == ([200] * 3 + [429]) * 2

    def test_search_engines_are_kept_out_unless_allowed_on_the_empty_page(self, settings):
        kept_out, tag = "noindex, nofollow", '<meta name="robots" content="noindex">'
        for allowed, queries in ((False, ["", "?page=2", "?q=durand", "?q="]), (True, ["?q=durand", "?q=d", "?q="])):
            settings.DIRECTORY_INDEXED = allowed
            for query in queries:
                shown = Client().get(reverse("directory") + query)
                assert (shown["X-Robots-Tag"], tag in shown.content.decode()) == (kept_out, True), query
        shown = Client().get(reverse("directory"))
        assert (shown["X-Robots-Tag"], tag in shown.content.decode()) == ("all", False)
