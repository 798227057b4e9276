"""Another recovery address: asked for with the password, proven by its reader, told to the old one (HLP-07)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.links.base import InvalidLink, LinkExpired, LinkUsed
from accounts.links.links import not_me_link, password_reset_link, recovery_address_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.passwords.services import change_password
from accounts.recovery.changes import (
    SameAddress,
    cancel_recovery_change,
    confirm_recovery_change,
    request_recovery_change,
    resend_recovery_verification,
)
from accounts.recovery.mail_quota import MAILS_OF_A_PERSON_PER_HOUR, MailQuotaExceeded
from accounts.services import AccountNotActive
from activation.links import activation_link
from journal.events import Event
from mailrouting.links import redirection_link
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import (
    NEW,
    ask,
    at_once,
    browser_of,
    change_to,
    confirm,
    fingerprint_of,
    fresh,
    link_of,
    stolen_cookie_of,
    wish,
)
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import EMAIL, TOKEN
from tests.locking import PROVEN
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

OTHER = "encore.une@exemple.org"
PASSWORD_FIELD = 'name="current_password"'


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture
def browser(person) -> Client:
    return browser_of(person)


def page(browser: Client) -> str:
    return browser.get(reverse("account-recovery")).content.decode()


def forget_the_password(person: Account, postman) -> list[str]:
    """Who is mailed when somebody asks for a new password."""
    before = len(postman.deliver())
    Client().post(reverse("forgotten-password"), {"login": person.login})
    return [mail["To"] for mail in postman.deliver()[before:]]


def events_of(person: Account) -> list[str]:
    return [entry.event for entry in person.journal.order_by("pk")]


def mails(kind: Kind, **facts) -> list[str]:
    return list(Message.objects.filter(kind=kind, **facts).order_by("pk").values_list("address", flat=True))


def released(person: Account) -> None:
    """An agent has released the lock, and the person has chosen a password again."""
    Lock.objects.filter(account=person, released_at=None).update(released_at=timezone.now(), **PROVEN)


class TestTheWholeWay:
    def test_the_old_address_gets_links_until_the_new_one_is_confirmed_then_only_the_new_one(self, person, postman):
        """HLP-07"""
        old = person.recovery_address
        browser = browser_of(person)

        answer = browser.post(reverse("account-recovery"), {"address": f" {NEW.upper()} "}, follow=True)

        asked_for = "NOUVELLE@exemple.org"
        assert f"Un e-mail vient de partir vers {asked_for}" in answer.content.decode()
        verification = postman.last_mail()
        assert verification.envelope.recipients == [asked_for]
        assert fresh(person).recovery_address == old
        assert forget_the_password(person, postman) == [old]

        assert confirm(link_in(verification)).status_code == 200

        assert fresh(person).recovery_address == asked_for
        assert forget_the_password(person, postman) == [asked_for]

    def test_everybody_concerned_is_told_and_the_journal_knows(self, person, browser, postman):
        """HLP-07, peers 19: the old address and the mailbox, never the new one; who, what, when."""
        old = person.recovery_address
        ask(browser)
        [verification] = postman.deliver()
        confirm(link_in(verification))

        notices = postman.deliver()[1:]

        assert sorted(mail["To"] for mail in notices) == sorted([old, person.institutional_address])
        assert {mail["Subject"] for mail in notices} == {"Votre adresse de secours a changé"}
        assert "Cette adresse-ci ne servira plus." in text_of(next(mail for mail in notices if mail["To"] == old))
        assert "Cette adresse-ci" not in text_of(next(mail for mail in notices if mail["To"] != old))
        requested, changed = person.journal.filter(event__startswith="recovery").order_by("pk")
        assert (requested.event, requested.actor, requested.details["address"]) == (
            Event.RECOVERY_CHANGE_REQUESTED,
            person,
            NEW,
        )
        assert (changed.event, changed.actor) == (Event.RECOVERY_ADDRESS_CHANGED, None)
        assert changed.details == {"previous": old, "address": NEW}

    def test_somebody_without_an_address_adds_one(self, postman):
        person = active_account(recovery_address="")
        browser = browser_of(person)
        assert "Sans adresse de secours" in page(browser)

        ask(browser)
        confirm(link_in(postman.last_mail()))

        assert fresh(person).recovery_address == NEW
        assert mails(Kind.RECOVERY_CHANGED) == [person.institutional_address]

    def test_a_person_without_mailbox_is_told_at_the_old_address(self):
        person = active_account(category="student")
        change_to(person)

        assert mails(Kind.RECOVERY_CHANGED) == [person.recovery_address]

    def test_an_address_that_somebody_has_said_is_theirs_is_not_told(self, person):
        """TOK-10: it may be a stranger's."""
        Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())
        change_to(person)

        assert mails(Kind.RECOVERY_CHANGED) == [person.institutional_address]
        assert fresh(person).can_be_mailed

    def test_what_the_person_has_chosen_is_marked_as_theirs(self, person):
        """The HR file may correct only what nobody else had a say on."""
        change_to(person)

        assert fresh(person).recovery_address_owner_set_at is not None

    def test_mail_forwarded_to_the_old_address_goes_on_and_the_new_one_is_no_target(self, person):
        """FWD-01"""
        change_redirection(account=person, target=person.recovery_address, keep_copy=True)
        change_to(person)

        redirection = fresh(person).redirection
        assert (redirection.target, redirection.is_waiting) == (person.recovery_address, False)


