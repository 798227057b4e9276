"""Agents lock an account and resend a link; what holds for each action on an account (HLP-01 to HLP-05, ADM-05, ADM-06)."""

from datetime import datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account, lock_as_agent
from accounts.models import Account, Lock
from accounts.recovery.mail_quota import MailQuotaExceeded
from activation.enums import LinkRequestKind
from activation.resend import resend_link
from activation.services import request_link
from agents.roles import Role
from journal.events import Event
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery.recovering import browser_of
from tests.agents.account_actions import (
    ELSEWHERE,
    a_request_about,
    act_on,
    good_release,
    next_page,
    robbed_person,
    said,
    state_of,
    written_to,
)
from tests.agents.signed_in import an_agent, verified_agent
from tests.factories import active_account, pending_account
from tests.locking import locked_account, reloaded, unlocked_account
from tests.mail_delivery import html_of, link_in, text_of

pytestmark = pytest.mark.django_db

#: A weekday, far from midnight and from changes of the clock.
ONE_MORNING = datetime(2026, 3, 11, 10, 0, tzinfo=ZoneInfo("Europe/Paris"))
ACTIONS = ("lock", "release", "put-back", "resend")


class TestEachAction:
    def test_is_not_for_oneself_nor_for_another_agent(self, agent, browser):
        """ADM-05: by GET and by POST, whatever is sent."""
        other, locked = an_agent(Role.LECTURE), an_agent()
        lock_account(account=locked, reason=LockReason.PHISHING)
        for account in (agent, other, locked):
            before = state_of(account)
            for act in ACTIONS:
                for answer in (
                    browser.get(act_on(act, account)),
                    browser.post(act_on(act, account), good_release(account)),
                    browser.post(act_on(act, account), {}),
                ):
                    assert answer.status_code == 403, act
            assert state_of(account) == before

    def test_is_not_done_by_reading(self, browser):
        """ADM-06: GET never locks, unlocks or resends; but the opening is in the journal."""
        people = [robbed_person(), active_account(), pending_account(), unlocked_account()]
        query = "?reason=phishing&proof=in-person&report=Carte+vue+au+guichet&change=1"
        for person, act in product(people, ACTIONS):
            before, opened = state_of(person), person.journal.filter(event=Event.ACCOUNT_OPENED).count()
            assert browser.get(act_on(act, person) + query).status_code == 200
            assert browser.head(act_on(act, person) + query).status_code == 200
            assert person.journal.filter(event=Event.ACCOUNT_OPENED).count() == opened + 2
            assert state_of(person) == before, act

    def test_takes_a_request_of_that_person_alone(self, browser):
        """ADM-06: an invented request, or one about another account, is not found."""
        others = a_request_about(active_account()).reference
        person = robbed_person()
        before = state_of(person)
        for act, one in product(ACTIONS, (others, "A-22222", "x" * 5000, "a\0b", "' OR 1=1", "-1", "é")):
            for ask in (browser.get, browser.post):
                assert ask(act_on(act, person), query_params={"demande": one}).status_code == 404, (act, one)
        for act in ACTIONS:
            assert browser.get(act_on(act, Account(pk=10**9))).status_code == 404
            assert browser.post(act_on(act, Account(pk=10**9)), {}).status_code == 404
        assert state_of(person) == before

    def test_keeps_the_request_when_the_form_comes_back(self, browser):
        for act in ACTIONS:
            person = pending_account() if act == "resend" else active_account() if act == "lock" else robbed_person()
            one = a_request_about(person)
            page = browser.post(f"{act_on(act, person)}?demande={one.reference}", {})
            assert page.status_code == 200
            assert f"Demande {one.reference}" in said(page)
            # Without an action attribute, a form goes where it came from.
            assert '<form method="post" novalidate' in page.content.decode()


