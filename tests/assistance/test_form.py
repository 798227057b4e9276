"""« Demander de l’assistance »: for whoever is locked out; the same answer whoever asks, and nothing is lost."""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import count
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from assistance import services
from assistance.enums import Profile, Reason, RequestState
from assistance.models import AssistanceRequest
from assistance.references import ALPHABET, random_reference
from core.rate_limits import RateLimit
from core.retention import apply_rule, retention_rules
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from privacy.export import export_person
from tests.assistance.asking import ALL_WRONG, CONTACT, asked, asked_by_a_student, written
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import COMPUTED, EMAIL, N
from tests.mail_delivery import html_of, text_of
from tests.normalised import Answer, normalised_answer
from tests.pages import publish_another_charter

pytestmark = pytest.mark.django_db

PAGE, ANSWER = "assistance", "assistance-sent"
FIELDS = tuple(asked_by_a_student())
TEXTS = ("login", "contact_address", "phone", "availability", "description", "ine", "birth_date_day", "birth_date_year")
INE, BORN = "0123456789A", date(1984, 2, 29)
A_MOMENT = datetime(2026, 10, 6, 9, tzinfo=UTC)
clients = count()


class Values(HTMLParser):
    """What the fields of a page hold, by their names; a radio only when it is chosen."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inside = str(given.get("name")) if tag == "textarea" else ""
        if tag == "input" and (given.get("type") != "radio" or "checked" in given):
            self.found[str(given.get("name"))] = str(given.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[self.inside] = self.found.get(self.inside, "") + data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


def page_after(answers: dict[str, str]) -> str:
    return Client().post(reverse(PAGE), answers).content.decode()


def said_in(html: str) -> str:
    return unescape(html).replace("\u00a0", " ")


def the_request() -> AssistanceRequest:
    return AssistanceRequest.objects.get()


# Who asks


def pending() -> Account:
    return pending_account(ine=INE)


def active() -> Account:
    return active_account(ine=INE)


def locked() -> Account:
    person = active_account(ine=INE)
    lock_account(account=person, reason=LockReason.PHISHING)
    return person


def closed() -> Account:
    return pending_account(ine=INE, end_date=timezone.localdate() - timedelta(days=1))


def a_student() -> Account:
    return active_account(ine=INE, category=Category.STUDENT)


def an_agent() -> Account:
    return active_account(is_staff=True)


def without_recovery_address() -> Account:
    return pending_account(recovery_address="")


def with_bounced_mail() -> Account:
    person = pending_account()
    Message.objects.create(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, status="bounced")
    return person


def with_a_request_that_waits() -> Account:
    person = pending_account()
    services.create_request(**written(login=person.login, contact_address="autre@exemple.org"))
    return person


def unknown() -> Account:
    return Account(institutional_address="personne.inconnue@univ-exemple.fr")


def of_another_university() -> Account:
    return Account(institutional_address="quelqu.un@autre-univ.fr")


EVERYBODY = [
    pending, active, locked, closed, a_student, an_agent, without_recovery_address, with_bounced_mail,
    with_a_request_that_waits, unknown, of_another_university,
]  # fmt: skip
KNOWLEDGE = {
    "right birth date": asked(),
    "wrong birth date": asked(birth_date_year="1988"),
    "right INE": asked_by_a_student(),
    "wrong INE": asked_by_a_student(ine="1111111111Z"),
}


def answers_to(browser: Client, typed: dict[str, str]) -> tuple[Answer, Answer]:
    redirected = browser.post(reverse(PAGE), typed)
    shown = browser.get(reverse(ANSWER))
    reference = browser.session["assistance_sent"]["reference"]
    return normalised_answer(redirected, typed["login"]), normalised_answer(shown, typed["login"], reference)


def test_nobody_can_tell_from_the_answer_who_has_an_account_or_what_is_known_of_it(time_machine):
    """ENU-01, HLP-04: status, headers, cookies and body are the same for all states and for right and wrong facts."""
    people = [make() for make in EVERYBODY]
    time_machine.move_to(timezone.now(), tick=False)

    answers = {
        answers_to(Client(REMOTE_ADDR=f"198.51.100.{number}"), known | {"login": person.login})
        for number, person in enumerate(people)
        for known in KNOWLEDGE.values()
    }

    assert len(answers) == 1
    redirected, page = answers.pop()
    assert (redirected.status, page.status) == (302, 200)
    assert "***" not in page.body


def statements_for(**typed: str) -> list[str]:
    """What the database is asked when somebody sends this."""
    with CaptureQueriesContext(connection) as captured:
        Client().post(reverse(PAGE), (asked_by_a_student if "ine" in typed else asked)(**typed))
    spoken = [query["sql"].split(" VALUES")[0].replace(typed["contact_address"], "")[:70] for query in captured]
    return [sql for sql in spoken if "SAVEPOINT" not in sql]


@pytest.mark.parametrize("make", EVERYBODY)
def test_the_same_work_is_done_for_everybody(make):
    """ENU-03: the same statements in the same order, whoever is meant, and whatever is known of them."""
    person = make()

    with_the_birth_date = statements_for(login=person.login, contact_address="un@exemple.org")
    with_the_ine = statements_for(login=person.login, contact_address="deux@exemple.org", ine=INE)
    about_nobody = statements_for(login="nul.autre@univ-exemple.fr", contact_address="trois@exemple.org")

    assert len(about_nobody) == 8
    assert with_the_birth_date == with_the_ine == about_nobody


def test_a_signed_in_person_gets_the_same(visitor):
    """A session says nothing about whose account the request is about."""
    me = active_account()
    visitor.force_login(me)

    visitor.post(reverse(PAGE), asked(login="personne.inconnue@univ-exemple.fr"))

    assert the_request().account is None
    assert not me.journal.filter(event=Event.ASSISTANCE_REQUESTED).exists()
    assert the_request().reference in visitor.get(reverse(ANSWER)).content.decode()


def test_whoever_has_a_new_charter_to_accept_may_ask_first(visitor):
    person = active_account()
    publish_another_charter("2031-01")
    visitor.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})

    assert visitor.get(reverse("account")).status_code == 302
    assert visitor.get(reverse(PAGE)).status_code == 200
    assert visitor.post(reverse(PAGE), asked(login=person.login))["Location"] == reverse(ANSWER)


# What is kept


def test_a_request_holds_what_was_typed_when_and_from_where(time_machine):
    person = locked()
    now = timezone.now()
    time_machine.move_to(now, tick=False)

    Client(REMOTE_ADDR="198.51.100.77").post(
        reverse(PAGE), asked(login=person.login.upper(), phone=" 06.12.34.56.78 ", description="Un\r\ndeux\r\n")
    )

    request = the_request()
    assert (request.reason, request.profile, request.state) == (Reason.LOCKED, Profile.STAFF, RequestState.NEW)
    assert (request.typed_address, request.account) == (person.login, person)
    assert request.contact_address == CONTACT
    assert (request.phone_typed, request.phone) == ("06.12.34.56.78", "+33612345678")
    assert (request.birth_date_typed, request.ine_typed) == (BORN, "")
    assert (request.availability, request.description) == ("demain matin", "Un\ndeux")
    assert (request.language, request.asked_at, request.client_address) == ("fr", now, "198.51.100.77")
    assert (request.taken_by, request.taken_at, request.closed_at) == (None, None, None)


def test_the_account_keeps_the_state_and_everything_else_it_had():
    """HLP-02, HLP-04: asking for assistance opens nothing and changes nothing."""
    person = locked()
    before = Account.objects.filter(pk=person.pk).values().get()
    mails = Message.objects.filter(person=person).count()

    Client().post(reverse(PAGE), asked(login=person.login, phone="06 99 99 99 99"))

    assert Account.objects.filter(pk=person.pk).values().get() == before
    assert person.locks.open().exists()
    assert Message.objects.filter(person=person).count() == mails


def test_the_journal_of_the_account_tells_that_somebody_asked():
    """LOG-01: whoever it was, and nothing of what they typed."""
    person = pending_account()

    Client(REMOTE_ADDR="198.51.100.77").post(reverse(PAGE), asked(login=person.login))

    entry = person.journal.get(event=Event.ASSISTANCE_REQUESTED)
    assert (entry.actor, entry.client_address) == (None, "198.51.100.77")
    assert entry.details == {"request": the_request().pk}


def test_a_request_about_nobody_is_in_the_journal_of_nobody():
    Client().post(reverse(PAGE), asked(login="personne.inconnue@univ-exemple.fr"))

    assert JournalEntry.objects.get(event=Event.ASSISTANCE_REQUESTED).account is None
    assert the_request().account is None


def test_the_owner_reads_in_the_history_that_somebody_asked(visitor):
    person = active_account()
    Client().post(reverse(PAGE), asked(login=person.login))
    visitor.force_login(person)

    page = said_in(visitor.get(reverse("account-history")).content.decode())

    assert "Demande d’assistance reçue" in page
    assert "Inconnu" in page
    assert the_request().reference not in page


def test_the_copy_of_somebody_s_data_holds_nothing_that_another_has_typed():
    """PRV-07: nobody has shown who wrote it; a namesake may have typed the wrong address."""
    person = active_account()
    Client().post(reverse(PAGE), asked(login=person.login, phone="06 99 88 77 66"))

    copy = str(export_person(account=person, actor=person))

    assert "assistance_requested" in copy
    assert CONTACT not in copy
    assert "699887766" not in copy


@pytest.mark.parametrize("profile", [Profile.STUDENT, Profile.STAFF])
def test_only_the_fact_of_the_profile_is_kept(profile):
    """PRV-04: the other value is dropped, although it was sent."""
    Client().post(reverse(PAGE), asked(profile=profile, ine=INE))

    request = the_request()
    assert (request.ine_typed, request.birth_date_typed) == ((INE, None) if profile == Profile.STUDENT else ("", BORN))


@pytest.mark.parametrize(
    "typed",
    [
        asked(ine="n’importe quoi"),
        asked_by_a_student(birth_date_day="99", birth_date_month="x"),
        asked_by_a_student(birth_date_year="1985"),
    ],
)
def test_a_fact_that_is_not_asked_for_is_not_checked(typed):
    """PRV-04: whoever changes their mind about the profile is not stopped by a field they do not see."""
    assert Client().post(reverse(PAGE), typed).status_code == 302
    assert AssistanceRequest.objects.count() == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"profile": Profile.STUDENT, "birth_date_typed": BORN},
        {"profile": Profile.STAFF, "ine_typed": INE},
        {"profile": "teacher"},
        {"state": RequestState.NEW, "taken_at": A_MOMENT},
        {"state": RequestState.TAKEN},
        {"state": RequestState.CALL_TRIED},
        {"state": RequestState.SOLVED},
        {"state": RequestState.TAKEN, "taken_at": A_MOMENT, "closed_at": A_MOMENT},
        {"state": "lost"},
        {"reference": "A-22222"},
    ],
)
def test_the_database_refuses_what_cannot_be(facts):
    """PRV-04, and states without their times."""
    common = {"phone": "+33612345678", "profile": Profile.STAFF}
    AssistanceRequest.objects.create(**common, reference="A-22222")

    with pytest.raises(IntegrityError), transaction.atomic():
        AssistanceRequest.objects.create(**{**common, "reference": "A-33333", **facts})


def test_the_service_refuses_two_facts_and_keeps_nothing():
    """One transaction: no request, no entry, no mail."""
    with pytest.raises(IntegrityError), transaction.atomic():
        services.create_request(**written(profile=Profile.STAFF, ine=INE, birth_date=BORN))

    assert not AssistanceRequest.objects.exists()
    assert not JournalEntry.objects.filter(event=Event.ASSISTANCE_REQUESTED).exists()
    assert not Message.objects.exists()


def test_a_second_request_about_the_same_account_is_kept_too():
    """Duplicates are grouped by the agents; nobody learns that there was one."""
    for number in range(3):
        Client().post(reverse(PAGE), asked(contact_address=f"camille{number}@exemple.net"))

    assert AssistanceRequest.objects.open().count() == 3


# The reference


def test_a_reference_is_drawn_at_random():
    """HLP-08: each character anew, whatever came before it and whatever the hour."""
    drawn = [random_reference().removeprefix("A-") for _ in range(1_000)]

    assert len(set(drawn)) > 990
    for place in range(5):
        assert {reference[place] for reference in drawn} == set(ALPHABET)
        assert max(Counter(reference[place] for reference in drawn).values()) < 100


def test_a_reference_is_readable_and_told_to_its_author_alone(visitor):
    """HLP-08."""
    for _ in range(5):
        visitor.post(reverse(PAGE), asked())

    references = list(AssistanceRequest.objects.order_by("pk").values_list("reference", flat=True))
    assert len(set(references)) == 5
    assert all(reference.startswith("A-") and len(reference) == 7 for reference in references)
    assert set("".join(references)) <= {*ALPHABET, "-"}
    assert not set(ALPHABET) & set("01IO")
    assert references[-1] in visitor.get(reverse(ANSWER)).content.decode()
    assert references[-1] not in Client().get(reverse(ANSWER)).content.decode()


def test_a_reference_that_is_taken_is_not_given_again(monkeypatch):
    coming = iter(["A-22222", "A-22222", "A-22222", "A-33333"])
    monkeypatch.setattr("assistance.services.random_reference", lambda: next(coming))

    for _ in range(2):
        services.create_request(**written())

    assert set(AssistanceRequest.objects.values_list("reference", flat=True)) == {"A-22222", "A-33333"}


def test_a_reference_opens_nothing(visitor):
    """HLP-08: there is no page of a request, and none that a reference leads to."""
    visitor.post(reverse(PAGE), asked())
    reference = the_request().reference
    before = normalised_answer(Client().get(reverse(ANSWER)))

    assert Client().get(f"{reverse(PAGE)}{reference}/").status_code == 404
    assert Client().get(f"{reverse(ANSWER)}{reference}/").status_code == 404
    assert normalised_answer(Client().get(f"{reverse(ANSWER)}?reference={reference}")).body == before.body.replace(
        f"{reverse(ANSWER)}", f"{reverse(ANSWER)}"
    )
    assert reference not in visitor.get(reverse(PAGE)).content.decode()


# The answer


def test_the_answer_says_where_the_mail_went_and_until_when_an_agent_calls(visitor, time_machine, settings):
    settings.SUPPORT_PHONE = "04 67 00 00 00"
    time_machine.move_to("2026-10-09T16:00:00+02:00", tick=False)

    visitor.post(reverse(PAGE), asked())
    page = said_in(visitor.get(reverse(ANSWER)).content.decode())

    assert the_request().reference in page
    assert CONTACT in page
    assert "lundi 12 octobre 2026 à 11 h (heure de Paris)" in page
    assert 'depuis le <b class="nw">04 67 00 00 00</b>' in page
    assert "jamais votre mot de passe" in page


def test_the_promise_of_the_page_is_that_of_the_mail(visitor, postman, time_machine):
    time_machine.move_to("2026-10-09T15:59:59.9+02:00", tick=True)
    visitor.post(reverse(PAGE), asked())

    promised = "lundi 12 octobre 2026 à 11 h"
    assert promised in said_in(visitor.get(reverse(ANSWER)).content.decode())
    assert promised in said_in(text_of(postman.last_mail()))


def test_the_answer_can_be_read_again_and_asks_for_nothing(visitor):
    """Post, redirect, get: reloading sends no second request."""
    visitor.post(reverse(PAGE), asked())
    pages = {normalised_answer(visitor.get(reverse(ANSWER))) for _ in range(3)}

    assert len(pages) == 1
    assert AssistanceRequest.objects.count() == 1


def test_the_answer_opened_by_itself_leads_to_the_form(visitor):
    answer = visitor.get(reverse(ANSWER))

    assert answer.status_code == 200
    assert "Aucune demande n’a été envoyée depuis ce navigateur" in said_in(answer.content.decode())
    assert f'href="{reverse(PAGE)}"' in answer.content.decode()
    assert not answer.cookies


def test_the_session_holds_only_what_the_answer_shows(visitor):
    """PRV-04: no number, no date, no story."""
    visitor.post(reverse(PAGE), asked())

    assert set(visitor.session["assistance_sent"]) == {"reference", "contact_address", "call_expected_by"}


# Nothing lost, kind words


def test_what_was_typed_is_still_there_after_an_error():
    """Every field, the radios and a story of several lines included."""
    typed = asked(phone="06 12", ine="pas le bon", description="Première ligne.\r\n\r\n  <b>Deuxième</b> & dernière.")

    values = Values(page_after(typed)).found

    assert {name: values[name].replace("\r\n", "\n") for name in FIELDS} == {
        name: typed[name].replace("\r\n", "\n") for name in FIELDS
    }
    assert not AssistanceRequest.objects.exists()


def test_every_field_says_what_to_correct():
    """UX §6.14: the exact words, in the list above and beside the field."""
    page = said_in(page_after(ALL_WRONG))

    for words in (
        "Choisissez ce qui se passe",
        "La date de naissance n’existe pas : vérifiez le jour et le mois",
        "Complétez l’adresse, par exemple prenom.nom@univ-exemple.fr",
        "L’adresse personnelle doit être différente de l’adresse universitaire",
        "Le numéro est trop court : il manque des chiffres",
        "La description dépasse 2 000 caractères (vous en avez 2001)",
    ):
        assert page.count(words) == 2, words
    assert "6 points sont à corriger" in page


def test_an_empty_form_says_what_is_missing_and_asks_for_no_fact_before_the_profile():
    page = said_in(page_after({}))

    for words in (
        "Choisissez ce qui se passe",
        "Indiquez si vous êtes étudiant ou personnel",
        "Saisissez l’adresse universitaire",
        "Saisissez une adresse e-mail, par exemple nom@exemple.net",
        "Saisissez un numéro de téléphone",
        "Décrivez le problème en quelques mots",
    ):
        assert page.count(words) == 2, words
    assert "6 points sont à corriger" in page


@pytest.mark.parametrize(
    ("typed", "words", "target"),
    [
        (asked(profile="student"), "Saisissez votre numéro INE", "id_ine"),
        (asked_by_a_student(profile="staff"), "Saisissez votre date de naissance", "id_birth_date_0"),
        (asked(birth_date_year=""), "La date de naissance doit comporter une année", "id_birth_date_0"),
        (asked_by_a_student(ine="12"), "Le numéro INE compte 11 caractères", "id_ine"),
    ],
)
def test_the_fact_of_the_profile_is_asked_for(typed, words, target):
    page = page_after(typed)

    assert said_in(page).count(words) == 2
    assert f'<a href="#{target}">' in page
    assert f'id="{target}"' in page
    assert "Un point est à corriger" in page


@pytest.mark.parametrize(
    "contact",
    ["camille.durand@univ-exemple.fr", "autre@UNIV-EXEMPLE.FR", "autre@labo.univ-exemple.fr"],
)
def test_the_follow_up_goes_to_no_address_of_the_university(contact):
    """A locked mailbox cannot be read."""
    assert "L’adresse personnelle doit être différente" in page_after(asked(contact_address=contact))
    assert not AssistanceRequest.objects.exists()


def test_two_equal_addresses_are_a_slip_whatever_they_are():
    page = page_after(asked(login="camille@exemple.net", contact_address="camille@EXEMPLE.net"))

    assert "L’adresse personnelle doit être différente" in page


def test_the_domain_of_the_university_may_be_left_out():
    person = pending_account()

    Client().post(reverse(PAGE), asked(login=f" {person.login.partition('@')[0]} "))

    assert the_request().account == person


def test_a_story_of_2000_characters_and_a_hundred_lines_is_taken():
    """INP-04, HLP-08."""
    told = "\r\n".join(["x" * 19] * 100)
    assert len(told.replace("\r\n", "\n")) == 1_999

    assert Client().post(reverse(PAGE), asked(description=f"y{told}")).status_code == 302
    assert Client().post(reverse(PAGE), asked(description=f"yy{told}")).status_code == 200
    assert len(the_request().description) == 2_000


def test_the_page_works_for_everybody():
    """A11Y, UX §6.14: groups with a name, parts with a label, tokens for browsers that fill in, nothing cut silently."""
    page = Client().get(reverse(PAGE)).content.decode()

    for token in ("bday-day", "bday-month", "bday-year", "username", "email", "tel"):
        assert f'autocomplete="{token}"' in page
    assert page.count("<fieldset") == page.count("<legend>") == 3
    for label in ("Jour", "Mois", "Année"):
        assert f">{label}</label>" in page
    assert "maxlength" not in page.split("<textarea")[1].split(">")[0]
    assert page.count("(facultatif)") == 1
    assert "(obligatoire)" not in page
    assert " checked" not in page
    assert reverse("privacy") in page.split("<main")[1].split("</main>")[0]


def test_the_page_gives_the_telephone_of_the_university_to_whoever_cannot_wait(settings):
    settings.SUPPORT_PHONE = "04 67 00 00 00"

    assert "04 67 00 00 00" in Client().get(reverse(PAGE)).content.decode().split("</main>")[0]


# The mail


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_acknowledgement_holds_the_reference_and_nothing_that_a_visitor_typed(postman, language, settings):
    """HLP-08, HLP-04: no text, number, date or address, no URL but the portal's, whoever the account belongs to."""
    person = active_account()
    with translation.override(language):
        Client().post(
            reverse(PAGE),
            asked_by_a_student(
                login=person.login,
                availability="lundi www.evil.example",
                description="Voir http://evil.example/ <b>gras</b>",
                phone="06 98 76 54 32",
            ),
        )

    [mail] = postman.deliver()
    assert mail["To"] == CONTACT
    assert the_request().reference in mail["Subject"]
    assert mail["Content-Language"] == the_request().language == language
    for part in (mail["Subject"], text_of(mail), html_of(mail)):
        for typed in ("evil", "gras", "98 76 54", "698765432", INE, "lundi www", person.login, person.family_name):
            assert typed not in part
    assert text_of(mail).count("http") == text_of(mail).count(settings.PORTAL_URL)


