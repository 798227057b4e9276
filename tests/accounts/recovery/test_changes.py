"""Change of the recovery address by its owner (HLP-07)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import RecoveryAddressChange
from accounts.recovery.changes import SameAddress, request_recovery_change
from accounts.recovery.mail_quota import MAILS_OF_A_PERSON_PER_HOUR, MailQuotaExceeded
from journal.events import Event
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import NEW, ask, change_to, confirm, recipients, reset_mail_recipients, wish
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, reloaded
from tests.mail_delivery import link_in, text_of
from tests.signing_in import browser_of, stolen_cookie_of

pytestmark = pytest.mark.django_db

OTHER = "encore.une@exemple.org"
PASSWORD_FIELD = 'name="current_password"'
RESEND, CANCEL = "account-recovery-resend", "account-recovery-cancel"


def page(browser: Client) -> str:
    return browser.get(reverse("account-recovery")).content.decode()


def press(browser: Client, name: str) -> str:
    return browser.post(reverse(name), follow=True).content.decode()


class TestConfirmation:
    def test_links_go_to_the_old_address_until_the_new_one_is_confirmed(self, person, browser, mail_delivery):
        """HLP-07: the owner and the old addresses are notified, the journal records both steps."""
        old, new = person.recovery_address, "NOUVELLE@exemple.org"

        answer = browser.post(reverse("account-recovery"), {"address": f" {NEW.upper()} "}, follow=True)

        assert f"Un e-mail vient de partir vers {new}" in answer.content.decode()
        verification = mail_delivery.last_mail()
        assert verification.envelope.recipients == [new]
        assert reloaded(person).recovery_address == old
        assert reset_mail_recipients(person, mail_delivery) == [old]

        assert confirm(link_in(verification)).status_code == 200

        assert reloaded(person).recovery_address == new
        assert reloaded(person).recovery_address_owner_set_at is not None
        notices = {mail["To"]: mail for mail in mail_delivery.deliver()[2:]}
        assert set(notices) == {old, person.institutional_address}
        assert "Cette adresse-ci ne servira plus." in text_of(notices[old])
        assert "Cette adresse-ci" not in text_of(notices[person.institutional_address])
        assert reset_mail_recipients(person, mail_delivery) == [new]
        requested, changed = person.journal.filter(event__startswith="recovery").order_by("pk")
        assert (requested.event, requested.actor) == (Event.RECOVERY_CHANGE_REQUESTED, person)
        assert (changed.event, changed.actor) == (Event.RECOVERY_ADDRESS_CHANGED, None)
        assert changed.details == {"previous": old, "address": new}

    def test_notices_go_to_the_mailbox_if_there_is_one_and_to_the_old_address_unless_missing_or_disputed(self):
        """TOK-10, FWD-01: mail forwarding keeps its target."""
        disputed = active_account(recovery_address_disputed_at=timezone.now())
        without, student = active_account(recovery_address=""), active_account(category="student")
        for person, notified in (
            (disputed, disputed.institutional_address),
            (without, without.institutional_address),
            (student, student.recovery_address),
        ):
            change_to(person, f"{person.uid}@exemple.org")
            assert recipients(kind=Kind.RECOVERY_CHANGED, person=person) == [notified]
            assert reloaded(person).can_be_mailed
        forwarding = active_account()
        change_redirection(account=forwarding, target=forwarding.recovery_address, keep_copy=True)
        change_to(forwarding)
        redirection = reloaded(forwarding).redirection
        assert (redirection.target, redirection.is_waiting) == (forwarding.recovery_address, False)


class TestReauthentication:
    def test_a_stolen_cookie_changes_nothing_and_the_typed_address_stays(self, person):
        """SES-08: wrong passwords are recorded and limited as on the login page."""
        thief = stolen_cookie_of(person)
        html = ask(thief).content.decode()
        assert PASSWORD_FIELD in html
        assert f'value="{NEW}"' in html
        for spelling in ("corrected", "kept"):
            assert ask(thief, "camille@gmial.com", spelling=spelling).status_code == 200
        wrong = [ask(thief, current_password="faux") for _ in range(6)]
        assert [one.status_code for one in wrong] == [200] * 5 + [429]
        assert int(wrong[-1]["Retry-After"]) > 0
        assert f'value="{NEW}"' in wrong[-1].content.decode()
        assert Event.SIGN_IN_FAILED in events_of(person)
        assert not RecoveryAddressChange.objects.exists()
        assert not Message.objects.exists()

    def test_the_password_is_asked_again_after_five_minutes_and_only_once(self, person):
        """SES-08"""
        with time_machine.travel(datetime(2026, 6, 10, 8, tzinfo=UTC), tick=False) as clock:
            browser = browser_of(person)
            clock.shift(299)
            assert PASSWORD_FIELD not in page(browser)
            clock.shift(1)
            assert PASSWORD_FIELD in page(browser)
            assert ask(browser).status_code == 200
            answer = ask(browser, "camille@univ-exemple.fr", current_password=A_GOOD_PASSWORD)
            assert PASSWORD_FIELD not in answer.content.decode()
            assert ask(browser).status_code == 302


class TestWhichAddresses:
    def test_the_form_and_the_service_refuse_what_the_policy_refuses(self, person, browser):
        """FWD-02, INP-03, INP-06: another spelling of the present address does not help."""
        with pytest.raises(SameAddress):
            request_recovery_change(account=person, address=person.recovery_address)
        for address, sentence in {
            "pas une adresse": "Erreur",
            "camille@labo.univ-exemple.fr": "L’adresse de secours doit être une adresse extérieure à l’université",
            person.recovery_address.replace("exemple.net", "EXEMPLE.NET"): "C’est déjà votre adresse de secours",
        }.items():
            answer = ask(browser, address)
            assert answer.status_code == 200
            assert sentence in answer.content.decode(), address
        assert not RecoveryAddressChange.objects.exists()
        assert not Message.objects.exists()
        ask(browser, account=str(active_account().pk), is_staff="1", confirmed_at="2026-01-01")
        change = RecoveryAddressChange.objects.get()
        assert (change.account, change.confirmed_at, reloaded(person).is_staff) == (person, None, False)

    def test_a_probable_typo_is_asked_about_and_the_user_decides(self, person, browser):
        answer = ask(browser, "camille@gmial.com").content.decode()
        for words in ("Avez-vous voulu écrire camille@gmail.com\N{NO-BREAK SPACE}?", "Garder l’adresse saisie"):
            assert words in answer
        assert not RecoveryAddressChange.objects.exists()
        assert ask(browser, "camille@gmial.com", spelling="corrected").status_code == 302
        assert RecoveryAddressChange.objects.waiting().get(account=person).new_address == "camille@gmail.com"
        assert ask(browser, "camille@gmial.com", spelling="kept").status_code == 302
        assert RecoveryAddressChange.objects.waiting().get(account=person).new_address == "camille@gmial.com"
        answer = ask(browser, "camille@gmail,com").content.decode()
        assert "Utiliser camille@gmail.com" in answer
        assert "Garder l’adresse saisie" not in answer
        assert ask(browser, "camille@gmail,com", spelling="kept").status_code == 200


class TestWhilePending:
    def test_the_page_shows_the_address_the_deadline_and_a_failed_delivery(self, person, browser, mail_delivery):
        ask(browser)
        mail_delivery.deliver()
        html = page(browser)
        for words in ("attend votre clic", NEW, "23\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}59"):
            assert words in html
        for status in (Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP):
            Message.objects.update(status=status)
            assert "L’e-mail n’a pas pu être remis à cette adresse." in page(browser)
        Message.objects.update(status=Status.SENT, deadline=timezone.now() - timedelta(days=3))
        RecoveryAddressChange.objects.update(asked_at=timezone.now() - timedelta(days=4))
        assert "a expiré le" in page(browser)

    def test_another_address_or_a_cancellation_kills_the_link_for_good(self, person, browser, mail_delivery):
        """HLP-07: even when it is open; requesting the first address again does not revive its link."""
        ask(browser)
        first, elsewhere = link_in(mail_delivery.last_mail()), Client()
        elsewhere.get(first)
        assert elsewhere.get(reverse("recovery-address")).status_code == 200
        ask(browser, OTHER)
        assert confirm(first).status_code == 404
        for _ in range(2):
            assert "Votre adresse de secours reste inchangée." in press(browser, CANCEL)
        entries = person.journal.filter(event=Event.RECOVERY_CHANGE_CANCELLED)
        assert list(entries.values_list("actor", flat=True)) == [person.pk] * 2
        assert "attend votre clic" not in page(browser)

        assert elsewhere.post(reverse("recovery-address")).status_code == 404
        assert confirm(link_in(mail_delivery.last_mail())).status_code == 404
        ask(browser)
        assert confirm(first).status_code == 404
        assert reloaded(person).recovery_address == person.recovery_address
        assert confirm(link_in(mail_delivery.last_mail())).status_code == 200
        assert reloaded(person).recovery_address == NEW

    def test_the_buttons_act_for_the_account_of_the_session_only(self, browser):
        """ADM-01"""
        ask(browser)
        stranger = browser_of(active_account())
        press(stranger, CANCEL)
        assert "Aucune adresse n’attend de vérification." in press(stranger, RESEND)
        assert RecoveryAddressChange.objects.waiting().count() == Message.objects.count() == 1


class TestMailQuota:
    """ENU-05"""

    def test_one_mail_a_minute_and_three_an_hour(self, person):
        """ENU-05: the page says from when another one can be requested."""
        with time_machine.travel(datetime(2026, 6, 10, 8, 0, 30, tzinfo=UTC), tick=False) as clock:
            browser = browser_of(person)
            ask(browser)
            said = press(browser, RESEND)
            assert "Vous pourrez en demander un autre à 10\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}02." in said
            assert Message.objects.count() == 1
            for _ in range(2):
                clock.shift(60)
                assert "Un nouvel e-mail vient de partir." in press(browser, RESEND)
            clock.shift(60)
            said = press(browser, RESEND)
            assert "Vous pourrez en demander un autre à 11\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}01." in said
            assert ask(browser).status_code == 200
            assert Message.objects.count() == 3
            clock.shift(timedelta(minutes=57, seconds=30))
            press(browser_of(person), RESEND)
        assert recipients(kind=Kind.RECOVERY_VERIFICATION) == [NEW] * 4

    def test_the_same_address_again_is_one_change_and_every_mailed_link_works(self, person, mail_delivery):
        with time_machine.travel(timezone.now()) as clock:
            change = wish(person)
            first = link_in(mail_delivery.last_mail())
            with pytest.raises(MailQuotaExceeded):
                wish(person)
            clock.shift(61)
            wish(person)
            mail_delivery.deliver()
            assert recipients(kind=Kind.RECOVERY_VERIFICATION) == [NEW, NEW]
            assert confirm(first).status_code == 200
        assert RecoveryAddressChange.objects.get() == change

    def test_one_address_gets_three_mails_however_it_is_spelled_and_by_whom(self):
        """ENU-05"""
        spellings = ["nouvelle@université.fr", "NOUVELLE@UNIVERSITÉ.FR", "Nouvelle@xn--universit-j4a.fr"]
        spellings += ["nouvellE@université.fr", "nouvelle@université.fr"]
        answers = [ask(browser_of(active_account()), spelling) for spelling in spellings]
        assert [one.status_code for one in answers] == [302, 302, 302, 200, 200]
        assert "Vous pourrez en demander un autre" in answers[-1].content.decode()
        assert f'value="{spellings[-1]}"' in answers[-1].content.decode()
        assert len(recipients(kind=Kind.RECOVERY_VERIFICATION)) == 3

    def test_one_account_cannot_mail_many_strangers_and_keeps_its_pending_change(self, person, browser):
        """ENU-05"""
        for _ in range(3):
            wish(active_account(), OTHER)
        ask(browser)
        assert ask(browser, OTHER).status_code == 200
        assert RecoveryAddressChange.objects.waiting().get(account=person).new_address == NEW
        assert Event.RECOVERY_CHANGE_CANCELLED not in events_of(person)
        for number in range(20):
            ask(browser, f"inconnu{number}@exemple.org")
        assert len(recipients(kind=Kind.RECOVERY_VERIFICATION, person=person)) == MAILS_OF_A_PERSON_PER_HOUR