class TestThePassword:
    def test_a_stolen_cookie_alone_changes_nothing_and_what_was_typed_stays(self, person):
        """SES-08"""
        thief = stolen_cookie_of(person)

        answer = ask(thief)

        assert answer.status_code == 200
        assert PASSWORD_FIELD in answer.content.decode()
        assert f'value="{NEW}"' in answer.content.decode()
        assert not RecoveryAddressChange.objects.exists()
        assert not Message.objects.exists()
        assert ask(thief, current_password="faux").status_code == 200
        assert not RecoveryAddressChange.objects.exists()
        assert Event.SIGN_IN_FAILED in events_of(person)
        assert ask(thief, current_password=A_GOOD_PASSWORD).status_code == 302
        assert RecoveryAddressChange.objects.get().new_address == NEW

    def test_it_is_asked_again_five_minutes_later(self, person):
        """SES-08"""
        with time_machine.travel(datetime(2026, 6, 10, 8, tzinfo=UTC), tick=False) as clock:
            browser = browser_of(person)
            clock.shift(299)
            assert PASSWORD_FIELD not in page(browser)
            clock.shift(1)
            assert PASSWORD_FIELD in page(browser)
            assert ask(browser).status_code == 200
        assert not RecoveryAddressChange.objects.exists()

    def test_a_right_password_is_not_asked_again_because_the_address_is_wrong(self, person):
        browser = stolen_cookie_of(person)

        answer = ask(browser, "camille@univ-exemple.fr", current_password=A_GOOD_PASSWORD)

        assert PASSWORD_FIELD not in answer.content.decode()
        assert ask(browser).status_code == 302

    def test_wrong_ones_are_slowed_with_those_of_the_sign_in(self, person):
        """SES-08, ENU-07"""
        thief = stolen_cookie_of(person)
        answers = [ask(thief, current_password="faux") for _ in range(6)]

        assert [one.status_code for one in answers] == [200] * 5 + [429]
        assert int(answers[-1]["Retry-After"]) > 0
        assert f'value="{NEW}"' in answers[-1].content.decode()