class TestLocking:
    def test_closes_the_sessions_and_mails_the_reason(self, agent, browser, mail_delivery):
        """HLP-01: in the very words that the agent has chosen; the comment is for colleagues."""
        person = active_account()
        signed_in = browser_of(person)
        page = browser.get(act_on("lock", person))
        for reason in LockReason:
            assert str(reason.label) in page.content.decode()
        assert "Autre\N{NO-BREAK SPACE}: contactez la DSIN" in page.content.decode()

        answer = browser.post(act_on("lock", person), {"reason": "fraudulent-site", "comment": "Vu avec le RSSI"})

        assert "Compte bloqué. La personne est prévenue" in next_page(browser, answer)
        assert signed_in.get(reverse("account")).status_code == 302
        kept = Lock.objects.get()
        assert (kept.account, kept.reason, kept.locked_by, kept.comment) == (
            person,
            "fraudulent-site",
            agent,
            "Vu avec le RSSI",
        )
        entry = person.journal.get(event=Event.LOCKED)
        assert (entry.actor, entry.details) == (agent, {"reason": "fraudulent-site"})
        [mail] = mail_delivery.deliver()
        assert mail["To"] == person.recovery_address
        assert "Votre mot de passe a été saisi sur un faux site" in text_of(mail)
        assert "RSSI" not in text_of(mail) + html_of(mail)

    def test_from_a_request_goes_back_to_it_and_keeps_its_number(self, browser):
        """HLP-05: the address of the request gets its acknowledgement alone."""
        person = active_account()
        one = a_request_about(person)
        answer = browser.post(f"{act_on('lock', person)}?demande={one.reference}", {"reason": "at-request"})
        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        details = person.journal.get(event=Event.LOCKED).details
        assert details == {"reason": "at-request", "request": one.pk, "reference": one.reference}
        assert Message.objects.filter(address=ELSEWHERE).count() == 1
        assert written_to(person) == {person.recovery_address}

    def test_says_when_no_mail_can_leave(self, browser):
        unreachable = (
            {"recovery_address": ""},
            {"recovery_address_disputed_at": timezone.now()},
            {"end_date": timezone.localdate() - timedelta(days=9)},
        )
        for facts in unreachable:
            person = active_account(**facts)
            page = browser.get(act_on("lock", person))
            assert "aucun e-mail ne part" in said(page)
            assert "Bloquer et prévenir" not in said(page)
            answer = browser.post(act_on("lock", person), {"reason": "phishing"})
            assert "n’a pas pu être prévenue" in next_page(browser, answer)
            assert person.is_locked
            assert not Message.objects.filter(person=person).exists()

    def test_says_what_is_missing(self, browser):
        person = active_account()
        wrong = [
            ({}, "Choisissez un motif"),
            ({"reason": "parce que"}, "Choisissez un motif de la liste"),
            ({"reason": "phishing", "comment": "x" * 501}, "Le commentaire dépasse 500"),
        ]
        for typed, sentence in wrong:
            assert sentence in said(browser.post(act_on("lock", person), typed))
        assert not person.is_locked

    def test_of_a_locked_account_names_the_other_agent_and_loses_nothing_typed(self, browser):
        """HLP-01: a second lock is a no-op; the person reads the reason of the first."""
        person, other = active_account(), an_agent(given_name="Paul", family_name="Girard")
        lock_as_agent(account=person, agent=other, reason=LockReason.PHISHING)
        before = state_of(person)
        typed = {"reason": "other", "comment": "Elle a tout raconté au téléphone"}
        answer = browser.post(act_on("lock", person), typed)
        assert "Ce compte est déjà bloqué par Paul Girard, depuis le" in said(answer)
        assert typed["comment"] in said(answer)
        assert "Bloquer et prévenir" not in said(answer)
        assert state_of(person) == before

    def test_of_an_erased_account_is_refused_on_the_page(self, browser):
        person = active_account()
        erase_person(account=person)
        page = browser.get(act_on("lock", person))
        assert "il n’y a plus rien à bloquer" in said(page)
        assert "Motif" not in said(page)

    def test_hidden_fields_change_nothing_else(self, agent, browser):
        """ADM-06, INP-06"""
        person = active_account()
        forged = {
            "locked_by": "1",
            "account": "1",
            "is_staff": "1",
            "recovery_address": "a@evil.example",
            "system": "x",
        }
        browser.post(act_on("lock", person), {"reason": "phishing", **forged})
        now = reloaded(person)
        assert (now.is_staff, now.recovery_address, now.password) == (False, person.recovery_address, person.password)
        assert Lock.objects.get().locked_by == agent
        assert person.journal.get(event=Event.LOCKED).details == {"reason": "phishing"}


