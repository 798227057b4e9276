"""The link that confirms a change of the recovery address: validity, locks, concurrent clicks (HLP-07)."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.links.account_links import not_me_link, password_reset_link, recovery_address_link
from accounts.links.signed_link import InvalidLink, LinkExpired, LinkUsed
from accounts.locking.lock import lock_account
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
from activation.links import activation_link
from journal.events import Event
from mailrouting.links import redirection_link
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import (
    NEW,
    at_once,
    browser_of,
    confirm,
    fingerprint_of,
    fresh,
    link_of,
    wish,
)
from tests.factories import active_account
from tests.locking import PROVEN

pytestmark = pytest.mark.django_db

OTHER = "encore.une@exemple.org"
RESEND, CANCEL = "account-recovery-resend", "account-recovery-cancel"


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


def events_of(person: Account) -> list[str]:
    return [entry.event for entry in person.journal.order_by("pk")]


def mails(kind: Kind, **facts) -> list[str]:
    return list(Message.objects.filter(kind=kind, **facts).order_by("pk").values_list("address", flat=True))


def requested_address(person: Account) -> str | None:
    return RecoveryAddressChange.objects.waiting().filter(account=person).values_list("new_address", flat=True).first()


class TestLink:
    def test_scanners_change_nothing(self, person):
        """TOK-06"""
        change = wish(person)
        link = link_of(change)
        for agent in ("BingPreview", "Mimecast", "curl", ""):
            scanner = Client(headers={"user-agent": agent})
            for _ in range(2):
                scanner.get(link, follow=True)
            scanner.head(link, follow=True)
            scanner.options(link)

        change.refresh_from_db()
        assert (change.confirmed_at, change.cancelled_at) == (None, None)
        assert fresh(person).recovery_address == person.recovery_address
        assert confirm(link).status_code == 200

    def test_it_works_on_another_device_without_login_and_shows_only_the_address(self, person):
        """HLP-07, FWD-01, TOK-09: a signed-in user there stays signed in."""
        other, elsewhere = active_account(), Client()
        opened = elsewhere.get(link_of(wish(person)))
        assert (opened.status_code, opened["Location"]) == (302, reverse("recovery-address"))
        assert opened["Referrer-Policy"] == "no-referrer"
        asked = elsewhere.get(reverse("recovery-address")).content.decode()
        done = elsewhere.post(reverse("recovery-address")).content.decode()
        assert NEW in asked
        for html in (asked, done):
            for secret in (person.given_name, person.family_name, person.login, person.uid, person.recovery_address):
                assert secret not in html
        assert elsewhere.get(reverse("account")).status_code == 302

        browser = browser_of(other)
        assert confirm(link_of(wish(person, OTHER)), browser).status_code == 200
        assert other.login in browser.get(reverse("account")).content.decode()
        assert fresh(other).recovery_address == other.recovery_address

    def test_a_used_link_says_so(self, person):
        """TOK-10"""
        change = wish(person)
        link, token = link_of(change), link_of(change).strip("/").rpartition("/")[2]
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

    @pytest.mark.parametrize(
        ("built_at", "last_second"),
        [
            ("2026-06-10 10:00", "2026-06-11 21:59:59"),
            ("2026-03-28 23:30", "2026-03-30 21:59:59"),
            ("2026-10-25 00:30", "2026-10-26 22:59:59"),
        ],
    )
    def test_it_is_valid_until_the_end_of_the_next_day(self, person, built_at, last_second):
        """TOK-03, TOK-04, EML-04: also for a form that was opened in time."""
        with time_machine.travel(datetime.fromisoformat(f"{built_at}Z"), tick=False) as clock:
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            link, opened = link_of(wish(person)), Client()
            clock.move_to(datetime.fromisoformat(f"{last_second}Z"), tick=False)
            opened.get(link)
            clock.shift(1)
            assert opened.post(reverse("recovery-address")).status_code == 410
            late = confirm(link)
            assert late.status_code == 410
            assert "Il a expiré le" in late.content.decode()
            assert fresh(person).recovery_address == person.recovery_address
            clock.move_to(datetime.fromisoformat(f"{last_second}Z"), tick=False)
            assert confirm(link).status_code == 200

    @pytest.mark.parametrize("event", ["locked", "unlocked", "password", "cancelled", "closed", "corrected"])
    def test_what_kills_the_link_and_cancels_the_mail(self, person, mail_delivery, event):
        """TOK-07, HLP-01, HLP-02"""
        change = wish(person)
        link, fingerprint = link_of(change), fingerprint_of(change)
        if event in ("locked", "unlocked"):
            lock_account(account=person, reason=LockReason.PHISHING)
        if event == "unlocked":
            Lock.objects.filter(account=person).update(released_at=timezone.now(), **PROVEN)
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
        mail_delivery.deliver()
        is_sent = event in ("unlocked", "corrected")
        status = Message.objects.get(kind=Kind.RECOVERY_VERIFICATION).status
        assert status == (Status.SENT if is_sent else Status.CANCELLED)

    def test_a_change_of_password_cancels_the_change_and_the_owner_can_request_it_again(self, person):
        """HLP-07"""
        change = wish(person)
        change_password(account=person, password="une autre phrase de passe")

        change.refresh_from_db()
        assert change.cancelled_at is not None
        with pytest.raises(RecoveryAddressChange.DoesNotExist):
            resend_recovery_verification(account=fresh(person))
        assert confirm(link_of(wish(person, OTHER))).status_code == 200

    def test_a_forged_token_or_one_of_another_purpose_opens_nothing(self, person):
        """TOK-02"""
        change = wish(person)
        deadline = recovery_address_link.deadline(timezone.now())
        valid = recovery_address_link.token(person, deadline, change.pk)
        tokens = [
            activation_link.token(person, deadline, change.pk),
            redirection_link.token(person, deadline, change.pk),
            not_me_link.token(person, deadline, person.journal.latest("pk").pk),
            password_reset_link.token(person, deadline, change.pk),
            recovery_address_link.token(person, deadline + timedelta(days=9), change.pk),
            *(f"{valid[:n]}{'A' if valid[n] != 'A' else 'B'}{valid[n + 1 :]}" for n in range(0, len(valid) - 1, 7)),
        ]
        for number, token in enumerate(tokens):
            browser = Client(REMOTE_ADDR=f"203.0.113.{number}")
            assert browser.get(reverse("recovery-address-link", args=[token])).status_code == 404, number
        for account, change_id in ((active_account(), change.pk), (person, change.pk + 1)):
            with pytest.raises(InvalidLink):
                recovery_address_link.token(account, deadline, change_id)
        assert Client().get(reverse("recovery-address")).status_code == 404
        assert Client().post(reverse("recovery-address")).status_code == 404


class TestWhileLocked:
    def test_no_act_is_possible(self, person):
        """HLP-07"""
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

    def test_a_lock_during_the_request_redirects_to_help(self, person, monkeypatch):
        """HLP-01"""
        wish(person)
        original = changes.lock_active_account

        def locked_just_now(account: Account) -> Account:
            Lock.objects.get_or_create(account=account, released_at=None, defaults={"reason": LockReason.PHISHING})
            return original(account)

        for name in ("account-recovery", RESEND, CANCEL):
            browser = browser_of(person)
            with monkeypatch.context() as patch:
                patch.setattr(changes, "lock_active_account", locked_just_now)
                assert browser.post(reverse(name), {"address": OTHER}).status_code == 302
            Lock.objects.update(released_at=timezone.now(), **PROVEN)
        assert RecoveryAddressChange.objects.get().new_address == NEW


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_two_clicks_confirm_once(self):
        """TOK-07: one change, one entry, one set of notices."""
        for number in range(4):
            person = active_account()
            change = wish(person, f"nouvelle{number}@exemple.org")
            fingerprint = fingerprint_of(change)

            def click(change=change, fingerprint=fingerprint):
                return confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint)

            results = at_once(click, click, click)

            assert sorted(type(one).__name__ for one in results) == ["LinkUsed", "LinkUsed", "RecoveryAddressChange"]
            assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
            assert len(mails(Kind.RECOVERY_CHANGED, person=person)) == 2
            assert fresh(person).recovery_address == change.new_address

    @pytest.mark.parametrize("act", ["request", "password", "lock"])
    def test_a_click_and_what_kills_the_link(self, act):
        """TOK-07, HLP-01"""
        for number in range(4):
            person = active_account()
            change = wish(person, f"nouvelle{number}@exemple.org")
            fingerprint = fingerprint_of(change)
            kill, killer = {
                "request": (lambda: wish(person, f"encore{number}@exemple.org"), Event.RECOVERY_CHANGE_REQUESTED),
                "password": (lambda: change_password(account=person, password="autre phrase"), Event.PASSWORD_CHANGED),
                "lock": (lambda: lock_account(account=person, reason=LockReason.PHISHING), Event.LOCKED),
            }[act]

            confirmed, _killed = at_once(
                lambda: confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint), kill
            )

            change.refresh_from_db()
            events = events_of(person)[::-1]
            if isinstance(confirmed, RecoveryAddressChange):
                assert events.index(killer) < events.index(Event.RECOVERY_ADDRESS_CHANGED)
                assert (change.confirmed_at is not None, change.cancelled_at) == (True, None)
            else:
                assert isinstance(confirmed, InvalidLink | AccountNotActive)
                assert fresh(person).recovery_address == person.recovery_address
                assert not mails(Kind.RECOVERY_CHANGED, person=person)
            if act == "request":
                assert requested_address(person) == f"encore{number}@exemple.org"

    def test_two_requests_leave_one(self):
        for number in range(3):
            person = active_account()
            at_once(
                lambda: wish(person, f"une{number}@exemple.org"),
                lambda: wish(person, f"autre{number}@exemple.org"),
            )
            assert RecoveryAddressChange.objects.waiting().filter(account=person).count() == 1
