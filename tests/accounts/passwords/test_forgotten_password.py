"""« Mot de passe oublié » : one answer for everybody, an hour to choose, once; whatever else happens kills the link."""

import logging
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest
from django.conf import settings as portal
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.links.links import not_me_link, password_reset_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, Session
from activation.first_connection.services import answer_link_request
from activation.models import LinkRequest
from core.rate_limits import FAILED_SIGN_INS_PER_LOGIN, RateLimit
from journal.events import Event
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import at_once, browser_of, change_to, fresh
from tests.activation.test_first_connection import EVERYBODY as EVERYBODY_ELSE
from tests.activation.test_first_connection import active, pending, sharing_a_recovery_address, to_reactivate
from tests.activation.wizard.test_concurrency import wait_until_somebody_waits_for_us
from tests.activation.wizard.test_password_step import everything_stored
from tests.activation.wizard.test_session import csrf_of
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import EMAIL, TOKEN
from tests.fuzz import PASSWORD as PASSWORD_PACK
from tests.locking import PROVEN
from tests.mail_delivery import link_in, text_of
from tests.normalised import Answer, normalised_answer

pytestmark = pytest.mark.django_db

PAGE, ANSWER = "forgotten-password", "forgotten-password-answer"
LINK, RESET, DONE, NEW_LINK = "password-reset-link", "password-reset", "password-reset-done", "password-reset-new-link"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
CANARY = "CANARI-jaune-7f3a-en-cage"
HOUR = timedelta(hours=1)
ROUNDS = 10


def bounced() -> Account:
    """Somebody whose last mail came back."""
    person = active_account()
    Message.objects.create(
        kind=Kind.ACCOUNT_ACTIVATED,
        person=person,
        address=person.recovery_address,
        language="fr",
        status=Status.BOUNCED,
    )
    return person


def active_with_a_disputed_address() -> Account:
    return active_account(recovery_address_disputed_at=timezone.now())


def active_without_address() -> Account:
    return active_account(recovery_address="")


def departed_after_activation() -> Account:
    return active_account(end_date=timezone.localdate() - timedelta(days=1))


EVERYBODY = [
    *EVERYBODY_ELSE,
    bounced,
    active_with_a_disputed_address,
    active_without_address,
    departed_after_activation,
]
MAILED = {
    pending: Kind.NEW_LINK,
    sharing_a_recovery_address: Kind.NEW_LINK,
    active: Kind.PASSWORD_RESET,
    bounced: Kind.PASSWORD_RESET,
    to_reactivate: Kind.REACTIVATION,
}


@pytest.fixture
def person() -> Account:
    return active_account(
        institutional_address="jean.dupont@univ-exemple.fr", recovery_address="jean.dupont@exemple.fr"
    )


def link_for(person: Account, built_at: datetime | None = None) -> str:
    """The path of the link that the worker mails to somebody at that moment."""
    account = fresh(person)
    deadline = password_reset_link.deadline(built_at or timezone.now())
    token = password_reset_link.token(account, deadline, password_reset_link.subject(account))
    return reverse(LINK, args=[token])


def opened(path: str, browser: Client | None = None) -> Client:
    browser = browser or Client()
    answer = browser.get(path)
    assert answer.status_code == 302, answer.status_code
    assert answer["Location"] == reverse(RESET)
    return browser


def choose(browser: Client, password: str = NEW_PASSWORD, **more: str):
    return browser.post(reverse(RESET), {"password": password, **more})


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("account")).status_code == 200


def signs_in(person: Account, password: str, **where: str) -> bool:
    return Client(**where).post(reverse("login"), {"login": person.login, "password": password}).status_code == 302


def facts_about(person: Account) -> list[object]:
    """What a scanner may not change."""
    account = Account.objects.filter(pk=person.pk).values().get()
    return [account, list(person.journal.values()), list(Message.objects.filter(person=person).values())]


def asked_by_a_stranger(login: str) -> tuple[Answer, Answer]:
    browser = Client()
    browser.get(reverse(PAGE))
    redirected = browser.post(reverse(PAGE), {"login": login})
    return normalised_answer(redirected, login), normalised_answer(browser.get(reverse(ANSWER)), login)


