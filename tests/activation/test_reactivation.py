"""After a lock: the mailed link, what is on file, another password (HLP-05, HLP-06, TOK)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason, State
from accounts.links.signed_link import InvalidLink, LinkExpired
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from activation.links import reactivation_link
from activation.reactivation.services import reactivate
from journal.events import Event
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import at_once
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import PASSWORD as PASSWORD_PACK
from tests.fuzz import TOKEN
from tests.locking import locked_account, reactivation_path, reloaded, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

PAGE, DONE, NEW_LINK = "reactivation", "reactivation-done", "reactivation-new-link"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
ROUNDS = 5


@pytest.fixture
def person() -> Account:
    return unlocked_account()


def opened(path: str, browser: Client | None = None) -> Client:
    browser = browser or Client()
    answer = browser.get(path)
    assert (answer.status_code, answer["Location"]) == (302, reverse(PAGE))
    return browser


def choose(browser: Client, password: str = NEW_PASSWORD, **more: str) -> HttpResponse:
    return browser.post(reverse(PAGE), {"password": password, **more})


def signs_in(person: Account, password: str) -> bool:
    return Client().post(reverse("login"), {"login": person.login, "password": password}).status_code == 302


def facts_about(person: Account) -> list[object]:
    account = Account.objects.filter(pk=person.pk).values().get()
    return [account, list(person.journal.values()), list(Message.objects.filter(person=person).values())]


class TestTheWholeWay:
    def test_from_the_mail_to_the_sign_in(self, mail_delivery):
        """HLP-05, HLP-06: only the new password opens the account, nobody is signed in by the link."""
        person = active_account()
        change_redirection(account=person, target=person.recovery_address, keep_copy=True)
        lock_account(account=person, reason=LockReason.PHISHING)
        unlock(person)
        browser = opened(link_in(mail_delivery.last_mail()))

        page = browser.get(reverse(PAGE)).content.decode()
        answer = choose(browser)

        assert person.recovery_address in page
        assert "Un blocage supprime la redirection" in page
        assert (answer.status_code, answer["Location"]) == (302, reverse(DONE))
        assert browser.get(reverse(DONE)).status_code == 200
        assert browser.get(reverse("account")).status_code == 302
        assert reloaded(person).state == State.ACTIVE
        assert not signs_in(person, A_GOOD_PASSWORD)
        assert signs_in(person, NEW_PASSWORD)
        assert not Redirection.objects.in_force().filter(account=person).exists()

    def test_it_is_in_the_journal_and_both_addresses_are_told(self, person, mail_delivery):
        """PWD-06, LOG-01: with a button for whoever did not do it."""
        mail_delivery.deliver()
        choose(opened(reactivation_path(person)))

        entry = person.journal.latest("pk")
        assert (entry.event, entry.actor) == (Event.USER_REACTIVATED, person)
        notices = mail_delivery.deliver()[-2:]
        assert {mail["To"] for mail in notices} == {person.recovery_address, person.institutional_address}
        assert Client().get(link_in(notices[0]), follow=True).status_code == 200

    def test_only_members_of_staff_are_told_about_a_redirection(self):
        person = unlocked_account(category=Category.STUDENT)

        assert "Redirection" not in opened(reactivation_path(person)).get(reverse(PAGE)).content.decode()

    def test_an_address_that_is_no_longer_theirs_leads_to_assistance(self, person):
        page = opened(reactivation_path(person)).get(reverse(PAGE)).content.decode()

        assert f'<a class="padded-link" href="{reverse("assistance")}">Ce n’est plus la mienne</a>' in page

    def test_the_password_obeys_the_rules_of_all_others(self):
        """PWD-01, PWD-03, PWD-08: refused with a reason and never shown again, or taken."""
        person = unlocked_account(
            institutional_address="jean.dupont@univ-exemple.fr", recovery_address="jean.dupont@exemple.fr"
        )
        browser = opened(reactivation_path(person))
        for value in (value for value, wanted in PASSWORD_PACK if wanted.startswith("refuse")):
            answer = choose(browser, value)

            assert answer.status_code in (200, 400), value[:30]
            assert value not in answer.content.decode() or value == person.recovery_address, value[:30]
        assert reloaded(person).state == State.TO_REACTIVATE
        assert choose(browser, "correct horse battery staple").status_code == 302

    def test_two_passwords_that_differ_are_refused(self, person):
        answer = choose(opened(reactivation_path(person)), password2="une autre phrase de passe")

        assert answer.status_code == 200
        assert reloaded(person).state == State.TO_REACTIVATE

    def test_tries_that_failed_before_count_no_more(self, person):
        """ENU-07: whoever tried the old password five times is not made to wait with the new one."""
        for _ in range(5):
            signs_in(person, A_GOOD_PASSWORD)
        choose(opened(reactivation_path(person)))

        assert signs_in(person, NEW_PASSWORD)


class TestTheLink:
    def test_reading_changes_nothing(self, person):
        """TOK-06: scanners open it, on devices without a cookie."""
        path, before = reactivation_path(person), facts_about(person)
        for method in ("get", "head", "options"):
            for agent in ("Outlook", "curl/8", "Mozilla/5.0 Firefox/130"):
                getattr(Client(headers={"user-agent": agent}), method)(path, follow=True)

        assert facts_about(person) == before
        assert choose(opened(path)).status_code == 302

    def test_the_secret_leaves_the_address_bar_and_stays_nowhere(self, person):
        """TOK-01, TOK-09"""
        path = reactivation_path(person)
        token = path.strip("/").rpartition("/")[2]
        browser = Client()

        answer = browser.get(path)
        page = browser.get(reverse(PAGE))

        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
        assert token not in page.content.decode()
        assert not any(token in session.get_decoded().__repr__() for session in Session.objects.all())

    @pytest.mark.parametrize(
        ("released", "last_second"),
        [
            ("2026-03-28T23:30:00", "2026-03-30T21:59:59"),
            ("2026-10-25T00:30:00", "2026-10-26T22:59:59"),
            ("2026-06-10T10:00:00", "2026-06-11T21:59:59"),
        ],
    )
    def test_it_is_good_until_the_end_of_the_next_day(self, time_machine, released, last_second):
        """TOK-03, TOK-04"""
        person = unlocked_account()
        time_machine.move_to(datetime.fromisoformat(released).replace(tzinfo=UTC), tick=False)
        token = reactivation_link.token(person, reactivation_link.deadline(timezone.now()))
        end = datetime.fromisoformat(last_second).replace(tzinfo=UTC)

        assert reactivation_link.open(token, end).account == person
        with pytest.raises(LinkExpired):
            reactivation_link.open(token, end + timedelta(seconds=1))

    def test_it_works_for_its_account_alone(self, person):
        """TOK-02"""
        token, other = (reactivation_path(one).strip("/").rpartition("/")[2] for one in (person, unlocked_account()))

        with pytest.raises(InvalidLink):
            reactivation_link.open(token[:54] + other[54:])

    def test_a_hostile_one_gets_a_page(self):
        """§17, TOK-10"""
        for token in (one for one in TOKEN if one.strip("/") and " " not in one):
            assert Client().get(f"/reactivation/{token}/", follow=True).status_code == 404, token[:30]

    def test_the_thirty_first_bad_one_of_a_minute_waits(self, person):
        """TOK-10"""
        answers = [Client().get(reverse("reactivation-link", args=["A" * 97])).status_code for _ in range(31)]

        assert answers == [404] * 30 + [429]
        opened(reactivation_path(person), Client(REMOTE_ADDR="192.0.2.7"))

    def test_without_a_link_the_page_says_what_to_check(self):
        assert Client().get(reverse(PAGE)).status_code == 404
        assert choose(Client()).status_code == 404

    def test_no_refused_page_tells_whose_it_was(self, person):
        """TOK-10"""
        expired = reactivation_path(person, timezone.now() - timedelta(days=3))
        for path in (expired, reverse("reactivation-link", args=["abc"])):
            page = Client().get(path, follow=True).content.decode()
            for told in (person.login, person.recovery_address, person.family_name):
                assert told not in page


def lock(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)


def lock_and_release(person: Account) -> None:
    lock(person)
    unlock(person)


def use_another(person: Account) -> None:
    choose(opened(reactivation_path(person)))


def leave(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def correct_the_address(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(recovery_address="correcte@exemple.net")


def dispute_the_address(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())


KILLERS = {
    lock: 410,
    lock_and_release: 404,
    use_another: 410,
    leave: 404,
    correct_the_address: 404,
    dispute_the_address: 404,
}


class TestWhatKillsTheLink:
    @pytest.mark.parametrize(("kill", "status"), KILLERS.items())
    def test_before_and_after_it_was_opened(self, person, kill, status):
        """TOK-07, HLP-01, HLP-02: nothing is set by a link that was overtaken."""
        path = reactivation_path(person)
        browser = opened(path)
        kill(person)
        before = reloaded(person).password

        assert choose(browser).status_code == status
        assert Client().get(path, follow=True).status_code == status
        assert reloaded(person).password == before

    def test_another_one_asked_for_does_not(self, person):
        """TOK-07, D2"""
        path = reactivation_path(person)
        for _ in range(5):
            Client().post(reverse("forgotten-password"), {"login": person.login})

        assert choose(opened(path)).status_code == 302

    def test_a_mail_that_waited_is_not_sent_to_somebody_locked_again(self, person, mail_delivery):
        """HLP-02"""
        lock(person)
        mail_delivery.deliver()

        statuses = Message.objects.filter(kind=Kind.REACTIVATION).values_list("status", flat=True)
        assert list(statuses) == [Status.CANCELLED]

    def test_a_used_one_says_where_to_sign_in(self, person):
        path = reactivation_path(person)
        use_another(person)
        page = Client().get(path, follow=True)

        assert page.status_code == 410
        assert f'href="{reverse("login")}"' in page.content.decode()


class TestAnotherLink:
    def test_the_page_of_an_expired_one_gives_it_with_one_button(self, person, mail_delivery):
        mail_delivery.deliver()
        browser = opened(reactivation_path(person, timezone.now() - timedelta(days=3)))
        page = browser.get(reverse(PAGE))
        assert page.status_code == 410
        assert f'action="{reverse(NEW_LINK)}"' in page.content.decode()

        answer = browser.post(reverse(NEW_LINK))

        assert answer.status_code == 302
        assert choose(opened(mail_delivery.last_link())).status_code == 302

    def test_somebody_locked_again_is_told_in_the_mail_not_on_the_page(self, person, mail_delivery):
        """HLP-02, ENU-01"""
        path = reactivation_path(person)
        lock(person)
        browser = Client()
        page = browser.get(path, follow=True).content.decode()
        mail_delivery.deliver()

        browser.post(reverse(NEW_LINK))
        mail = mail_delivery.last_mail()

        assert "bloqué" not in page.replace(reverse("locked-help"), "")
        assert Message.objects.latest("pk").kind == Kind.LOCKED
        assert "/reactivation/" not in text_of(mail)

    def test_without_a_link_in_the_session_one_types_the_login(self):
        assert Client().post(reverse(NEW_LINK))["Location"] == reverse("first-connection")

    @pytest.mark.parametrize("page", ["forgotten-password", "first-connection"])
    def test_both_pages_that_ask_for_a_link_send_it(self, person, mail_delivery, page):
        """HLP-05: to the address on file, three an hour."""
        mail_delivery.deliver()
        for _ in range(5):
            Client().post(reverse(page), {"login": person.login})
        mail_delivery.deliver()

        sent = Message.objects.filter(kind=Kind.REACTIVATION)
        assert {message.address for message in sent} == {person.recovery_address}
        assert len(sent) == 3
        assert choose(opened(mail_delivery.last_link())).status_code == 302

    @pytest.mark.parametrize("page", ["forgotten-password", "first-connection"])
    def test_they_unlock_nobody(self, mail_delivery, page):
        """HLP-02: no link, and the account stays locked."""
        person = locked_account()
        mail_delivery.deliver()

        Client().post(reverse(page), {"login": person.login})
        mail_delivery.deliver()

        assert reloaded(person).state == State.LOCKED
        assert not Message.objects.filter(kind__in=[Kind.REACTIVATION, Kind.PASSWORD_RESET]).exists()


class TestAtTheSameTime:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_of_two_answers_one_counts(self):
        """TOK-07: one password, one entry, one pair of notices."""
        for _ in range(ROUNDS):
            person = unlocked_account()
            token = reactivation_link.token(person, reactivation_link.deadline(timezone.now()))
            payload = reactivation_link.read(token)
            passwords = ("une phrase du bureau bleu", "une phrase du bureau vert")

            answered = at_once(
                *[
                    lambda password=password, payload=payload: reactivate(payload=payload, password=password)
                    for password in passwords
                ]
            )

            assert sorted(type(one).__name__ for one in answered) == ["Account", "LinkUsed"]
            winner = passwords[[type(one) for one in answered].index(Account)]
            assert reloaded(person).check_password(winner)
            assert person.journal.filter(event=Event.USER_REACTIVATED).count() == 1
            assert Message.objects.filter(person=person, kind=Kind.PASSWORD_CHANGED).count() == 2

    def test_a_lock_that_meets_an_answer_wins(self):
        """HLP-01: whichever came first, the account is locked and no session is open."""
        for _ in range(ROUNDS):
            person = unlocked_account()
            payload = reactivation_link.read(reactivation_path(person).strip("/").rpartition("/")[2])

            answered, _locked = at_once(
                lambda payload=payload: reactivate(payload=payload, password=NEW_PASSWORD),
                lambda person=person: lock(person),
            )

            assert isinstance(answered, Account | LinkExpired), answered
            assert reloaded(person).state == State.LOCKED