def test_the_acknowledgement_is_nobody_s_mail(postman):
    """It is not proven that the account is theirs: its owner does not see where a stranger is written to."""
    person = active_account()
    Client().post(reverse(PAGE), asked(login=person.login))

    assert Message.objects.get(kind=Kind.ASSISTANCE_RECEIVED).person is None
    assert [mail["To"] for mail in postman.deliver()] == [CONTACT]


def test_one_address_gets_two_acknowledgements_a_day_however_it_is_spelt(postman, time_machine):
    """HLP-08, ENU-05: further requests are kept, with the same page and no mail; known and unknown accounts alike."""
    person = pending_account()
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    spellings = ["camille@exemple.net", "Camille@exemple.net", "CAMILLE@EXEMPLE.NET", " camille@exemple.net "]

    answers = set()
    for number in range(8):
        typed = asked(
            contact_address=spellings[number % 4], login=person.login if number % 2 else "x.y@univ-exemple.fr"
        )
        browser = Client()
        redirected, page = answers_to(browser, typed)
        answers.add((redirected, page.body.replace(browser.session["assistance_sent"]["contact_address"], "there")))

    assert len(answers) == 1
    assert len(postman.deliver()) == 2
    assert AssistanceRequest.objects.count() == 8

    time_machine.move_to(start + timedelta(days=1, seconds=1), tick=False)
    Client().post(reverse(PAGE), asked())
    assert len(postman.deliver()) == 3