class TestAsking:
    def test_tells_nobody_who_has_an_account(self):
        """ENU-01: status, headers, cookies and body are the same for all; no address, masked or not."""
        people = [make() for make in EVERYBODY]

        answers = {asked_by_a_stranger(person.login) for person in people}

        assert len(answers) == 1
        redirected, page = answers.pop()
        assert (redirected.status, page.status) == (302, 200)
        assert "correspond à un compte" in page.body
        assert "***" not in page.body

    @pytest.mark.parametrize("make", EVERYBODY)
    def test_costs_the_same_work_for_everybody(self, make):
        """ENU-03: as many statements, one row, and no look at the accounts."""
        person = make()
        with CaptureQueriesContext(connection) as of_this_person:
            Client().post(reverse(PAGE), {"login": person.login})
        with CaptureQueriesContext(connection) as of_nobody:
            Client().post(reverse(PAGE), {"login": "personne.du.tout@univ-exemple.fr"})

        statements = [[query["sql"].split(" ")[0] for query in captured] for captured in (of_this_person, of_nobody)]
        assert statements[0] == statements[1]
        assert not any("accounts_account" in query["sql"] for query in of_this_person)
        assert LinkRequest.objects.filter(login=person.login).count() == 1

    @pytest.mark.parametrize("make", EVERYBODY)
    def test_mails_whoever_it_helps(self, client, mail_delivery, make):
        """Peers 26, HLP-02: pending gets the activation link, active an hour to choose, released the reactivation link;
        the others nothing at all."""
        person = make()
        before = Message.objects.filter(person_id=person.pk).count() if person.pk else 0

        client.post(reverse(PAGE), {"login": person.login})
        mails = mail_delivery.deliver()

        kinds = [message.kind for message in Message.objects.filter(person_id=person.pk).order_by("pk")][before:]
        assert kinds == ([MAILED[make]] if make in MAILED else [])
        assert [mail["To"] for mail in mails] == ([person.recovery_address] if make in MAILED else [])
        if make in MAILED:
            assert ("/activation/" in text_of(mails[0])) == (MAILED[make] == Kind.NEW_LINK)

    def test_twenty_times_in_an_hour_mails_three_times_and_the_last_link_works(self, client, mail_delivery, person):
        """ENU-05: silently, however the login is spelt; and none of the three is killed by the others (TOK-07)."""
        spellings = [person.login, "jean.dupont", "JEAN.DUPONT", " Jean.Dupont@Univ-Exemple.FR "]
        answers = set()
        for number in range(20):
            answers.add(asked_by_a_stranger(spellings[number % 4])[0])
            mail_delivery.deliver()

        assert len(answers) == 1
        mails = mail_delivery.deliver()
        assert len(mails) == 3
        assert all(Client().get(link_in(mail)).status_code == 302 for mail in mails)
        assert choose(opened(link_in(mails[-1]))).status_code == 302

    def test_and_activation_links_share_one_count(self, client, mail_delivery):
        """ENU-05: two doors to the same mail are not two counts."""
        person = pending_account()
        for name in (PAGE, "first-connection") * 4:
            client.post(reverse(name), {"login": person.login})

        assert len(mail_delivery.deliver()) == 3

    def test_too_often_from_one_client_is_said(self, client, monkeypatch):
        """ENU-06"""
        monkeypatch.setattr(
            "activation.first_connection.views.LINK_REQUESTS_PER_CLIENT", RateLimit("few-resets", "3/hour")
        )

        statuses = [client.post(reverse(PAGE), {"login": "quelqu.un"}).status_code for _ in range(4)]

        assert statuses == [302, 302, 302, 429]

    def test_signed_in_is_possible_and_ends_nothing(self, person, mail_delivery):
        """The page to change the password leads here."""
        browser = browser_of(person)

        browser.post(reverse(PAGE), {"login": person.login})

        assert len(mail_delivery.deliver()) == 1
        assert is_signed_in(browser)

    def test_with_any_address_mails_the_one_on_file_alone(self, client, mail_delivery):
        """F1, EML-03"""
        person = active_account(institutional_address="jean.dupont@exemple.fr", recovery_address="connue@exemple.net")
        for value, _wanted in EMAIL:
            assert client.post(reverse(PAGE), {"login": value}, follow=True).status_code == 200, value

        assert {mail["To"] for mail in mail_delivery.deliver()} == {person.recovery_address}

    def test_by_a_robot_that_fills_the_hidden_field_mails_nobody(self, client, mail_delivery, person):
        """ENU-08"""
        client.post(reverse(PAGE), {"login": person.login, "website": "https://robot.example"})

        assert mail_delivery.deliver() == []


