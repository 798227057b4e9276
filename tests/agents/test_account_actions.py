"""Agents lock an account and resend a link; what holds for each action on an account (HLP-01 to HLP-05)."""

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
from tests.agents.account_actions import (
    ELSEWHERE,
    a_request_about,
    act_on,
    good_release,
    robbed_person,
    state_of,
    written_to,
)
from tests.agents.screens import follow, visible_text
from tests.agents.signed_in import an_agent, verified_agent
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account, reloaded
from tests.locking import locked_account, unlocked_account
from tests.mail_delivery import html_of, link_in, text_of
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

#: A weekday, far from midnight and from changes of the clock.
ONE_MORNING = datetime(2026, 3, 11, 10, 0, tzinfo=ZoneInfo("Europe/Paris"))
ACTIONS = ("lock", "release", "put-back", "resend")


class TestEachAction:
    def test_is_not_for_oneself_nor_for_another_agent(self, agent, browser):
        """ADM-05: by GET and by POST, whatever is sent."""
        other, locked = an_agent(Role.LECTURE), an_agent()
        lock_account(account=locked, reason=LockReason.PHISHING)
        for account, act in product((agent, other, locked), ACTIONS):
            before, address = state_of(account), act_on(act, account)
            forms = good_release(account), {}
            answers = [browser.get(address), *(browser.post(address, form) for form in forms)]
            assert {answer.status_code for answer in answers} == {403}, act
            assert state_of(account) == before

    def test_is_not_done_by_reading_but_the_opening_is_in_the_journal(self, browser):
        """ADM-06"""
        people = [robbed_person(), active_account(), pending_account(), unlocked_account()]
        query = "?reason=phishing&proof=in-person&report=Carte+vue+au+guichet&change=1"
        for person, act in product(people, ACTIONS):
            opened = person.journal.filter(event=Event.ACCOUNT_OPENED)
            before, count = state_of(person), opened.count()
            assert browser.get(act_on(act, person) + query).status_code == 200
            assert (state_of(person), opened.count()) == (before, count + 1), act

    def test_takes_a_request_of_that_person_alone_and_keeps_it(self, browser):
        """ADM-06: an invented request, or one about another account, is not found."""
        others = a_request_about(active_account()).reference
        for act, make in zip(ACTIONS, (active_account, robbed_person, robbed_person, pending_account), strict=True):
            person = make()
            before, own = state_of(person), a_request_about(person)
            for one, ask in product((others, "A-22222", "a\0b"), (browser.get, browser.post)):
                assert ask(act_on(act, person), query_params={"demande": one}).status_code == 404, (act, one)
            assert state_of(person)[0] == before[0]
            page = browser.post(f"{act_on(act, person)}?demande={own.reference}", {})
            assert f"Demande {own.reference}" in visible_text(page)
            # Without an action attribute, a form keeps the query.
            assert '<form method="post" novalidate' in page.content.decode()
        assert browser.get(act_on("lock", Account(pk=10**9))).status_code == 404


