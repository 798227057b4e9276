"""Agents lock and unlock an account, restore its recovery address and resend a link (HLP-01 to HLP-06)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.locking import unlock as unlocking
from accounts.locking.lock import lock_account, lock_as_agent
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.recovery.mail_quota import MailQuotaExceeded
from activation.enums import LinkRequestKind
from activation.resend import resend_link
from activation.services import request_link
from agents.roles import Role
from assistance.handling import take_request
from assistance.models import AssistanceRequest
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to, in_force, proposed, recipients
from tests.agents.account_actions import INTRUDERS, OWN, act_on, robbed_person
from tests.agents.signed_in import an_agent, follow, verified_agent, visible_text
from tests.assistance.asking import assistance_request
from tests.concurrency import attempted_together, together, wait_until_blocked
from tests.factories import active_account, events_of, pending_account, reloaded
from tests.locking import locked_account, unlock, unlocked_account
from tests.mail_delivery import html_of, link_in, text_of
from tests.signing_in import browser_of, is_signed_in

pytestmark = pytest.mark.django_db

#: A weekday, far from midnight and from changes of the clock.
ONE_MORNING = datetime(2026, 3, 11, 10, 0, tzinfo=ZoneInfo("Europe/Paris"))
ACTIONS = ("lock", "release", "put-back", "resend")
REPORT = "Rappelée, elle a reconnu le faux formulaire."
REASON = "Rappelée, elle ne connaît pas cette adresse."
ELSEWHERE = "une.autre@exemple.org"
RESTORED = (Event.CHANGE_DISOWNED, Event.RECOVERY_ADDRESS_RESTORED)
YESTERDAY = timezone.localdate() - timedelta(days=1)


def a_request_about(person: Account, **facts: str) -> AssistanceRequest:
    return assistance_request(login=person.login, contact_address=ELSEWHERE, **facts)


def ticked(person: Account) -> list[int]:
    return [entry.pk for entry in unlocking.changes_to_review(person)]


def good_release(person: Account, **changed: Any) -> dict[str, Any]:
    good = {"reason": "phishing-over", "proof": "call-back", "report": REPORT, "reviewed": ticked(person)}
    return good | changed


def to_put_back(person: Account) -> dict[int, str]:
    account = reloaded(person)
    return unlocking.restorable_addresses(account, unlocking.changes_to_review(account))


def boxes_of(answer: HttpResponse) -> dict[int, bool]:
    boxes = re.findall(r'<input[^>]*name="reviewed"[^>]*>', answer.content.decode())
    return {int(re.search(r'value="(\d+)"', box)[1]): " checked" in box for box in boxes}


def state_of(person: Account) -> tuple[Any, ...]:
    """All that a refused action must leave unchanged."""
    openings = [Event.ACCOUNT_OPENED, Event.SIGNED_IN, Event.SECOND_FACTOR_GIVEN]
    asked = RecoveryAddressChange.objects.filter(account=person)
    rows = (person.locks.all(), person.journal.exclude(event__in=openings), person.messages.all(), asked)
    return (Account.objects.values().get(pk=person.pk), *(list(found.order_by("pk").values()) for found in rows))


def refused(browser: Client, act: str, person: Account, **typed: Any) -> str:
    """The answer to a form that changes nothing."""
    before, answer = state_of(person), browser.post(act_on(act, person), typed)
    assert (answer.status_code, state_of(person) == before) == (200, True)
    return visible_text(answer)


class TestEachAction:
    def test_is_not_for_oneself_nor_for_another_agent(self, agent, browser):
        """ADM-05: by GET and by POST, whatever is sent."""
        for account, act in product((agent, an_agent(Role.LECTURE), locked_account(is_staff=True)), ACTIONS):
            before, address = state_of(account), act_on(act, account)
            answers = [browser.get(address), browser.post(address, good_release(account)), browser.post(address)]
            assert {answer.status_code for answer in answers} == {403}, act
            assert state_of(account) == before

    def test_takes_a_request_of_that_person_alone_and_is_not_done_by_reading(self, agent, browser):
        """ADM-06: an invented request, or one about another account, is not found; the opening is in the journal."""
        others = a_request_about(active_account()).reference
        query = "reason=phishing&proof=in-person&report=Carte+vue+au+guichet&change=1"
        for act, make in zip(ACTIONS, (active_account, robbed_person, robbed_person, pending_account), strict=True):
            person = make()
            own, before = a_request_about(person).reference, state_of(person)
            assert browser.get(f"{act_on(act, person)}?{query}").status_code == 200
            assert person.journal.get(event=Event.ACCOUNT_OPENED).actor == agent
            for one, ask in product((others, "A-22222", "a\0b"), (browser.get, browser.post)):
                assert ask(act_on(act, person), query_params={"demande": one}).status_code == 404, (act, one)
            page = browser.post(f"{act_on(act, person)}?demande={own}")
            assert f"Demande {own}" in visible_text(page)
            # Without an action attribute, a form keeps the query.
            assert '<form method="post" novalidate' in page.content.decode()
            assert state_of(person) == before


class TestLocking:
    def test_closes_the_sessions_mails_the_reason_and_goes_back_to_the_request(self, agent, browser, mail_delivery):
        """HLP-01, HLP-05: the comment is for colleagues, the address of the request gets nothing."""
        person = active_account()
        signed_in, one = browser_of(person), a_request_about(person)
        typed = {"reason": "fraudulent-site", "comment": "Vu avec le RSSI"}
        answer = browser.post(f"{act_on('lock', person)}?demande={one.reference}", typed)
        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert "Compte bloqué. La personne est prévenue" in visible_text(follow(browser, answer))
        assert not is_signed_in(signed_in)
        kept = Lock.objects.values_list("account", "reason", "locked_by", "comment").get()
        assert kept == (person.pk, "fraudulent-site", agent.pk, "Vu avec le RSSI")
        entry = person.journal.get(event=Event.LOCKED)
        details = {"reason": "fraudulent-site", "request": one.pk, "reference": one.reference}
        assert (entry.actor, entry.details) == (agent, details)
        mail = mail_delivery.last_mail()
        assert {mail["To"]} == set(person.messages.values_list("address", flat=True)) == {person.recovery_address}
        assert "RSSI" not in text_of(mail) + html_of(mail)

    def test_refusals_are_explained_and_keep_what_was_typed(self, browser):
        """HLP-01: a second lock changes nothing; the person reads the reason of the first."""
        person, closed = active_account(), active_account(end_date=YESTERDAY)
        refused(browser, "lock", person, reason="parce que")
        colleague = an_agent(given_name="Paul", family_name="Girard")
        lock_as_agent(account=person, agent=colleague, reason=LockReason.PHISHING)
        answer = refused(browser, "lock", person, reason="other", comment="Elle a appelé")
        assert re.search("Ce compte est déjà bloqué par Paul Girard, depuis le.*Elle a appelé", answer)
        # A closed account can be locked, but no mail leaves.
        answer = browser.post(act_on("lock", closed), {"reason": "phishing"})
        assert "n’a pas pu être prévenue" in visible_text(follow(browser, answer))
        assert (closed.is_locked, closed.messages.exists()) == (True, False)


class TestUnlocking:
    def test_closes_the_requests_that_it_solves_and_the_person_is_told_once(self, agent, browser, mail_delivery):
        """HLP-05: the others of the person are shown, and stay open unless ticked."""
        person, colleague = locked_account(), an_agent(given_name="Omar", family_name="Petit")
        led, same, other = (a_request_about(person, reason=reason) for reason in ("other", "locked", "no-link"))
        mistyped, stranger = a_request_about(pending_account()), a_request_about(pending_account())
        AssistanceRequest.objects.filter(pk=mistyped.pk).update(account=None)
        take_request(request=same, actor=colleague)
        before = len(mail_delivery.deliver())
        unlock_page = f"{act_on('release', person)}?demande={led.reference}"
        shown = re.findall(r'value="(A-\w{5})"[^>]*?( checked)?>', browser.get(unlock_page).content.decode())
        ticks = {led.reference: " checked", same.reference: " checked", other.reference: "", mistyped.reference: ""}
        assert dict(shown) == ticks | {mistyped.reference: " checked"}
        ticked_now = [one.reference for one in (led, same, stranger)]
        done = follow(browser, browser.post(unlock_page, good_release(person, proof="in-person", solved=ticked_now)))
        closed = AssistanceRequest.objects.filter(state="solved", closed_at__isnull=False)
        assert {(one, one.taken_by) for one in closed} == {(led, agent), (same, colleague)}
        assert f"Demande {led.reference} clôturée. Demande {same.reference} clôturée." in visible_text(done)
        entries = person.journal.filter(event=Event.REQUEST_CLOSED, actor=agent)
        assert {entry.details["reference"] for entry in entries} == {led.reference, same.reference}
        assert [mail["To"] for mail in mail_delivery.deliver()[before:]] == [person.recovery_address]
        # One that a colleague has closed meanwhile is no error.
        again = locked_account()
        form = good_release(again, proof="in-person", solved=[led.reference])
        assert "Compte débloqué" in visible_text(follow(browser, browser.post(act_on("release", again), form)))

    def test_after_a_call_back_the_link_goes_to_the_restored_address_alone(self, agent, browser, mail_delivery):
        """HLP-03 to HLP-06: neither to the intruder nor where the request says; the page has shown the mail."""
        person = robbed_person()
        one = a_request_about(person)
        mail_delivery.deliver()
        put_back, unlock_page = (f"{act_on(name, person)}?demande={one.reference}" for name in ("put-back", "release"))
        page = browser.get(unlock_page)
        assert "L’adresse de secours a changé récemment" in visible_text(page)
        assert f'href="{put_back}"' in page.content.decode()
        assert "Remettre i•••l@exemple.net" in visible_text(browser.get(put_back))

        answer = browser.post(put_back, {"change": next(iter(to_put_back(person))), "reason": REASON})
        assert answer["Location"] == unlock_page
        preview = visible_text(follow(browser, answer))
        assert re.search("L’adresse d’avant est remise.*Rappel au numéro connu des RH : 04 67 12 34 56", preview)
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (OWN, True)
        assert RecoveryAddressChange.objects.get().undone_at is not None
        reported, restored = (person.journal.get(event=event) for event in RESTORED)
        assert (reported.actor, restored.actor, reported.details["reason"]) == (agent, agent, REASON)
        assert (reported.details["request"], reported.details["reference"]) == (one.pk, one.reference)
        farewell, lock_notice = mail_delivery.deliver()[-2:]
        assert (lock_notice["To"], lock_notice["Subject"]) == (OWN, "Votre compte informatique est bloqué")
        assert (farewell["To"], "La DSIN a rétabli l’adresse d’avant" in text_of(farewell)) == (INTRUDERS, True)
        assert not re.search(r"[A-Za-z0-9_-]{60}", text_of(farewell))

        answer = browser.post(unlock_page, good_release(person))
        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert "Compte débloqué. E-mail envoyé à l’adresse de secours." in visible_text(follow(browser, answer))
        assert (reloaded(person).state, Redirection.objects.get(account=person).target) == (State.TO_REACTIVATE, "")
        kept = Lock.objects.values_list("released_by", "released_reason", "proof", "number_called", "report").get()
        assert kept == (agent.pk, "phishing-over", "call-back", person.phone, REPORT)
        entry = person.journal.get(event=Event.RELEASED)
        assert (entry.actor, entry.details["request"], entry.details["reference"]) == (agent, one.pk, one.reference)
        mail = mail_delivery.last_mail()
        assert link_in(mail).startswith("/reactivation/")
        assert [mail["To"]] == recipients(person=person, kind=Kind.REACTIVATION) == [OWN]
        assert len(recipients(address=ELSEWHERE)) == 1
        lines = [re.sub(r"\s+", " ", line).strip() for line in text_of(mail).splitlines()]
        assert [line for line in lines if "/reactivation/" not in line and line not in preview] == []
        assert "/reactivation/" not in preview

    def test_says_what_is_missing(self, browser):
        person, never_called = robbed_person(), locked_account(phone="")
        proposed(person)
        assert "il attend l’accord d’un second agent" in visible_text(browser.get(act_on("release", person)))
        for changed, words in (
            ({"reason": "phishing"}, "Choisissez un motif de la liste"),
            ({"proof": "birth-date"}, "Cette preuve ne suffit pas"),
            ({"report": "neuf cara"}, "Écrivez un compte rendu de 10 caractères au moins"),
        ):
            assert words in refused(browser, "release", person, **good_release(person, **changed))
        # Without a number of HR no call counts, whatever the request says.
        a_request_about(never_called)
        assert "Les RH ne connaissent aucun numéro" in visible_text(browser.get(act_on("release", never_called)))
        assert "Cette preuve ne suffit pas" in refused(browser, "release", never_called, **good_release(never_called))

    def test_keeps_the_ticks_that_were_made_and_asks_for_the_others(self, browser):
        """HLP-06, ADM-06: each masked change has to be ticked; those of another account do not count."""
        person, other = robbed_person(), robbed_person(given_name="Zoé", recovery_address="zoe@exemple.net")
        page = browser.get(act_on("release", person))
        for words in ("Mot de passe changé", "i•••l@exemple.net → i•••s@exemple.org", "Redirection choisie"):
            assert words in visible_text(page)
        assert boxes_of(page) == dict.fromkeys(ticked(person), False)
        assert not [address for address in (OWN, INTRUDERS) if address in page.content.decode()]
        first, *others = ticked(person)
        for reviewed in ([first], others, [first] * 4, [*others, 10**9], ticked(other)):
            answer = browser.post(act_on("release", person), good_release(person, reviewed=reviewed))
            assert "Vérifiez chaque changement de la liste" in visible_text(answer)
            assert boxes_of(answer) == {pk: pk in reviewed for pk in (first, *others)}
        assert person.is_locked

    def test_is_refused_with_an_explanation_that_keeps_the_report(self, browser):
        """HLP-05: without an address on file, it has to be corrected first."""
        disputed = locked_account(recovery_address_disputed_at=timezone.now())
        for person, words, answered in (
            (locked_account(recovery_address=""), "Demandez à un responsable", "faites-la d’abord corriger"),
            (disputed, "a été signalée comme erronée", "faites-la d’abord corriger"),
            (unlocked_account(), "n’est pas bloqué", "Ce compte a été débloqué par"),
            (locked_account(end_date=YESTERDAY), "est fermé", "n’est pas bloqué, ou il est fermé"),
        ):
            page = visible_text(browser.get(act_on("release", person)))
            assert (words in page, "Débloquer et prévenir" in page) == (True, False)
            answer = refused(browser, "release", person, **good_release(person, proof="in-person"))
            assert (answered in answer, REPORT in answer) == (True, True)

    @pytest.mark.django_db(transaction=True)
    def test_a_change_that_comes_while_the_release_waits_is_shown_and_not_ticked(self, browser):
        """HLP-06: the service looks again once it holds the row."""
        person = robbed_person()
        form = good_release(person)
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                Account.objects.select_for_update().get(pk=person.pk)
                answers = pool.submit(together, lambda: browser.post(act_on("release", person), form))
                wait_until_blocked()
                record_event(account=person, event=Event.RECOVERY_ADDRESS_RESTORED, address="ancienne@exemple.net")
            [page] = answers.result(30)
        assert "Un changement est arrivé entre-temps : vérifiez-le aussi" in visible_text(page)
        new, *seen = boxes_of(page)
        assert (boxes_of(page), seen) == ({new: False} | dict.fromkeys(seen, True), form["reviewed"])
        assert reloaded(person).is_locked


class TestRestoringTheAddress:
    def test_of_an_invented_change_or_without_a_reason_or_a_lock_is_refused(self, browser):
        """ADM-05, ADM-06"""
        person, other = robbed_person(), robbed_person(given_name="Zoé", recovery_address="zoe@exemple.net")
        [change], [others] = to_put_back(person), to_put_back(other)
        password, unlocked = person.journal.get(event=Event.PASSWORD_CHANGED).pk, active_account(recovery_address=OWN)
        for invented in ("", "0", "1e3", "9" * 30, others):
            refused(browser, "put-back", person, change=invented, reason=REASON)
        answer = refused(browser, "put-back", person, change=change, reason="non")
        assert "Écrivez la raison en quelques mots" in answer
        theirs = change_to(unlocked, INTRUDERS).pk
        answer = refused(browser, "put-back", unlocked, change=theirs, reason=REASON)
        assert "Ce compte n’est pas bloqué" in answer
        for account, entry, agent, refusal in (
            *((person, change, one, unlocking.UnlockNotAllowed) for one in (active_account(), person)),
            *((person, entry, an_agent(), unlocking.AddressNotRestorable) for entry in (others, password)),
            (unlocked, theirs, an_agent(), unlocking.NotLocked),
        ):
            with pytest.raises(refusal):
                unlocking.restore_address(account=account, agent=agent, change=entry)
            assert INTRUDERS in reloaded(account).recovery_address

    def test_takes_back_the_chosen_change_once_but_no_decision_of_agents_nor_what_came_before(self, browser):
        """HLP-02, HLP-05, HLP-06: it took two agents; one alone cannot take it back."""
        decided, changed_later = (active_account(recovery_address=OWN) for _ in range(2))
        reviewed, first_address = robbed_person(), active_account(recovery_address="")
        for person in (decided, changed_later):
            change_to(person, "milieu@exemple.org")
            in_force(reloaded(person), address="decidee@exemple.org")
        for person, address in ((changed_later, "ines@exemple.org"), (changed_later, INTRUDERS), (first_address, OWN)):
            change_to(person, address)
        unlock(reviewed)
        for person in (decided, changed_later, reviewed, first_address):
            lock_account(account=person, reason=LockReason.PHISHING)
        assert [to_put_back(person) for person in (decided, reviewed, first_address)] == [{}] * 3
        assert act_on("put-back", decided) not in browser.get(act_on("release", decided)).content.decode()
        Account.objects.filter(pk=changed_later.pk).update(recovery_address_disputed_at=timezone.now())
        restorable = to_put_back(changed_later)
        assert list(restorable.values()) == ["ines@exemple.org", "decidee@exemple.org"]
        for change, address in restorable.items():
            form = {"change": change, "reason": REASON}
            browser.post(act_on("put-back", changed_later), form)
            now = reloaded(changed_later)
            assert (now.recovery_address, now.can_be_mailed) == (address, True)
        assert "ne peut pas, ou plus, être annulé ici" in refused(browser, "put-back", changed_later, **form)


class TestResending:
    def test_mails_the_link_that_is_needed_to_the_address_on_file(self, agent, browser, mail_delivery):
        """HLP-05: never to the address of a request."""
        for make, kind, path, words in (
            (pending_account, Kind.NEW_LINK, "/activation/", "lien d’activation"),
            (unlocked_account, Kind.REACTIVATION, "/reactivation/", "lien de réactivation"),
        ):
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
            assert set(recipients(person=person)) == {person.recovery_address}

    def test_is_refused_with_an_explanation(self, browser):
        """HLP-02: a locked account gets no link."""
        for person, words in (
            (active_account(), "Ce compte est actif : aucun lien n’est à renvoyer"),
            (locked_account(), "Ce compte est bloqué : aucun lien ne peut partir"),
            (pending_account(end_date=YESTERDAY), "Ce compte est fermé"),
            (pending_account(recovery_address=""), "aucune adresse de secours"),
            (pending_account(recovery_address_disputed_at=timezone.now()), "n’est pas celle de la personne"),
        ):
            assert "Renvoyer le lien</button>" not in browser.get(act_on("resend", person)).content.decode()
            assert words in refused(browser, "resend", person, reason="lost")

    def test_waits_a_minute_and_is_limited_to_three_an_hour(self, mail_delivery):
        """ENU-05: links requested by the owner and by agents count; the next allowed time is shown."""
        person = pending_account()
        with time_machine.travel(ONE_MORNING, tick=False) as clock:
            _agent, browser = verified_agent()
            answers = [browser.post(act_on("resend", person), {"reason": "lost"}) for _ in range(2)]
            assert answers[0].status_code == 302
            assert "Vous pourrez en renvoyer un à 10 h 01" in visible_text(answers[1])
            for _ in range(2):
                clock.shift(timedelta(minutes=10))
                request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
                mail_delivery.deliver()
            clock.shift(timedelta(minutes=39))
            browser = verified_agent()[1]
            assert "Vous pourrez en renvoyer un à 11 h" in refused(browser, "resend", person, reason="lost")
            clock.shift(timedelta(minutes=1))
            assert browser.post(act_on("resend", person), {"reason": "lost"}).status_code == 302
        assert person.messages.count() == 4


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_at_once_one_mails_a_link_or_restores_the_address():
    """ENU-05"""
    pending, robbed, agents = pending_account(), robbed_person(), [an_agent(), an_agent()]
    facts = {"account": robbed, "change": next(iter(to_put_back(robbed))), "reason": REASON}
    resent = attempted_together(
        *(lambda agent=agent: resend_link(account=pending, agent=agent, reason="lost") for agent in agents)
    )
    restored = attempted_together(
        *(lambda agent=agent: unlocking.restore_address(agent=agent, **facts) for agent in agents)
    )
    assert {type(one) for one in resent} == {Message, MailQuotaExceeded}
    assert {type(one) for one in restored} == {Account, unlocking.AddressNotRestorable}
    assert (pending.messages.count(), events_of(robbed).count(Event.RECOVERY_ADDRESS_RESTORED)) == (1, 1)