def test_another_address_has_a_count_of_its_own(postman):
    for number in range(3):
        Client().post(reverse(PAGE), asked(contact_address=f"camille{number}@exemple.net"))

    assert len(postman.deliver()) == 3


def test_a_request_that_is_closed_already_is_acknowledged_no_more(postman):
    services.create_request(**written())
    AssistanceRequest.objects.update(state=RequestState.REFUSED, closed_at=timezone.now())

    assert postman.deliver() == []


def test_a_mail_server_that_refuses_is_not_seen_by_the_visitor(visitor, postman, mail_server):
    """ENU-04."""
    mail_server.answer = lambda *_: "550 no"

    redirected = visitor.post(reverse(PAGE), asked())
    postman.deliver()

    assert redirected.status_code == 302
    assert the_request().reference in visitor.get(reverse(ANSWER)).content.decode()


# Robots, limits, hostile input


def test_a_robot_that_fills_the_hidden_field_gets_the_same_page_and_nothing_is_kept(postman, time_machine):
    """ENU-08: a trap that assistive technology and keyboards never meet."""
    time_machine.move_to(timezone.now(), tick=False)
    trap = Client().get(reverse(PAGE)).content.decode().split('class="trap"')[1].split("</div>")[0]

    caught = answers_to(Client(), asked(website="https://robot.example"))
    assert not AssistanceRequest.objects.exists()
    assert not JournalEntry.objects.exists()
    assert postman.deliver() == []

    assert caught == answers_to(Client(), asked())
    for attribute in ('aria-hidden="true"', 'tabindex="-1"', 'autocomplete="off"'):
        assert attribute in trap