class TestTheLink:
    def test_leads_to_a_new_password(self, client, mail_delivery, person):
        """The whole way, as the owner walks it; another device may open the mail."""
        client.post(reverse(PAGE), {"login": "jean.dupont"})
        browser = opened(mail_delivery.last_link())
        page = browser.get(reverse(RESET)).content.decode()

        answer = choose(browser)

        assert answer["Location"] == reverse(DONE)
        assert "Votre mot de passe est changé" in browser.get(answer["Location"]).content.decode()
        assert re.findall(r'autocomplete="([a-z-]+)"', page)[:2] == ["username", "new-password"]
        assert f'value="{person.login}"' in page
        assert "maxlength" not in page
        assert signs_in(person, NEW_PASSWORD)
        assert not signs_in(person, A_GOOD_PASSWORD)
        assert person.journal.filter(event=Event.PASSWORD_RESET).count() == 1

    @pytest.mark.parametrize(
        "built_at",
        [
            datetime(2026, 7, 1, 12, 0, tzinfo=UTC),
            datetime(2026, 7, 1, 12, 0, 0, 999_999, tzinfo=UTC),
            # The night that loses an hour, the night that has one twice; and midnight, in Paris and in UTC.
            datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 12, 31, 22, 30, tzinfo=UTC),
            datetime(2026, 12, 31, 23, 30, tzinfo=UTC),
        ],
        ids=str,
    )
    def test_is_good_for_one_hour_of_absolute_time(self, time_machine, built_at):
        """TOK-05: at 59 min 59 s it opens and works, at 60 min 1 s it does not; whatever clocks do."""
        time_machine.move_to(built_at - timedelta(days=1), tick=False)
        person = active_account()
        time_machine.move_to(built_at, tick=False)
        path = link_for(person)

        time_machine.move_to(built_at + timedelta(minutes=59, seconds=59), tick=False)
        in_time = opened(path)
        page = in_time.get(reverse(RESET)).status_code
        time_machine.move_to(built_at + timedelta(minutes=60, seconds=1), tick=False)
        too_late = Client()
        too_late.get(path)

        assert page == 200
        assert too_late.get(reverse(RESET)).status_code == 410
        # The form that was open when the hour was over is too late as well.
        assert choose(in_time).status_code == 410
        assert fresh(person).check_password(A_GOOD_PASSWORD)

    def test_says_in_the_mail_until_when_it_is_good(self, client, mail_delivery, time_machine):
        """EML: the date and hour that is enforced."""
        time_machine.move_to(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), tick=False)
        active_account(institutional_address="nuit.blanche@univ-exemple.fr")
        client.post(reverse(PAGE), {"login": "nuit.blanche"})

        mail = text_of(mail_delivery.last_mail()).replace("\N{NO-BREAK SPACE}", " ")

        assert "25 octobre 2026" in mail
        assert "2 h 30" in mail

    def test_leaves_the_address_bar_at_once(self, person):
        """TOK-09: and is neither in a page nor in the session."""
        path = link_for(person)
        token = path.split("/")[-2]
        browser = Client()

        answer = browser.get(path)

        assert answer["Referrer-Policy"] == "no-referrer"
        assert token not in answer["Location"]
        assert token not in browser.get(reverse(RESET)).content.decode()
        assert token not in str(dict(browser.session))
        assert token not in everything_stored()

    def test_begins_a_session_with_another_key(self, client, person):
        """SES-01"""
        client.post(reverse(PAGE), {"login": person.login})
        planted = client.cookies["sessionid"].value

        opened(link_for(person), client)

        attacker = Client()
        attacker.cookies["sessionid"] = planted
        assert client.cookies["sessionid"].value != planted
        assert choose(attacker).status_code == 404

    def test_opened_by_scanners_changes_nothing(self, person):
        """TOK-06: twenty GETs, five HEADs, one OPTIONS, and the page behind it; then its reader uses it."""
        path, before = link_for(person), facts_about(person)
        agents = cycle(["Mozilla/5.0", "BingPreview/1.0b", "Microsoft Office", "curl/8", "GoogleImageProxy", ""])
        for _ in range(20):
            Client(headers={"User-Agent": next(agents)}).get(path, follow=True)
        for _ in range(5):
            scanner = Client(headers={"User-Agent": next(agents)})
            scanner.head(path)
            scanner.head(reverse(RESET))
        scanner.options(path)

        assert facts_about(person) == before
        assert choose(opened(path)).status_code == 302

    def test_shows_no_name_when_it_is_no_good(self, person):
        """TOK-10: expired and used say so and no more."""
        path = link_for(person, timezone.now() - 2 * HOUR)
        browser = Client()
        browser.get(path)
        expired = browser.get(reverse(RESET))
        used_path = link_for(person)
        choose(opened(used_path))
        browser.get(used_path)
        used = browser.get(reverse(RESET))

        assert (expired.status_code, used.status_code) == (410, 410)
        assert "Ce lien n’est plus valable" in expired.content.decode()
        assert "Ce lien a déjà servi" in used.content.decode()
        for page in (expired.content.decode(), used.content.decode()):
            assert not any(told in page for told in (person.login, person.given_name, person.recovery_address))

    def test_expired_mails_another_at_one_click(self, person, mail_delivery):
        """Peers 4: to the address on file, without typing; clicking twice is no dead end."""
        browser = Client()
        browser.get(link_for(person, timezone.now() - 2 * HOUR))

        answers = [browser.post(reverse(NEW_LINK)) for _ in range(2)]

        assert [answer["Location"] for answer in answers] == [reverse(ANSWER)] * 2
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {person.recovery_address}
        assert choose(opened(link_in(mails[0]))).status_code == 302

    def test_asking_for_another_ends_no_session(self, person):
        browser = browser_of(person)
        browser.get(link_for(person, timezone.now() - 2 * HOUR))

        browser.post(reverse(NEW_LINK))

        assert is_signed_in(browser)

    def test_asking_for_another_out_of_nowhere_leads_to_the_form(self, client, mail_delivery):
        assert client.post(reverse(NEW_LINK))["Location"] == reverse(PAGE)
        assert client.get(reverse(NEW_LINK)).status_code == 405
        assert mail_delivery.deliver() == []

    def test_of_another_account_changes_that_one_alone(self, person):
        """TOK-02: and two halves of two good links are no link."""
        other = active_account()
        one, two = (link_for(somebody).split("/")[-2] for somebody in (person, other))

        assert Client().get(reverse(LINK, args=[one[:54] + two[54:]])).status_code == 404
        choose(opened(link_for(other)))
        assert fresh(person).check_password(A_GOOD_PASSWORD)
        assert fresh(other).check_password(NEW_PASSWORD)

    def test_of_any_shape_is_no_error_of_ours(self):
        """F7: the TOKEN pack."""
        for token in TOKEN:
            assert Client().get(f"/reinitialisation/{token}/").status_code in (301, 302, 400, 404), token[:30]

    def test_cannot_be_guessed(self, client):
        """TOK-10: the 31st bad one in a minute waits; a good one elsewhere works."""
        statuses = [client.get(reverse(LINK, args=["A" * 97])).status_code for _ in range(31)]

        assert statuses == [404] * 30 + [429]
        assert opened(link_for(active_account()), Client(REMOTE_ADDR="198.51.100.77"))


