"""The link that confirms a change of the recovery address (HLP-07)."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links.account_links import recovery_address_link
from accounts.links.signed_link import InvalidLink, LinkExpired, LinkUsed
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.passwords.services import change_password
from accounts.recovery import changes
from accounts.recovery.changes import (
    cancel_recovery_change,
    confirm_recovery_change,
    request_recovery_change,
    resend_recovery_verification,
)
from accounts.services import AccountNotActive
from journal.events import Event
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import (
    NEW,
    close,
    confirm,
    end_lock,
    fingerprint_of,
    link_of,
    lock,
    recipients,
    wish,
)
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of, reloaded
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

OTHER = "encore.une@exemple.org"


def replace_password(person: Account) -> None:
    change_password(account=person, password="une autre phrase de passe")


def lock_and_unlock(person: Account) -> None:
    lock(person)
    end_lock(person)


def correct_address(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(recovery_address="corrigee@exemple.net")


class TestLink:
    def test_scanners_change_nothing_and_a_used_link_says_so(self, person):
        """TOK-06, TOK-10"""
        change = wish(person)
        link = link_of(change)
        token = link.strip("/").rpartition("/")[2]
        for agent in ("BingPreview", ""):
            scanner = Client(headers={"user-agent": agent})
            for look in (scanner.get, scanner.get, scanner.head, scanner.options):
                look(link, follow=True)
        change.refresh_from_db()
        assert (change.confirmed_at, change.cancelled_at) == (None, None)
        assert reloaded(person).recovery_address == person.recovery_address
        assert recovery_address_link.open(token).subject_id == change.pk
        with pytest.raises(LinkExpired):
            recovery_address_link.open(token, now=timezone.now() + timedelta(days=2))

        assert confirm(link).status_code == 200
        with pytest.raises(LinkUsed):
            recovery_address_link.open(token)
        answer = Client().get(link, follow=True)
        assert answer.status_code == confirm(link).status_code == 410
        assert "Cette adresse est déjà confirmée" in answer.content.decode()
        assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1

    def test_it_works_on_another_device_without_login_and_shows_only_the_address(self, person):
        """HLP-07, FWD-01, TOK-09: a signed-in user there stays signed in."""
        other, elsewhere = active_account(), Client()
        opened = elsewhere.get(link_of(wish(person)))
        assert (opened.status_code, opened["Location"]) == (302, reverse("recovery-address"))
        assert opened["Referrer-Policy"] == "no-referrer"
        asked = elsewhere.get(reverse("recovery-address")).content.decode()
        done = elsewhere.post(reverse("recovery-address")).content.decode()
        assert NEW in asked
        secrets = (person.given_name, person.family_name, person.login, person.uid, person.recovery_address)
        assert not [secret for secret in secrets if secret in asked + done]
        assert elsewhere.get(reverse("account")).status_code == 302
        browser = browser_of(other)
        assert confirm(link_of(wish(person, OTHER)), browser).status_code == 200
        assert other.login in browser.get(reverse("account")).content.decode()
        assert reloaded(other).recovery_address == other.recovery_address

    def test_it_is_valid_until_the_end_of_the_next_day(self, person):
        """TOK-03, TOK-04, EML-04: also for a form that was opened in time."""
        start, last_second = map(datetime.fromisoformat, ("2026-03-28T23:30Z", "2026-03-30T21:59:59Z"))
        with time_machine.travel(start, tick=False) as clock:
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            link, opened = link_of(wish(person)), Client()
            clock.move_to(last_second, tick=False)
            opened.get(link)
            clock.shift(1)
            late = confirm(link)
            assert opened.post(reverse("recovery-address")).status_code == late.status_code == 410
            assert "Il a expiré le" in late.content.decode()
            assert reloaded(person).recovery_address == person.recovery_address
            clock.move_to(last_second, tick=False)
            assert confirm(link).status_code == 200

    def test_what_kills_the_link_and_cancels_the_mail(self, mail_delivery):
        """TOK-07, HLP-01, HLP-02"""
        for kill, answer, status in (
            (lock, 410, Status.CANCELLED),
            (lock_and_unlock, 404, Status.SENT),
            (replace_password, 404, Status.CANCELLED),
            (lambda person: cancel_recovery_change(account=person), 404, Status.CANCELLED),
            (close, 404, Status.CANCELLED),
            (correct_address, 404, Status.SENT),
        ):
            person = active_account()
            change = wish(person, f"{person.uid}@exemple.org")
            link, fingerprint = link_of(change), fingerprint_of(change)
            kill(person)
            before = reloaded(person).recovery_address

            assert confirm(link).status_code == answer, kill
            with pytest.raises((AccountNotActive, InvalidLink)):
                confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint)
            assert reloaded(person).recovery_address == before
            mail_delivery.deliver()
            assert person.messages.get(kind=Kind.RECOVERY_VERIFICATION).status == status, kill
        assert not recipients(kind=Kind.RECOVERY_CHANGED)

    def test_a_change_of_password_cancels_the_change_and_the_owner_can_request_it_again(self, person):
        """HLP-07"""
        change = wish(person)
        replace_password(person)
        change.refresh_from_db()
        assert change.cancelled_at is not None
        with pytest.raises(RecoveryAddressChange.DoesNotExist):
            resend_recovery_verification(account=reloaded(person))
        assert confirm(link_of(wish(person, OTHER))).status_code == 200

    def test_it_cannot_be_built_for_another_account_and_its_page_needs_it(self, person):
        """TOK-02"""
        change, deadline = wish(person), recovery_address_link.deadline(timezone.now())
        for account, change_id in ((active_account(), change.pk), (person, change.pk + 1)):
            with pytest.raises(InvalidLink):
                recovery_address_link.token(account, deadline, change_id)
        late = recovery_address_link.token(person, deadline + timedelta(days=9), change.pk)
        for path in (reverse("recovery-address-link", args=[late]), reverse("recovery-address")):
            assert Client().get(path).status_code == Client().post(reverse("recovery-address")).status_code == 404


class TestWhileLocked:
    def test_no_act_is_possible(self, person):
        """HLP-07"""
        change = wish(person)
        lock(person)
        for act in (
            lambda: request_recovery_change(account=person, address=OTHER),
            lambda: resend_recovery_verification(account=person),
            lambda: cancel_recovery_change(account=person),
            lambda: confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint_of(change)),
        ):
            with pytest.raises(AccountNotActive):
                act()

    def test_a_lock_during_the_request_redirects_to_help(self, person, monkeypatch):
        """HLP-01"""
        wish(person)
        original = changes.lock_active_account

        def locked_just_now(account: Account) -> Account:
            Lock.objects.get_or_create(account=account, released_at=None, defaults={"reason": "phishing"})
            return original(account)

        for name in ("account-recovery", "account-recovery-resend", "account-recovery-cancel"):
            browser = browser_of(person)
            with monkeypatch.context() as patch:
                patch.setattr(changes, "lock_active_account", locked_just_now)
                assert browser.post(reverse(name), {"address": OTHER}).status_code == 302
            end_lock(person)
        assert RecoveryAddressChange.objects.get().new_address == NEW


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_clicks_confirm_once_and_requests_leave_one(self):
        """TOK-07: one change, one entry, one set of notices."""
        for number in range(4):
            person = active_account()
            addresses = f"une{number}@exemple.org", f"autre{number}@exemple.org"
            attempted_together(*(lambda address=address: wish(person, address) for address in addresses))
            change = RecoveryAddressChange.objects.waiting().get(account=person)
            fingerprint = fingerprint_of(change)
            results = attempted_together(
                *[lambda: confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint)] * 3
            )
            assert sorted(type(one).__name__ for one in results) == ["LinkUsed", "LinkUsed", "RecoveryAddressChange"]
            assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
            assert len(recipients(kind=Kind.RECOVERY_CHANGED, person=person)) == 2
            assert reloaded(person).recovery_address == change.new_address

    def test_a_click_and_what_kills_the_link(self):
        """TOK-07, HLP-01"""
        for number, (kill, event) in enumerate(
            [
                (lambda person: wish(person, f"encore.{person.uid}@exemple.org"), Event.RECOVERY_CHANGE_REQUESTED),
                (replace_password, Event.PASSWORD_CHANGED),
                (lock, Event.LOCKED),
            ]
            * 3
        ):
            person = active_account()
            change = wish(person, f"nouvelle{number}@exemple.org")
            fingerprint = fingerprint_of(change)

            confirmed, _killed = attempted_together(
                lambda: confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint), lambda: kill(person)
            )

            change.refresh_from_db()
            events = events_of(person)[::-1]
            if isinstance(confirmed, RecoveryAddressChange):
                assert events.index(event) < events.index(Event.RECOVERY_ADDRESS_CHANGED)
                assert (change.confirmed_at is not None, change.cancelled_at) == (True, None)
            else:
                assert isinstance(confirmed, InvalidLink | AccountNotActive)
                assert reloaded(person).recovery_address == person.recovery_address
                assert not Message.objects.filter(kind=Kind.RECOVERY_CHANGED, person=person).exists()
            if event == Event.RECOVERY_CHANGE_REQUESTED:
                waiting = RecoveryAddressChange.objects.waiting().get(account=person)
                assert waiting.new_address.startswith("encore.")