def test_no_page_asks_to_solve_a_puzzle():
    """ENU-08."""
    page = Client().get(reverse(PAGE)).content.decode().lower()

    assert "captcha" not in page
    assert "<img" not in page


def test_too_many_requests_of_one_client_wait_with_what_they_wrote(visitor, monkeypatch):
    """ENU-06: 429, until when, and nothing is lost; somebody elsewhere is not concerned."""
    monkeypatch.setattr("assistance.views.ASSISTANCE_REQUESTS_PER_CLIENT", RateLimit("few-requests", "2/hour"))
    for _ in range(2):
        assert visitor.post(reverse(PAGE), asked()).status_code == 302

    slowed = visitor.post(reverse(PAGE), asked(description="Toute une histoire"))
    elsewhere = Client(REMOTE_ADDR="198.51.100.9").post(reverse(PAGE), asked())

    assert slowed.status_code == 429
    assert 0 < int(slowed["Retry-After"]) <= 3601
    assert "Trop de demandes depuis votre réseau" in slowed.content.decode()
    assert Values(slowed.content.decode()).found["description"] == "Toute une histoire"
    assert elsewhere.status_code == 302
    assert AssistanceRequest.objects.count() == 3


def test_all_clients_together_are_limited_too(monkeypatch):
    """ENU-06."""
    monkeypatch.setattr("assistance.views.ASSISTANCE_REQUESTS_IN_ALL", RateLimit("few-requests-in-all", "2/hour"))

    answers = [
        Client(REMOTE_ADDR=f"198.51.100.{number}").post(reverse(PAGE), asked()).status_code for number in range(3)
    ]

    assert answers == [302, 302, 429]