class TestResending:
    @pytest.mark.parametrize(
        ("make", "kind", "path", "words"),
        [
            (pending_account, Kind.NEW_LINK, "/activation/", "lien d’activation"),
            (unlocked_account, Kind.REACTIVATION, "/reactivation/", "lien de réactivation"),
        ],
        ids=["pending", "released"],
    )
    def test_mails_the_link_that_is_needed_to_the_address_on_file(
        self, agent, browser, mail_delivery, make, kind, path, words
    ):
        """HLP-05: never to the address of a request."""
        with time_machine.travel(timezone.now() - timedelta(hours=2), tick=False):
            person = make()
        one = a_request_about(person)
        mail_delivery.deliver()
        page = browser.get(act_on("resend", person))
        assert f"Renvoyer le {words}" in said(page)
        assert person.recovery_address not in page.content.decode()

        answer = browser.post(f"{act_on('resend', person)}?demande={one.reference}", {"reason": "never-came"})

        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert f"Un nouveau {words} part vers l’adresse de secours" in next_page(browser, answer)
        mail = mail_delivery.last_mail()
        assert mail["To"] == person.recovery_address
        assert link_in(mail).startswith(path)
        assert Message.objects.latest("pk").kind == kind
        entry = person.journal.get(event=Event.LINK_REQUESTED)
        assert entry.actor == agent
        assert entry.details == {"reason": "never-came", "request": one.pk, "reference": one.reference}
        assert Message.objects.filter(address=ELSEWHERE).count() == 1

    def test_is_refused_with_an_explanation(self, browser):
        """HLP-02: a locked account gets no link."""
        yesterday = timezone.localdate() - timedelta(days=1)
        people = [
            (active_account(), "Ce compte est actif : aucun lien n’est à renvoyer"),
            (locked_account(), "Ce compte est bloqué : aucun lien ne peut partir"),
            (pending_account(end_date=yesterday), "Ce compte est fermé"),
            (pending_account(recovery_address=""), "aucune adresse de secours"),
            (pending_account(recovery_address_disputed_at=timezone.now()), "n’est pas celle de la personne"),
        ]
        for person, sentence in people:
            before = state_of(person)
            page = browser.get(act_on("resend", person))
            assert sentence in said(page)
            assert "Renvoyer le lien</button>" not in page.content.decode()
            answer = browser.post(act_on("resend", person), {"reason": "lost"})
            assert answer.status_code == 200
            assert sentence in said(answer)
            assert state_of(person) == before

    def test_needs_a_reason_of_the_list(self, browser):
        person = pending_account()
        for reason in ("", "parce que"):
            assert "Choisissez un motif" in said(browser.post(act_on("resend", person), {"reason": reason}))
        assert not Message.objects.exists()

    def test_waits_a_minute_and_three_times_an_hour_are_enough(self, browser):
        """ENU-05: links asked for by the owner and by agents count; the next allowed time is shown."""
        person = pending_account()
        with time_machine.travel(ONE_MORNING, tick=False) as clock:
            assert resend_now(person) is None
            assert resend_now(person) == ONE_MORNING + timedelta(minutes=1)
            for _ in range(2):
                clock.shift(timedelta(minutes=10))
                assert resend_now(person) is None
            clock.shift(timedelta(minutes=10))
            assert resend_now(person) == ONE_MORNING + timedelta(hours=1)
            clock.shift(timedelta(minutes=30))
            assert resend_now(person) is None

    def test_too_early_says_from_when(self):
        with time_machine.travel(ONE_MORNING, tick=False):
            _agent, browser = verified_agent()
            person = unlocked_account()
            answer = browser.post(act_on("resend", person), {"reason": "lost"})
        assert "Vous pourrez en renvoyer un à 10 h 01" in said(answer).replace("\N{NO-BREAK SPACE}", " ")
        assert Message.objects.filter(person=person, kind=Kind.REACTIVATION).count() == 1

    def test_counts_what_the_person_asked_for(self, mail_delivery):
        """ENU-05"""
        person = pending_account()
        with time_machine.travel(ONE_MORNING, tick=False) as clock:
            for _ in range(3):
                request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
                mail_delivery.deliver()
                clock.shift(timedelta(minutes=2))
            assert resend_now(person) == ONE_MORNING + timedelta(hours=1)

    def test_shows_when_the_last_one_left_and_what_became_of_it(self, browser):
        person = pending_account()
        Message.objects.create(
            kind=Kind.ACTIVATION,
            person=person,
            address=person.recovery_address,
            status=Status.BOUNCED,
            answer=f"550 <{person.recovery_address}> unknown",
            created_at=ONE_MORNING,
        )
        page = browser.get(act_on("resend", person))
        assert "Le 11 mars 2026 à 10 h Refusé par la messagerie du destinataire : 550" in said(page)
        assert "Le dernier e-mail n’est pas arrivé" in said(page)
        assert person.recovery_address not in page.content.decode()


def resend_now(person: Account) -> datetime | None:
    """None when the link leaves, or from when it could."""
    try:
        resend_link(account=person, agent=an_agent(), reason="lost")
    except MailQuotaExceeded as refused:
        return refused.retry_at
    return None