class TestWhichAddresses:
    @pytest.mark.parametrize(("address", "wanted"), EMAIL)
    def test_the_pack(self, settings, person, browser, address, wanted):
        """FWD-02, INP-03, EML-03: refused in words, or kept in one safe spelling; never an error of ours."""
        settings.UNIVERSITY_DOMAINS = ["univ-exemple.fr", "univ-x.fr"]
        answer = ask(browser, address)

        asked = RecoveryAddressChange.objects.filter(account=person).first()
        assert answer.status_code == (302 if asked else 200)
        if wanted.startswith("accept"):
            assert asked
        if (
            wanted.startswith("refuse")
            and "punycode" not in wanted
            and "canonicalise" not in wanted
            and "inert" not in wanted
        ):
            assert asked is None
        if "domain: refuse" in wanted:
            assert asked is None
        if asked:
            assert asked.new_address.isascii()
            assert "univ-x.fr" not in asked.new_address
        else:
            assert not Message.objects.exists()
            assert "Erreur" in answer.content.decode()

    @pytest.mark.parametrize(
        "address",
        [
            "camille@univ-exemple.fr",
            "camille@labo.univ-exemple.fr",
            "camille@UNIV-EXEMPLE.FR",
            "camille@univ-exemple\u3002fr",
        ],
    )
    def test_the_universitys_own_are_refused_in_any_spelling(self, browser, address):
        """FWD-02, peers 23: a mailbox that one cannot open helps nobody."""
        answer = ask(browser, address)

        assert answer.status_code == 200
        assert "L’adresse de secours doit être une adresse extérieure à l’université" in answer.content.decode()

    def test_the_present_one_is_refused_in_any_spelling(self, person, browser):
        answer = ask(browser, person.recovery_address.replace("exemple.net", "EXEMPLE.NET"))

        assert "C’est déjà votre adresse de secours" in answer.content.decode()
        assert not RecoveryAddressChange.objects.exists()

    def test_one_that_has_just_become_the_present_one_is_refused_too(self, person, browser, monkeypatch):
        """The click in the mail and this form, at once."""
        monkeypatch.setattr("accounts.forms.same_address", lambda one, other: False)

        answer = ask(browser, person.recovery_address)

        assert answer.status_code == 200
        assert "C’est déjà votre adresse de secours" in answer.content.decode()
        with pytest.raises(SameAddress):
            request_recovery_change(account=person, address=person.recovery_address)

    def test_a_slip_is_asked_about_and_the_person_decides(self, person, browser):
        """Peers 8, 9: whoever reads a mistyped address could take the account over."""
        answer = ask(browser, "camille@gmial.com").content.decode()
        assert "Avez-vous voulu écrire camille@gmail.com\N{NO-BREAK SPACE}?" in answer
        assert "Utiliser camille@gmail.com" in answer
        assert "Garder l’adresse saisie" in answer
        assert not RecoveryAddressChange.objects.exists()

        assert ask(browser, "camille@gmial.com", spelling="corrected").status_code == 302
        assert RecoveryAddressChange.objects.waiting().get().new_address == "camille@gmail.com"

        assert ask(browser, "camille@gmial.com", spelling="kept").status_code == 302
        assert RecoveryAddressChange.objects.waiting().get().new_address == "camille@gmial.com"

    def test_what_is_no_address_can_be_corrected_but_not_kept(self, browser):
        answer = ask(browser, "camille@gmail,com").content.decode()
        assert "Utiliser camille@gmail.com" in answer
        assert "Garder l’adresse saisie" not in answer

        assert ask(browser, "camille@gmail,com", spelling="kept").status_code == 200
        assert ask(browser, "camille@gmail,com", spelling="corrected").status_code == 302

    def test_the_corrected_spelling_is_no_way_to_the_present_one(self):
        person = active_account(recovery_address="camille@gmail.com")

        answer = ask(browser_of(person), "camille@gmial.com", spelling="corrected")

        assert "C’est déjà votre adresse de secours" in answer.content.decode()

    def test_the_question_about_the_spelling_is_no_way_around_the_password(self, person):
        """SES-08"""
        for spelling in ("corrected", "kept"):
            assert ask(stolen_cookie_of(person), "camille@gmial.com", spelling=spelling).status_code == 200
        assert not RecoveryAddressChange.objects.exists()

    def test_only_the_address_is_taken_from_the_form(self, person, browser):
        """§17: extra fields."""
        other = active_account()
        ask(browser, account=str(other.pk), recovery_address="a@evil.example", is_staff="1", confirmed_at="2026-01-01")

        assert RecoveryAddressChange.objects.get().account == person
        assert RecoveryAddressChange.objects.get().confirmed_at is None
        assert not fresh(person).is_staff