def test_a_form_that_is_refused_counts_for_nothing(visitor, monkeypatch):
    """Whoever makes ten mistakes may still send."""
    monkeypatch.setattr("assistance.views.ASSISTANCE_REQUESTS_PER_CLIENT", RateLimit("one-request", "1/hour"))
    for _ in range(5):
        visitor.post(reverse(PAGE), asked(phone="06"))

    assert visitor.post(reverse(PAGE), asked()).status_code == 302


def answer_to(field: str, value: str | bytes, **typed: str) -> tuple[int, str]:
    """What a field of a good form answers to; bytes are sent as they are. Each time from somewhere else."""
    good = (asked_by_a_student if field == "ine" else asked)(**typed)
    browser = Client(REMOTE_ADDR=f"203.0.113.{next(clients) % 256}")
    if isinstance(value, bytes):
        body = f"{urlencode({name: kept for name, kept in good.items() if name != field})}&{field}={value.decode()}"
        answer = browser.post(reverse(PAGE), body, content_type="application/x-www-form-urlencoded")
    else:
        answer = browser.post(reverse(PAGE), good | {field: value})
    return answer.status_code, answer.content.decode()


@pytest.mark.parametrize("name", ["N06", "N09", "N14", "N28", "N29", "N36", "N37"])
def test_what_cannot_be_seen_is_never_kept(postman, name):
    """INP-02, INP-05, HLP-08: one inert request or the form again, nothing unescaped, the one mail expected."""
    value = N[name]
    contacts = {field: f"{field}@exemple.net" for field in (*TEXTS, "reason", "profile", "website")}

    for field, contact in contacts.items():
        status, html = answer_to(field, value, contact_address=contact)
        assert status in (200, 302), field
        assert not (isinstance(value, str) and "<" in value and value in html), field
        assert COMPUTED not in html, field

    requests = AssistanceRequest.objects.all()
    mailed = [mail["To"] for mail in postman.deliver()]
    assert sorted(mailed) == sorted(request.contact_address for request in requests)
    assert {*mailed} <= {*contacts.values()}
    kept = "".join(f"{request.description}{request.availability}{request.phone_typed}" for request in requests)
    assert not set(kept) & set("\x00\x07\x08\x1b\x85\u200b\u2028\u202e\u2067\ufeff\ufffd")