class TestLocking:
    def test_closes_the_sessions_mails_the_reason_and_goes_back_to_the_request(self, agent, browser, mail_delivery):
        """HLP-01, HLP-05: the comment is for colleagues, the address of the request gets nothing."""
        person = active_account()
        signed_in, one = browser_of(person), a_request_about(person)
        page = browser.get(act_on("lock", person)).content.decode()
        assert [reason for reason in LockReason if str(reason.label) not in page] == []
        typed = {"reason": "fraudulent-site", "comment": "Vu avec le RSSI"}

        answer = browser.post(f"{act_on('lock', person)}?demande={one.reference}", typed)

        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert "Compte bloqué. La personne est prévenue" in visible_text(follow(browser, answer))
        assert signed_in.get(reverse("account")).status_code == 302
        kept = Lock.objects.values_list("account", "reason", "locked_by", "comment").get()
        assert kept == (person.pk, "fraudulent-site", agent.pk, "Vu avec le RSSI")
        entry = person.journal.get(event=Event.LOCKED)
        details = {"reason": "fraudulent-site", "request": one.pk, "reference": one.reference}
        assert (entry.actor, entry.details) == (agent, details)
        mail = mail_delivery.last_mail()
        assert {mail["To"]} == written_to(person) == {person.recovery_address}
        assert "Votre mot de passe a été saisi sur un faux site" in text_of(mail)
        assert "RSSI" not in text_of(mail) + html_of(mail)

    def test_says_when_no_mail_can_leave(self, browser):
        for facts in (
            {"recovery_address": ""},
            {"recovery_address_disputed_at": timezone.now()},
            {"end_date": timezone.localdate() - timedelta(days=9)},
        ):
            person = active_account(**facts)
            page = visible_text(browser.get(act_on("lock", person)))
            assert "aucun e-mail ne part" in page
            assert "Bloquer et prévenir" not in page
            answer = browser.post(act_on("lock", person), {"reason": "phishing"})
            assert "n’a pas pu être prévenue" in visible_text(follow(browser, answer))
            assert (person.is_locked, Message.objects.filter(person=person).exists()) == (True, False)

    def test_refusals_are_explained_and_keep_what_was_typed(self, browser):
        """HLP-01: a second lock changes nothing; the person reads the reason of the first."""
        person = active_account()
        for typed, words in (
            ({}, "Choisissez un motif"),
            ({"reason": "parce que"}, "Choisissez un motif de la liste"),
            ({"reason": "phishing", "comment": "x" * 501}, "Le commentaire dépasse 500"),
        ):
            assert words in visible_text(browser.post(act_on("lock", person), typed))
        assert not person.is_locked
        paul = an_agent(given_name="Paul", family_name="Girard")
        lock_as_agent(account=person, agent=paul, reason=LockReason.PHISHING)
        before = state_of(person)
        typed = {"reason": "other", "comment": "Elle a tout raconté au téléphone"}
        answer = visible_text(browser.post(act_on("lock", person), typed))
        for words in ("Ce compte est déjà bloqué par Paul Girard, depuis le", typed["comment"]):
            assert words in answer
        assert "Bloquer et prévenir" not in answer
        assert state_of(person) == before
        erased = active_account()
        erase_person(account=erased)
        assert "il n’y a plus rien à bloquer" in visible_text(browser.get(act_on("lock", erased)))


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
        assert f"Renvoyer le {words}" in visible_text(page)
        assert person.recovery_address not in page.content.decode()
        answer = browser.post(f"{act_on('resend', person)}?demande={one.reference}", {"reason": "never-came"})
        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert f"Un nouveau {words} part vers l’adresse de secours" in visible_text(follow(browser, answer))
        mail = mail_delivery.last_mail()
        assert (mail["To"], Message.objects.latest("pk").kind) == (person.recovery_address, kind)
        assert link_in(mail).startswith(path)
        entry = person.journal.get(event=Event.LINK_REQUESTED)
        details = {"reason": "never-came", "request": one.pk, "reference": one.reference}
        assert (entry.actor, entry.details) == (agent, details)
        assert Message.objects.filter(address=ELSEWHERE).count() == 1

    def test_is_refused_with_an_explanation(self, browser):
        """HLP-02: a locked account gets no link."""
        yesterday = timezone.localdate() - timedelta(days=1)
        for person, words in (
            (active_account(), "Ce compte est actif : aucun lien n’est à renvoyer"),
            (locked_account(), "Ce compte est bloqué : aucun lien ne peut partir"),
            (pending_account(end_date=yesterday), "Ce compte est fermé"),
            (pending_account(recovery_address=""), "aucune adresse de secours"),
            (pending_account(recovery_address_disputed_at=timezone.now()), "n’est pas celle de la personne"),
        ):
            before = state_of(person)
            page = browser.get(act_on("resend", person))
            assert words in visible_text(page)
            assert "Renvoyer le lien</button>" not in page.content.decode()
            assert words in visible_text(browser.post(act_on("resend", person), {"reason": "lost"}))
            assert state_of(person) == before
        for reason in ("", "parce que"):
            answer = browser.post(act_on("resend", pending_account()), {"reason": reason})
            assert "Choisissez un motif" in visible_text(answer)

    def test_waits_a_minute_and_is_limited_to_three_an_hour(self, mail_delivery):
        """ENU-05: links requested by the owner and by agents count; the next allowed time is shown."""
        person, asking = pending_account(), pending_account()
        with time_machine.travel(ONE_MORNING, tick=False) as clock:
            agent, browser = verified_agent()
            assert resend_now(person, agent) is None
            assert resend_now(person, agent) == ONE_MORNING + timedelta(minutes=1)
            page = visible_text(browser.post(act_on("resend", person), {"reason": "lost"}))
            assert "Vous pourrez en renvoyer un à 10 h 01" in page
            for _ in range(3):
                request_link(login=asking.login, wish=LinkRequestKind.FIRST_CONNECTION)
                mail_delivery.deliver()
                clock.shift(timedelta(minutes=10))
            assert resend_now(asking, agent) == ONE_MORNING + timedelta(hours=1)
            for _ in range(2):
                assert resend_now(person, agent) is None
                clock.shift(timedelta(minutes=10))
            assert resend_now(person, agent) == ONE_MORNING + timedelta(hours=1)
            clock.shift(timedelta(minutes=30))
            assert resend_now(person, agent) is None

    def test_shows_when_the_last_one_left_and_what_became_of_it(self, browser):
        person = pending_account()
        facts = {"kind": Kind.ACTIVATION, "address": person.recovery_address, "created_at": ONE_MORNING}
        answer = f"550 <{person.recovery_address}> unknown"
        Message.objects.create(person=person, status=Status.BOUNCED, answer=answer, **facts)
        page = browser.get(act_on("resend", person))
        assert "Le 11 mars 2026 à 10 h Refusé par la messagerie du destinataire : 550" in visible_text(page)
        assert "Le dernier e-mail n’est pas arrivé" in visible_text(page)
        assert person.recovery_address not in page.content.decode()

    @pytest.mark.django_db(transaction=True)
    def test_of_two_agents_at_once_one_mails_the_link(self):
        """ENU-05"""
        person, agents = pending_account(), [an_agent(), an_agent()]
        acts = [lambda agent=agent: resend_link(account=person, agent=agent, reason="lost") for agent in agents]
        assert sorted(type(one).__name__ for one in attempted_together(*acts)) == ["MailQuotaExceeded", "Message"]
        assert Message.objects.filter(person=person).count() == 1


def resend_now(person: Account, agent: Account) -> datetime | None:
    """None when the link leaves, or from when it could."""
    try:
        resend_link(account=reloaded(person), agent=agent, reason="lost")
    except MailQuotaExceeded as refused:
        return refused.retry_at
    return None