class TestWhileItWaits:
    def test_the_page_says_where_and_until_when(self, browser, postman):
        ask(browser)
        postman.deliver()

        html = page(browser)

        assert "attend votre clic" in html
        assert NEW in html
        assert "23\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}59" in html
        assert "En attendant, votre adresse actuelle reste en place." in html

    def test_the_page_says_when_the_link_has_expired(self, person):
        with time_machine.travel(timezone.now() - timedelta(days=4)):
            wish(person)
        Message.objects.update(deadline=timezone.now() - timedelta(days=3))

        assert "a expiré le" in page(browser_of(person))

    @pytest.mark.parametrize("status", [Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP])
    def test_the_page_says_when_the_mail_did_not_arrive(self, browser, status):
        """Peers 10"""
        ask(browser)
        Message.objects.update(status=status)

        assert "L’e-mail n’a pas pu être remis à cette adresse." in page(browser)

    def test_another_address_kills_the_first_link(self, person, browser, postman):
        """HLP-07, peers 8 and 14: the old link must not stay good for whoever owns the mistyped mailbox."""
        ask(browser)
        first = link_in(postman.last_mail())
        ask(browser, OTHER)
        second = link_in(postman.last_mail())

        assert confirm(first).status_code == 404
        assert fresh(person).recovery_address == person.recovery_address
        assert confirm(second).status_code == 200
        assert fresh(person).recovery_address == OTHER

    def test_going_back_to_the_first_address_does_not_revive_its_link(self, person, browser, postman):
        """Peers 14"""
        ask(browser)
        first = link_in(postman.last_mail())
        ask(browser, OTHER)
        ask(browser)

        assert confirm(first).status_code == 404
        assert fresh(person).recovery_address == person.recovery_address
        assert confirm(link_in(postman.last_mail())).status_code == 200

    def test_cancelling_kills_the_link_and_twice_is_once(self, person, browser, postman):
        """HLP-07"""
        ask(browser)
        link = link_in(postman.last_mail())
        for _ in range(2):
            answer = browser.post(reverse("account-recovery-cancel"), follow=True)
            assert "Votre adresse de secours reste inchangée." in answer.content.decode()

        assert confirm(link).status_code == 404
        assert fresh(person).recovery_address == person.recovery_address
        [entry] = person.journal.filter(event=Event.RECOVERY_CHANGE_CANCELLED)
        assert entry.actor == person
        assert "attend votre clic" not in page(browser)

    def test_a_link_in_hand_when_the_wish_is_cancelled_does_nothing(self, person, browser, postman):
        """The page with the button is open already."""
        ask(browser)
        elsewhere = Client()
        elsewhere.get(link_in(postman.last_mail()))
        assert elsewhere.get(reverse("recovery-address")).status_code == 200
        browser.post(reverse("account-recovery-cancel"))

        assert elsewhere.post(reverse("recovery-address")).status_code == 404
        assert fresh(person).recovery_address == person.recovery_address

    @pytest.mark.parametrize("name", ["account-recovery-resend", "account-recovery-cancel"])
    def test_its_buttons_take_a_post_of_somebody_signed_in(self, person, browser, name):
        """SES-07, ADM-01"""
        ask(browser)
        assert browser.get(reverse(name)).status_code == 405
        assert Client().post(reverse(name)).status_code == 302
        guarded = Client(enforce_csrf_checks=True)
        guarded.force_login(person)
        assert guarded.post(reverse(name)).status_code == 403
        assert RecoveryAddressChange.objects.waiting().count() == Message.objects.count() == 1

    @pytest.mark.parametrize("name", ["account-recovery-resend", "account-recovery-cancel"])
    def test_the_wish_of_another_person_is_out_of_reach(self, person, name):
        """ADM-01: IDOR."""
        wish(active_account())
        browser_of(person).post(reverse(name))

        assert RecoveryAddressChange.objects.waiting().count() == Message.objects.count() == 1