class TestWhatKillsALink:
    def change_the_password(self, person: Account) -> None:
        browser_of(person).post(
            reverse("account-password"), {"current_password": A_GOOD_PASSWORD, "password": NEW_PASSWORD}
        )

    def use_another_link(self, person: Account) -> None:
        choose(opened(link_for(person)))

    def change_the_recovery_address(self, person: Account) -> None:
        change_to(person)

    def lock(self, person: Account) -> None:
        lock_account(account=person, reason=LockReason.PHISHING)

    def lock_and_release(self, person: Account) -> None:
        """As an agent does: the old password is gone; and even if it were not."""
        lock_account(account=person, reason=LockReason.PHISHING)
        Lock.objects.update(released_at=timezone.now(), **PROVEN)

    def leave(self, person: Account) -> None:
        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))

    def lose_the_password(self, person: Account) -> None:
        Account.objects.filter(pk=person.pk).update(password="!")
        assert fresh(person).state == State.TO_REACTIVATE

    KILLERS = (
        ("change_the_password", 410),
        ("use_another_link", 410),
        ("change_the_recovery_address", 404),
        ("lock", 410),
        ("lock_and_release", 404),
        ("leave", 404),
        ("lose_the_password", 404),
    )

    @pytest.mark.parametrize(("event", "status"), KILLERS)
    def test_before_it_is_opened(self, person, event, status):
        """TOK-07: issue, trigger, open: refused."""
        path = link_for(person)
        getattr(self, event)(person)
        before = fresh(person).password
        browser = Client()

        first = browser.get(path)

        assert choose(browser).status_code == status
        assert first.status_code in (302, 404)
        assert fresh(person).password == before

    @pytest.mark.parametrize(("event", "status"), KILLERS)
    def test_while_its_form_is_open(self, person, event, status):
        """TOK-07"""
        browser = opened(link_for(person))
        getattr(self, event)(person)
        before = fresh(person).password

        answer = choose(browser)

        assert answer.status_code == status
        assert fresh(person).password == before
        assert browser.get(reverse(RESET)).status_code == status

    def test_a_mail_that_waited_is_not_sent_to_somebody_locked_meanwhile(self, client, mail_delivery, person):
        """HLP-02: the mail was asked for before the lock; what arrives is the word of the lock alone."""
        client.post(reverse(PAGE), {"login": person.login})
        assert answer_link_request(request_id=LinkRequest.objects.get().pk).kind == Kind.PASSWORD_RESET
        lock_account(account=person, reason=LockReason.PHISHING)

        mails = mail_delivery.deliver()

        assert Message.objects.get(kind=Kind.PASSWORD_RESET).status == Status.CANCELLED
        assert not any("/reinitialisation/" in text_of(mail) for mail in mails)

    def test_a_resend_is_none_of_it(self, client, mail_delivery, person):
        """TOK-07, D2: anybody can ask for one."""
        path = link_for(person)
        for _ in range(5):
            client.post(reverse(PAGE), {"login": person.login})
        mail_delivery.deliver()

        assert choose(opened(path)).status_code == 302