@pytest.mark.parametrize(("value", "policy"), EMAIL)
def test_the_address_pack_on_the_contact_address(postman, value, policy):
    """F4, EML-03, INP-03: to that one mailbox, or to nobody."""
    typed = re.sub(r"(?i)univ-x", "univ-exemple", value)

    status, _html = answer_to("contact_address", typed)

    assert status in (200, 302)
    if policy.startswith(("refuse", "own")):
        assert [mail for mail in postman.deliver() if "xn--" not in mail["To"]] == []
    if policy.startswith("accept") and "xn--" not in policy:
        assert [mail["To"] for mail in postman.deliver()] == [the_request().contact_address]


@pytest.mark.parametrize("value", [value for value, _policy in EMAIL])
def test_the_address_pack_on_the_institutional_address(postman, value):
    """INP-03: a look-alike is nobody; the mail goes to the contact address, whatever is typed here."""
    pending_account(institutional_address="kevin@exemple.fr")
    pending_account(institutional_address="mike@github.com")

    status, _html = answer_to("login", value)

    assert status in (200, 302)
    assert {mail["To"] for mail in postman.deliver()} <= {CONTACT}
    assert not AssistanceRequest.objects.filter(account__isnull=False).exists()


def test_links_and_markup_in_a_story_are_kept_as_text(visitor):
    """HLP-08, INP-05: and shown escaped when the form comes back."""
    told = "http://evil.example <script>alert(1)</script> {{7*142857}} %(user)s"

    visitor.post(reverse(PAGE), asked(description=told))
    again = page_after(asked(description=told, phone=""))

    assert the_request().description == told
    assert "<script>alert" not in again
    assert 'href="http://evil' not in again
    assert Values(again).found["description"] == told