class TestHowManyMails:
    def test_not_twice_in_a_minute_then_again_and_three_in_an_hour(self, person):
        """ENU-05: from when it can be asked for again is said, to a minute in which it works."""
        resend = reverse("account-recovery-resend")
        with time_machine.travel(datetime(2026, 6, 10, 8, 0, 30, tzinfo=UTC), tick=False) as clock:
            browser = browser_of(person)
            ask(browser)
            said = browser.post(resend, follow=True).content.decode()
            assert "Vous pourrez en demander un autre à 10\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}02." in said
            assert Message.objects.count() == 1
            for _ in range(2):
                clock.shift(60)
                assert "Un nouvel e-mail vient de partir." in browser.post(resend, follow=True).content.decode()
            clock.shift(60)
            said = browser.post(resend, follow=True).content.decode()
            assert "Vous pourrez en demander un autre à 11\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}01." in said
            assert ask(browser).status_code == 200
            assert Message.objects.count() == 3
            clock.shift(timedelta(minutes=57, seconds=30))
            browser_of(person).post(resend)
        assert mails(Kind.RECOVERY_VERIFICATION) == [NEW] * 4

    def test_every_mailed_link_works(self, person, postman):
        """D2: people click the mail they find; another mail kills no link."""
        with time_machine.travel(timezone.now()) as clock:
            change = wish(person)
            first = link_in(postman.last_mail())
            clock.shift(61)
            resend_recovery_verification(account=person)
            postman.deliver()
            assert confirm(first).status_code == 200
        change.refresh_from_db()
        assert change.confirmed_at is not None

    def test_asking_for_the_same_address_again_mails_it_again_and_is_one_wish(self, person):
        with time_machine.travel(timezone.now()) as clock:
            wish(person)
            with pytest.raises(MailQuotaExceeded):
                wish(person)
            clock.shift(61)
            wish(person)
        assert RecoveryAddressChange.objects.count() == 1
        assert mails(Kind.RECOVERY_VERIFICATION) == [NEW, NEW]

    def test_five_people_who_name_one_address_make_three_mails(self):
        """ENU-05: per destination, whoever asks and however they spell it; the others are told from when they can ask."""
        spellings = ["nouvelle@université.fr", "NOUVELLE@UNIVERSITÉ.FR", "Nouvelle@xn--universit-j4a.fr"]
        spellings += ["nouvellE@université.fr", "nouvelle@université.fr"]
        answers = [ask(browser_of(active_account()), spelling) for spelling in spellings]

        assert [one.status_code for one in answers] == [302, 302, 302, 200, 200]
        assert "Vous pourrez en demander un autre" in answers[-1].content.decode()
        assert f'value="{spellings[-1]}"' in answers[-1].content.decode()
        assert {address.lower() for address in mails(Kind.RECOVERY_VERIFICATION)} == {"nouvelle@xn--universit-j4a.fr"}
        assert len(mails(Kind.RECOVERY_VERIFICATION)) == 3

    def test_one_person_cannot_bother_a_hundred_strangers(self, person, browser):
        """ENU-05: per person, wherever the mails go."""
        for number in range(20):
            ask(browser, f"inconnu{number}@exemple.org")

        assert len(mails(Kind.RECOVERY_VERIFICATION)) == MAILS_OF_A_PERSON_PER_HOUR

    def test_an_address_that_cannot_be_asked_leaves_the_wish_before_it_in_place(self, person, browser):
        for _ in range(3):
            wish(active_account(), OTHER)
        ask(browser)

        assert ask(browser, OTHER).status_code == 200
        assert RecoveryAddressChange.objects.waiting().get(account=person).new_address == NEW
        assert Event.RECOVERY_CHANGE_CANCELLED not in events_of(person)

    def test_nothing_is_mailed_when_nothing_waits(self, person, browser):
        answer = browser.post(reverse("account-recovery-resend"), follow=True)

        assert "Aucune adresse n’attend de vérification." in answer.content.decode()
        with pytest.raises(RecoveryAddressChange.DoesNotExist):
            resend_recovery_verification(account=person)
        assert not Message.objects.exists()