class TestANewPassword:
    def test_signs_nobody_in_and_everybody_out(self, person):
        """PWD-06, SES-05: whoever was signed in as this person signs in again, in this browser too."""
        devices = [browser_of(person), browser_of(person)]
        browser = opened(link_for(person), browser_of(person))

        choose(browser)

        assert not any(map(is_signed_in, [*devices, browser]))
        assert not Session.objects.filter(account=person).exists()
        assert browser.get(reverse(DONE)).status_code == 200

    def test_leaves_whoever_else_is_signed_in_here(self, person):
        browser = opened(link_for(person), browser_of(active_account()))

        choose(browser)

        assert is_signed_in(browser)

    def test_cannot_be_chosen_twice(self, person):
        """TOK-07: a second click, the back button and the link again say that it has been used, and where to go."""
        path = link_for(person)
        browser = opened(path)
        choose(browser)

        again, page = choose(browser, CANARY), browser.get(reverse(RESET))
        browser.get(path)

        assert (again.status_code, page.status_code, browser.get(reverse(RESET)).status_code) == (410, 410, 410)
        assert "Ce lien a déjà servi" in again.content.decode()
        assert reverse("login") in again.content.decode()
        assert fresh(person).check_password(NEW_PASSWORD)
        assert person.journal.filter(event=Event.PASSWORD_RESET).count() == 1

    def test_is_told_to_every_address_on_file(self, person, mail_delivery):
        """PWD-06: with a way to say it was not me, and nothing secret."""
        choose(opened(link_for(person)))
        mails = mail_delivery.deliver()

        assert {mail["To"] for mail in mails} == {person.recovery_address, person.login}
        entry = person.journal.get(event=Event.PASSWORD_RESET)
        for mail in mails:
            assert NEW_PASSWORD not in str(mail)
            assert not_me_link.open(link_in(mail).split("/")[-2]).subject_id == entry.pk

    def test_forgets_the_failures_counted_against_the_person(self, person):
        """ENU-07: the person guessed, gave up, chose another one, and signs in with it from the same place at once."""
        client = {"REMOTE_ADDR": "198.51.100.20"}
        for _ in range(5):
            signs_in(person, "pas-le-bon", **client)
        for _ in range(100):
            FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        assert not signs_in(person, A_GOOD_PASSWORD, **client)

        choose(opened(link_for(person), Client(**client)))

        assert signs_in(person, NEW_PASSWORD, **client)
        assert signs_in(person, NEW_PASSWORD, REMOTE_ADDR="203.0.113.20")
        assert signs_in(person, NEW_PASSWORD, REMOTE_ADDR="203.0.113.21")

    def test_that_is_not_saved_forgets_no_failure(self, person, monkeypatch):
        """ENU-07"""

        def full(**kwargs: object) -> None:
            raise OSError("disk full")

        for _ in range(100):
            FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        monkeypatch.setattr("accounts.passwords.services.notify_change", full)
        browser = opened(link_for(person), Client(raise_request_exception=False))

        assert choose(browser).status_code == 500
        assert not FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        assert fresh(person).check_password(A_GOOD_PASSWORD)

    def test_follows_every_rule(self, person):
        """PWD-03, peers 16: as in the wizard; the page with the form again, what was typed not shown."""
        browser = opened(link_for(person))
        Account.objects.filter(pk=person.pk).update(ine="0123456789A", family_name="Kermadec")
        own = ["le train du 29/02/1984", "0123456789a train bleu", "kermadec et le train"]
        for value in [*(value for value, wanted in PASSWORD_PACK if wanted.startswith("refuse")), *own]:
            answer = choose(browser, value)

            assert answer.status_code in (200, 400), value[:30]
            assert value not in answer.content.decode() or value in person.recovery_address, value[:30]
        assert fresh(person).check_password(A_GOOD_PASSWORD)
        assert choose(browser).status_code == 302

    @pytest.mark.parametrize(("length", "status"), [(14, 200), (15, 302), (256, 302), (257, 200), (900_000, 200)])
    def test_may_be_long_but_not_endless(self, person, length, status):
        """PWD-01, PWD-02"""
        words = "x7Q-mot ouvert-9z lune"
        long = (words * (length // len(words) + 1))[:length]

        assert choose(opened(link_for(person)), long).status_code == status
        assert fresh(person).check_password(A_GOOD_PASSWORD) == (status == 200)

    @pytest.mark.parametrize(("chosen", "typed"), [("NFC", "NFD"), ("NFD", "NFC")])
    def test_is_the_same_in_both_spellings_of_an_accent(self, person, chosen, typed):
        """PWD-04"""
        accented = "Éléphant-été-violet"
        choose(opened(link_for(person)), unicodedata.normalize(chosen, accented))

        assert signs_in(person, unicodedata.normalize(typed, accented))

    def test_is_nowhere_but_in_its_hash(self, person, mail_delivery, caplog):
        """PWD-08"""
        caplog.set_level(logging.DEBUG)
        browser = opened(link_for(person))
        pages = [choose(browser, CANARY[:14]), choose(browser, CANARY, password2="x"), choose(browser, CANARY)]
        mails = mail_delivery.deliver()

        assert fresh(person).check_password(CANARY)
        told = [page.content.decode() for page in pages] + [str(mail) for mail in mails]
        told += [caplog.text, everything_stored(), str(dict(browser.session))]
        assert not any(CANARY[:12] in text for text in told)

    @pytest.mark.parametrize("name", [PAGE, RESET, NEW_LINK])
    def test_takes_a_form_of_ours(self, person, name):
        """SES-07"""
        browser = Client(enforce_csrf_checks=True)
        browser.get(link_for(person))

        assert browser.post(reverse(name), {"login": person.login, "password": NEW_PASSWORD}).status_code == 403
        assert fresh(person).check_password(A_GOOD_PASSWORD)
        assert not LinkRequest.objects.exists()

    def test_a_form_left_open_behind_one_link_does_not_answer_for_another_person(self, person):
        """SES-03: the CSRF token changes with the person; a newer link of the same person leaves it alone."""
        browser, other = Client(enforce_csrf_checks=True), active_account()
        browser.get(link_for(person))
        form = {"csrfmiddlewaretoken": csrf_of(browser.get(reverse(RESET)).content.decode()), "password": NEW_PASSWORD}

        browser.get(link_for(other))
        for_the_other = browser.post(reverse(RESET), form)
        browser.get(link_for(person))
        page = browser.get(reverse(RESET)).content.decode()
        browser.get(link_for(person, timezone.now() - timedelta(minutes=1)))
        for_the_person = browser.post(reverse(RESET), {**form, "csrfmiddlewaretoken": csrf_of(page)})

        assert for_the_other.status_code == 403
        assert fresh(other).check_password(A_GOOD_PASSWORD)
        assert for_the_person.status_code == 302
        assert fresh(person).check_password(NEW_PASSWORD)

    def test_takes_nothing_else_from_the_form(self, person):
        """INP: extra fields."""
        choose(opened(link_for(person)), is_staff="1", is_superuser="1", account="1", recovery_address="a@evil.example")

        account = fresh(person)
        assert account.check_password(NEW_PASSWORD)
        assert not account.is_staff
        assert account.recovery_address == person.recovery_address


@pytest.mark.django_db(transaction=True)
class TestAtTheSameInstant:
    def test_two_browsers_that_post_one_link_make_one_change(self):
        """TOK-07: exactly one wins; its password is stored; one entry, one set of notices."""
        words = ("une-phrase-du-bureau-bleu", "une-phrase-du-train-orange")
        for _ in range(ROUNDS):
            person = active_account()
            path = link_for(person)
            browsers = [opened(path), opened(path)]

            answers = at_once(lambda: choose(browsers[0], words[0]), lambda: choose(browsers[1], words[1]))

            assert sorted(answer.status_code for answer in answers) == [302, 410]
            winner = [answer.status_code for answer in answers].index(302)
            assert fresh(person).check_password(words[winner])
            assert person.journal.filter(event=Event.PASSWORD_RESET).count() == 1
            assert Message.objects.filter(person=person, kind=Kind.PASSWORD_CHANGED).count() == 2

    def test_a_double_click_is_one_change(self):
        """TOK-07: two POSTs of one session; the second is told that it has been done."""
        for _ in range(ROUNDS // 2):
            person = active_account()
            browser, second = opened(link_for(person)), Client()
            second.cookies = browser.cookies.copy()

            answers = at_once(lambda: choose(browser), lambda: choose(second))

            assert sorted(answer.status_code for answer in answers) == [302, 410]
            assert person.journal.filter(event=Event.PASSWORD_RESET).count() == 1

    @pytest.mark.parametrize("event", ["lock", "change_the_recovery_address", "leave"])
    def test_what_kills_the_link_while_the_answer_waits_for_the_account(self, event):
        """TOK-07: the form was good when it was sent; the link is dead when it is its turn."""
        person = active_account()
        browser = opened(link_for(person))

        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                Account.objects.select_for_update(of=("self",)).get(pk=person.pk)
                sent = threads.submit(lambda: (choose(browser), connection.close())[0])
                wait_until_somebody_waits_for_us()
                getattr(TestWhatKillsALink(), event)(person)
            answer = sent.result(timeout=10)

        assert answer.status_code in (404, 410)
        assert fresh(person).check_password(A_GOOD_PASSWORD)


def test_no_page_names_the_host_of_the_request(client, mail_delivery, person):
    """TOK-08"""
    client.post(reverse(PAGE), {"login": person.login}, headers={"x-forwarded-host": "evil.example"})

    mail = text_of(mail_delivery.last_mail())
    assert "evil" not in mail
    assert f"{portal.PORTAL_URL}/reinitialisation/" in mail