def test_files_are_ignored(visitor):
    """HLP-08."""
    file = SimpleUploadedFile("photo.exe", b"MZ" * 1000)

    answer = visitor.post(reverse(PAGE), asked() | {"attachment": file})
    instead = visitor.post(reverse(PAGE), asked() | {"description": SimpleUploadedFile("x.txt", b"texte")})

    assert answer.status_code == 302
    assert instead.status_code == 200
    assert the_request().description == asked()["description"]


def test_what_is_no_field_of_the_form_changes_nothing(visitor):
    """INP-06."""
    extra = {
        "state": "solved", "account": "1", "reference": "A-99999", "is_staff": "1", "taken_by": "1", "asked_at": "2000",
        "phone_typed": "17", "_connector": "OR 1=1--", "description[]": "x",
    }  # fmt: skip

    visitor.post(f"{reverse(PAGE)}?profile=student&phone=17", asked() | extra)

    request = the_request()
    assert (request.state, request.account, request.taken_by) == (RequestState.NEW, None, None)
    assert request.reference != "A-99999"
    assert (request.profile, request.phone_typed) == (Profile.STAFF, "06 12 34 56 78")


@pytest.mark.parametrize("field", ["login", "contact_address", "phone", "description"])
def test_a_field_that_is_sent_twice_is_one_value_everywhere(visitor, postman, field):
    """INP-06: validated, kept and mailed is the last one."""
    twice = {name: [value] for name, value in asked().items()}
    twice[field] = ["premier <script>", asked()[field]]

    visitor.post(reverse(PAGE), twice)

    assert [mail["To"] for mail in postman.deliver()] == [CONTACT]
    assert (the_request().contact_address, the_request().phone) == (CONTACT, "+33612345678")