class TestTheLink:
    def test_scanners_change_nothing(self, person):
        """TOK-06"""
        change = wish(person)
        link = link_of(change)
        for agent in ("BingPreview", "Mimecast", "Safe Links", "curl", "Googlebot", ""):
            scanner = Client(headers={"user-agent": agent})
            for _ in range(4):
                scanner.get(link, follow=True)
            scanner.head(link, follow=True)
            scanner.options(link)
        before = (person.recovery_address, None, None)

        change.refresh_from_db()
        assert (fresh(person).recovery_address, change.confirmed_at, change.cancelled_at) == before
        assert confirm(link).status_code == 200

    def test_it_works_on_another_device_signs_nobody_in_and_shows_the_address_alone(self, person):
        """HLP-07, FWD-01, TOK-09, peers 12: it may be a stranger's device."""
        elsewhere = Client()
        answer = elsewhere.get(link_of(wish(person)))
        assert (answer.status_code, answer["Location"]) == (302, reverse("recovery-address"))
        assert answer["Referrer-Policy"] == "no-referrer"
        asked = elsewhere.get(reverse("recovery-address")).content.decode()
        done = elsewhere.post(reverse("recovery-address")).content.decode()

        assert NEW in asked
        for html in (asked, done):
            for told in (person.given_name, person.family_name, person.login, person.uid, person.recovery_address):
                assert told not in html
        assert elsewhere.get(reverse("account")).status_code == 302

    def test_whoever_is_signed_in_there_stays_so(self, person):
        somebody = active_account()
        browser = browser_of(somebody)

        assert confirm(link_of(wish(person)), browser).status_code == 200
        assert somebody.login in browser.get(reverse("account")).content.decode()
        assert fresh(somebody).recovery_address == somebody.recovery_address

    def test_used_says_so(self, person):
        """Design §4"""
        link = link_of(wish(person))
        assert confirm(link).status_code == 200

        answer = Client().get(link, follow=True)

        assert answer.status_code == 410
        assert "Cette adresse est déjà confirmée" in answer.content.decode()
        assert confirm(link).status_code == 410
        assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1

    @pytest.mark.parametrize(
        ("built_at", "last_second"),
        [
            ("2026-06-10 10:00", "2026-06-11 21:59:59"),
            ("2026-03-28 09:00", "2026-03-29 21:59:59"),
            ("2026-03-28 23:30", "2026-03-30 21:59:59"),
            ("2026-10-24 08:00", "2026-10-25 22:59:59"),
            ("2026-10-25 00:30", "2026-10-26 22:59:59"),
        ],
    )
    def test_it_is_good_until_the_end_of_the_next_day(self, person, built_at, last_second):
        """TOK-03, TOK-04, EML-04"""
        with time_machine.travel(datetime.fromisoformat(f"{built_at}Z"), tick=False) as clock:
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            change = wish(person)
            link = link_of(change)
            clock.move_to(datetime.fromisoformat(f"{last_second}Z") + timedelta(seconds=1), tick=False)
            late = confirm(link)
            assert late.status_code == 410
            assert "Il a expiré le" in late.content.decode()
            clock.move_to(datetime.fromisoformat(f"{last_second}Z"), tick=False)
            assert confirm(link).status_code == 200

    def test_a_form_opened_in_time_and_sent_too_late_does_nothing(self, person):
        """TOK-03"""
        with time_machine.travel(datetime(2026, 6, 10, 8, tzinfo=UTC), tick=False) as clock:
            browser, link = Client(), link_of(wish(person))
            clock.move_to(datetime(2026, 6, 11, 21, 59, 59, tzinfo=UTC), tick=False)
            browser.get(link)
            clock.shift(1)
            assert browser.post(reverse("recovery-address")).status_code == 410
        assert fresh(person).recovery_address == person.recovery_address

    @pytest.mark.parametrize("event", ["locked", "released", "password", "cancelled", "closed", "corrected"])
    def test_what_kills_it(self, person, event):
        """TOK-07, HLP-01, HLP-02"""
        change = wish(person)
        link, fingerprint = link_of(change), fingerprint_of(change)
        if event in ("locked", "released"):
            lock_account(account=person, reason=LockReason.PHISHING)
        if event == "released":
            released(person)
        if event == "password":
            change_password(account=person, password="une autre phrase de passe")
        if event == "cancelled":
            cancel_recovery_change(account=person)
        if event == "closed":
            Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))
        if event == "corrected":
            Account.objects.filter(pk=person.pk).update(recovery_address="corrigee@exemple.net")
        before = fresh(person).recovery_address

        assert confirm(link).status_code == (410 if event == "locked" else 404)
        with pytest.raises((AccountNotActive, InvalidLink)):
            confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint)
        assert fresh(person).recovery_address == before
        assert not mails(Kind.RECOVERY_CHANGED)

    def test_a_change_of_password_gives_the_wish_up_and_the_owner_makes_it_anew(self, person):
        """HLP-07: an intruder's wish is not left on the page for the owner to press « Renvoyer »."""
        change = wish(person)
        change_password(account=person, password="une autre phrase de passe")

        change.refresh_from_db()
        assert change.cancelled_at is not None
        with pytest.raises(RecoveryAddressChange.DoesNotExist):
            resend_recovery_verification(account=fresh(person))
        again = request_recovery_change(account=fresh(person), address="une.autre@exemple.org")
        assert confirm(link_of(again)).status_code == 200

    def test_a_mail_asked_for_before_the_password_changed_is_not_sent(self, person, postman):
        """TOK-07: whoever asked for it may be the reason why the owner took another password."""
        wish(person)
        change_password(account=person, password="une autre phrase de passe")
        postman.deliver()

        assert Message.objects.get(kind=Kind.RECOVERY_VERIFICATION).status == Status.CANCELLED

    @pytest.mark.parametrize("event", ["locked", "cancelled", "confirmed"])
    def test_a_mail_with_nothing_to_ask_any_more_is_not_sent(self, person, postman, event):
        change = wish(person)
        if event == "locked":
            lock_account(account=person, reason=LockReason.PHISHING)
        if event == "cancelled":
            cancel_recovery_change(account=person)
        if event == "confirmed":
            confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint_of(change))
        postman.deliver()

        assert Message.objects.get(kind=Kind.RECOVERY_VERIFICATION).status == Status.CANCELLED

    def test_a_token_of_another_purpose_or_account_opens_nothing(self, person):
        """TOK-02"""
        change = wish(person)
        deadline = recovery_address_link.deadline(timezone.now())
        tokens = [
            activation_link.token(person, deadline, change.pk),
            redirection_link.token(person, deadline, change.pk),
            not_me_link.token(person, deadline, person.journal.latest("pk").pk),
            password_reset_link.token(person, deadline, change.pk),
            recovery_address_link.token(person, deadline + timedelta(days=9), change.pk),
        ]
        for token in tokens:
            assert Client().get(reverse("recovery-address-link", args=[token])).status_code == 404
        for account, change_id in ((active_account(), change.pk), (person, change.pk + 1)):
            with pytest.raises(InvalidLink):
                recovery_address_link.token(account, deadline, change_id)

    def test_a_token_that_was_tampered_with_opens_nothing(self, person):
        """TOK-02: each character counts."""
        link = link_of(wish(person))
        prefix, token = link[: -len("/" + "x" * 97 + "/") + 1], link.strip("/").rpartition("/")[2]
        for place in range(0, len(token) - 1, 7):
            changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            assert Client(REMOTE_ADDR=f"203.0.113.{place}").get(f"{prefix}{changed}/").status_code == 404

    @pytest.mark.parametrize("token", TOKEN)
    def test_nothing_in_its_place_is_an_error_of_ours(self, person, token):
        """§17: TOKEN pack; TOK-11."""
        valid = link_of(wish(person)).strip("/").rpartition("/")[2]
        made_up = {"VALID[:-1]": valid[:-1], "VALID+x": f"{valid}x", "VALID.swapcase()": valid.swapcase()}
        token = made_up.get(token, token.replace("VALID", valid))

        answer = Client().get(f"/adresse-de-secours/{token}/", follow=True)

        assert answer.status_code in (200, 404, 410)

    def test_the_page_opened_by_itself_says_what_to_check(self):
        assert Client().get(reverse("recovery-address")).status_code == 404
        assert Client().post(reverse("recovery-address")).status_code == 404