# How long it is kept


def a_closed_request(days_ago: float) -> AssistanceRequest:
    request = services.create_request(**written())
    closed = timezone.now() - timedelta(days=days_ago)
    AssistanceRequest.objects.filter(pk=request.pk).update(state=RequestState.SOLVED, closed_at=closed)
    return request


def test_facts_and_requests_are_erased_when_their_time_is_over(time_machine):
    """PRV-05: INE and birth date 30 days after the end, the request after a year."""
    time_machine.move_to(timezone.now(), tick=False)
    fresh, old, gone = (a_closed_request(days) for days in (29.9, 30.1, 365.1))
    still_open = services.create_request(**written(ine=INE))

    purge = {kind.name: kind for kind in retention_rules()}
    gone_each_time = [
        [apply_rule(purge[name], now=timezone.now()) for name in ("assistance-facts", "assistance-requests")]
        for _ in range(2)
    ]

    assert gone_each_time == [[2, 1], [0, 0]]
    kept = AssistanceRequest.objects.in_bulk()
    assert set(kept) == {fresh.pk, old.pk, still_open.pk}
    assert kept[fresh.pk].birth_date_typed == BORN
    assert kept[old.pk].birth_date_typed is None
    assert kept[still_open.pk].ine_typed == INE
    assert kept[old.pk].description == gone.description