class TestWhileLocked:
    def test_nothing_can_be_asked_for(self, person):
        """HLP-07: impossible while locked."""
        change = wish(person)
        lock_account(account=person, reason=LockReason.PHISHING)
        for act in (
            lambda: request_recovery_change(account=person, address=OTHER),
            lambda: resend_recovery_verification(account=person),
            lambda: cancel_recovery_change(account=person),
            lambda: confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint_of(change)),
        ):
            with pytest.raises(AccountNotActive):
                act()

    @pytest.mark.parametrize("name", ["account-recovery", "account-recovery-resend", "account-recovery-cancel"])
    def test_a_lock_that_comes_during_the_request_leads_to_the_help(self, person, browser, monkeypatch, name):
        """HLP-01"""
        ask(browser)
        from accounts.recovery import changes as recovery

        held = recovery.lock_active_account

        def locked_just_now(account: Account) -> Account:
            Lock.objects.get_or_create(account=account, released_at=None, defaults={"reason": LockReason.PHISHING})
            return held(account)

        monkeypatch.setattr(recovery, "lock_active_account", locked_just_now)
        answer = browser.post(reverse(name), {"address": OTHER})

        assert answer.status_code == 302
        assert RecoveryAddressChange.objects.get().new_address == NEW


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_two_clicks_put_it_in_force_once(self):
        """TOK-07: one change, one entry, one set of notices."""
        for round_ in range(6):
            person = active_account()
            change = wish(person, f"nouvelle{round_}@exemple.org")
            fingerprint = fingerprint_of(change)

            def click(change=change, fingerprint=fingerprint):
                return confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint)

            got = at_once(click, click, click)

            assert sorted(type(one).__name__ for one in got) == ["LinkUsed", "LinkUsed", "RecoveryAddressChange"]
            assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
            assert len(mails(Kind.RECOVERY_CHANGED, person=person)) == 2
            assert fresh(person).recovery_address == change.new_address

    def test_a_click_and_another_wish(self):
        """One of them comes first, and the other finds what it left."""
        for round_ in range(6):
            person = active_account()
            change = wish(person, f"nouvelle{round_}@exemple.org")
            fingerprint = fingerprint_of(change)

            confirmed, _other = at_once(
                lambda change=change, fingerprint=fingerprint: confirm_recovery_change(
                    change_id=change.pk, fingerprint=fingerprint
                ),
                lambda person=person, round_=round_: wish(person, f"encore{round_}@exemple.org"),
            )

            change.refresh_from_db()
            won = isinstance(confirmed, RecoveryAddressChange)
            assert won or isinstance(confirmed, InvalidLink)
            assert (change.confirmed_at is not None, change.cancelled_at is not None) == (won, not won)
            assert fresh(person).recovery_address == (change.new_address if won else person.recovery_address)
            waiting = RecoveryAddressChange.objects.waiting().get(account=person)
            assert waiting.new_address == f"encore{round_}@exemple.org"

    @pytest.mark.parametrize("act", ["password", "lock"])
    def test_a_click_and_what_kills_the_link(self, act):
        """TOK-07, HLP-01: never both in the wrong order."""
        for round_ in range(4):
            person = active_account()
            change = wish(person, f"nouvelle{round_}@exemple.org")
            fingerprint = fingerprint_of(change)
            kill = {
                "password": lambda person=person: change_password(account=person, password="une autre phrase"),
                "lock": lambda person=person: lock_account(account=person, reason=LockReason.PHISHING),
            }[act]

            confirmed, _killed = at_once(
                lambda change=change, fingerprint=fingerprint: confirm_recovery_change(
                    change_id=change.pk, fingerprint=fingerprint
                ),
                kill,
            )

            events = events_of(person)
            if isinstance(confirmed, RecoveryAddressChange):
                killer = Event.PASSWORD_CHANGED if act == "password" else Event.LOCKED
                assert events.index(Event.RECOVERY_ADDRESS_CHANGED) < events.index(killer)
            else:
                assert isinstance(confirmed, InvalidLink | AccountNotActive)
                assert fresh(person).recovery_address == person.recovery_address
                assert not mails(Kind.RECOVERY_CHANGED, person=person)

    def test_two_wishes_leave_one(self):
        """A double click: the database allows one wish at a time."""
        for round_ in range(4):
            person = active_account()
            at_once(
                lambda person=person, round_=round_: wish(person, f"une{round_}@exemple.org"),
                lambda person=person, round_=round_: wish(person, f"autre{round_}@exemple.org"),
            )
            assert RecoveryAddressChange.objects.waiting().filter(account=person).count() == 1


def test_used_expired_and_not_valid_are_told_apart_by_the_link_itself(person):
    """TOK-10"""
    change = wish(person)
    token = link_of(change).strip("/").rpartition("/")[2]
    assert recovery_address_link.open(token).subject_id == change.pk
    with pytest.raises(LinkExpired):
        recovery_address_link.open(token, now=timezone.now() + timedelta(days=2))
    confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint_of(change))
    with pytest.raises(LinkUsed):
        recovery_address_link.open(token)
