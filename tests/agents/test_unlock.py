"""Agents unlock an account and restore a recovery address (HLP-03 to HLP-06)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.locking.unlock import (
    AddressNotRestorable,
    NotLocked,
    UnlockNotAllowed,
    changes_to_review,
    restorable_addresses,
    restore_address,
)
from accounts.models import Account, Lock, RecoveryAddressChange
from activation.resend import resend_link
from agents.roles import Role
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.correcting import in_force, proposed
from tests.accounts.recovery.recovering import at_once, change_to
from tests.agents.account_actions import (
    ELSEWHERE,
    INTRUDERS,
    OWN,
    REPORT,
    a_request_about,
    act_on,
    boxes_of,
    events_of,
    good_put_back,
    good_release,
    next_page,
    robbed_person,
    said,
    state_of,
    ticked,
    to_put_back,
    written_to,
)
from tests.agents.signed_in import an_agent, verified_agent
from tests.concurrency import wait_until_blocked
from tests.factories import active_account, pending_account
from tests.locking import locked_account, reloaded, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db


class TestUnlocking:
    def test_after_a_call_back_mails_the_address_on_file_alone(self, agent, browser, mail_delivery):
        """HLP-03 to HLP-06: what was done is kept, the link goes to the person, never where the request says."""
        person = locked_account(phone="+33499000000")
        one = a_request_about(person)
        mail_delivery.deliver()
        page = browser.get(act_on("release", person))
        assert "Rappel au numéro connu des RH : 04 99 00 00 00" in said(page)
        assert person.recovery_address not in page.content.decode()

        answer = browser.post(f"{act_on('release', person)}?demande={one.reference}", good_release(person))

        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert "Compte débloqué. E-mail envoyé à l’adresse de secours." in next_page(browser, answer)
        assert reloaded(person).state == State.TO_REACTIVATE
        kept = Lock.objects.get()
        assert (kept.released_by, kept.released_reason, kept.proof, kept.number_called, kept.report) == (
            agent,
            "phishing-over",
            "call-back",
            "+33499000000",
            REPORT,
        )
        entry = person.journal.get(event=Event.RELEASED)
        assert entry.actor == agent
        assert (entry.details["request"], entry.details["reference"]) == (one.pk, one.reference)
        mail = mail_delivery.last_mail()
        assert mail["To"] == person.recovery_address
        assert link_in(mail).startswith("/reactivation/")
        assert written_to(person) == {person.recovery_address}
        assert Message.objects.filter(address=ELSEWHERE).count() == 1

    def test_shows_the_mail_that_will_leave_without_its_link(self, browser, mail_delivery):
        person = locked_account(phone="+33499000000")
        preview = said(browser.get(act_on("release", person)))
        browser.post(act_on("release", person), good_release(person))
        mail = text_of(mail_delivery.last_mail())
        for line in mail.splitlines():
            if line.strip() and "/reactivation/" not in line:
                assert re.sub(r"\s+", " ", line).strip() in preview
        assert "/reactivation/" not in preview

    def test_says_what_is_missing(self, browser):
        """HLP-03, HLP-06"""
        person = robbed_person()
        before = state_of(person)
        wrong = [
            ({"reason": ""}, "Choisissez un motif"),
            ({"reason": "phishing"}, "Choisissez un motif de la liste"),
            ({"proof": ""}, "Indiquez comment l’identité a été vérifiée"),
            *(({"proof": proof}, "Cette preuve ne suffit pas") for proof in ("birth-date", "ine", "date de naissance")),
            ({"report": ""}, "Écrivez un compte rendu"),
            ({"report": "neuf cara"}, "Écrivez un compte rendu de 10 caractères au moins"),
            ({"report": " \n\t         "}, "Écrivez un compte rendu"),
            ({"report": "x" * 2_001}, "Le compte rendu dépasse 2000 caractères"),
            ({"reviewed": []}, "Vérifiez chaque changement de la liste"),
        ]
        for changed, sentence in wrong:
            answer = browser.post(act_on("release", person), good_release(person, **changed))
            assert answer.status_code == 200
            assert sentence in said(answer), changed
        assert state_of(person) == before

    def test_without_a_number_of_hr_no_call_counts_whatever_the_request_says(self, browser):
        """HLP-04"""
        person = locked_account(phone="")
        one = a_request_about(person)
        address = f"{act_on('release', person)}?demande={one.reference}"
        page = browser.get(address)
        assert "call-back" not in page.content.decode()
        assert "Les RH ne connaissent aucun numéro" in said(page)
        assert "Cette preuve ne suffit pas" in said(browser.post(address, good_release(person)))
        assert person.is_locked

    def test_lists_each_change_with_its_addresses_masked(self, browser):
        """HLP-06: what, when, from where."""
        person = robbed_person()
        page = browser.get(act_on("release", person))
        assert boxes_of(page) == dict.fromkeys(ticked(person), False)
        for words in ("Mot de passe changé", "Adresse de secours changée", "Redirection choisie"):
            assert words in said(page)
        assert "i•••l@exemple.net → i•••s@exemple.org" in said(page)
        assert OWN not in page.content.decode()
        assert INTRUDERS not in page.content.decode()

    def test_keeps_the_ticks_that_were_made_and_asks_for_the_others(self, browser):
        """HLP-06, ADM-06: each has to be ticked; those of another account do not count."""
        person, other = robbed_person(), robbed_person(given_name="Zoé", recovery_address="zoe@exemple.net")
        first, *others = ticked(person)
        for reviewed in ([first], others, [first] * 4, [*others, 10**9], ticked(other)):
            answer = browser.post(act_on("release", person), good_release(person, reviewed=reviewed))
            assert "Vérifiez chaque changement de la liste" in said(answer)
            assert boxes_of(answer) == {pk: pk in reviewed for pk in (first, *others)}
        assert person.is_locked

    def test_without_an_address_leads_to_its_correction(self):
        """HLP-05: by the role that may correct it."""
        addresses = [
            ({"recovery_address": ""}, "Ce compte n’a aucune adresse de secours"),
            ({"recovery_address_disputed_at": timezone.now()}, "a été signalée comme erronée"),
        ]
        roles = ((Role.ASSISTANCE, "Demandez à un responsable"), (Role.RESPONSABLES, "Corriger l’adresse"))
        for (facts, sentence), (role, where) in product(addresses, roles):
            person = locked_account(phone="+33499000000", **facts)
            _agent, browser = verified_agent(role)
            page = said(browser.get(act_on("release", person)))
            assert sentence in page
            assert where in page
            assert "Débloquer et prévenir" not in page
            answer = said(browser.post(act_on("release", person), good_release(person)))
            assert "faites-la d’abord corriger" in answer
            assert REPORT in answer
            assert person.is_locked

    def test_of_an_account_that_is_not_locked_says_so_and_loses_nothing(self, browser):
        yesterday = timezone.localdate() - timedelta(days=1)
        people = [
            (active_account(), "Ce compte n’est pas bloqué"),
            (unlocked_account(), "Ce compte a été débloqué par"),
            (locked_account(end_date=yesterday), "Ce compte est fermé"),
        ]
        for person, sentence in people:
            before = state_of(person)
            answer = said(browser.post(act_on("release", person), good_release(person, proof="in-person")))
            assert sentence in answer
            assert REPORT in answer
            assert "Débloquer et prévenir" not in answer
            assert state_of(person) == before

    def test_hidden_fields_change_nothing_else(self, browser):
        """ADM-06, INP-06"""
        person = locked_account(phone="+33499000000")
        forged = {"number_called": "+33600000000", "account": "1", "agent": "1", "recovery_address": "a@evil.example"}
        browser.post(act_on("release", person), good_release(person, **forged))
        assert Lock.objects.get().number_called == "+33499000000"
        assert written_to(person) == {person.recovery_address}


class TestConcurrently:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_of_two_agents_one_releases_and_the_other_reads_who(self):
        """HLP-03: one release, one mail; nothing that the second has typed is lost."""
        browsers = [verified_agent(family_name=name)[1] for name in ("Premier", "Second")]
        person = locked_account(phone="+33499000000")
        form = good_release(person)

        answers = at_once(*[lambda one=one: one.post(act_on("release", person), form) for one in browsers])

        late = next(answer for answer in answers if answer.status_code == 200)
        assert sorted(answer.status_code for answer in answers) == [200, 302]
        assert re.search(r"Ce compte a été débloqué par Camille (Premier|Second), le", said(late))
        assert REPORT in said(late)
        assert events_of(person).count(Event.RELEASED) == 1
        assert Message.objects.filter(person=person, kind=Kind.REACTIVATION).count() == 1

    def test_a_change_that_comes_while_the_release_waits_is_shown_and_not_ticked(self):
        """HLP-06: the service looks again once it holds the row."""
        _agent, browser = verified_agent()
        person = robbed_person()
        form = good_release(person)
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                Account.objects.select_for_update().get(pk=person.pk)
                answer = pool.submit(posted, browser, act_on("release", person), form)
                wait_until_blocked()
                record_event(account=person, event=Event.RECOVERY_ADDRESS_RESTORED, address="ancienne@exemple.net")
            page = answer.result(30)

        assert "Un changement est arrivé entre-temps : vérifiez-le aussi" in said(page)
        [new, *seen] = boxes_of(page)
        assert seen == form["reviewed"]
        assert boxes_of(page) == {new: False} | dict.fromkeys(seen, True)
        assert reloaded(person).is_locked

    def test_of_two_agents_one_puts_the_address_back(self):
        person, agents = robbed_person(), [an_agent(), an_agent()]
        [change] = to_put_back(person)

        answered = at_once(
            *[
                lambda agent=agent: restore_address(account=person, agent=agent, change=change, reason="Pas elle")
                for agent in agents
            ]
        )

        assert {type(one) for one in answered} == {Account, AddressNotRestorable}
        assert events_of(person).count(Event.RECOVERY_ADDRESS_RESTORED) == 1

    def test_of_two_agents_one_mails_the_link(self):
        """ENU-05"""
        person, agents = pending_account(), [an_agent(), an_agent()]

        answered = at_once(
            *[lambda agent=agent: resend_link(account=person, agent=agent, reason="lost") for agent in agents]
        )

        assert sorted(type(one).__name__ for one in answered) == ["MailQuotaExceeded", "Message"]
        assert Message.objects.filter(person=person).count() == 1


def posted(browser: Client, address: str, form: dict[str, Any]) -> HttpResponse:
    """The answer, on a connection of its own."""
    try:
        return browser.post(address, form)
    finally:
        connection.close()


class TestRestoringTheAddress:
    def test_the_link_of_the_release_does_not_go_to_the_intruder(self, agent, browser, mail_delivery):
        """HLP-05, HLP-06: an agent is warned, asks the person, puts the address back, releases."""
        person = robbed_person()
        one = a_request_about(person)
        mail_delivery.deliver()
        query = f"?demande={one.reference}"
        page = browser.get(act_on("release", person) + query)
        assert "L’adresse de secours a changé récemment" in said(page)
        assert f'href="{act_on("put-back", person)}{query}"' in page.content.decode()
        assert "Remettre i•••l@exemple.net" in said(browser.get(act_on("put-back", person) + query))

        answer = browser.post(act_on("put-back", person) + query, good_put_back(person))

        assert answer["Location"] == act_on("release", person) + query
        assert "L’adresse d’avant est remise" in next_page(browser, answer)
        assert reloaded(person).recovery_address == OWN
        assert reloaded(person).is_locked
        assert RecoveryAddressChange.objects.get().undone_at is not None
        events = (Event.CHANGE_DISOWNED, Event.RECOVERY_ADDRESS_RESTORED)
        reported, restored = person.journal.filter(event__in=events).order_by("pk")
        assert {reported.actor, restored.actor} == {agent}
        assert reported.details["reason"] == "Rappelée, elle ne connaît pas cette adresse."
        assert (reported.details["request"], reported.details["reference"]) == (one.pk, one.reference)
        lock_notice, farewell = mail_delivery.deliver()[-2:]
        assert (lock_notice["To"], lock_notice["Subject"]) == (OWN, "Votre compte informatique est bloqué")
        assert farewell["To"] == INTRUDERS
        assert "Elle ne recevra plus rien pour ce compte" in text_of(farewell)
        assert not re.search(r"[A-Za-z0-9_-]{60}", text_of(farewell))

        assert "Vérifiez chaque" in said(
            browser.post(act_on("release", person), good_release(person, reviewed=ticked(person)[1:]))
        )
        browser.post(act_on("release", person), good_release(person))
        mail = mail_delivery.last_mail()
        assert (mail["To"], mail["Subject"]) == (OWN, "Votre compte informatique est débloqué")
        assert not Message.objects.filter(person=person, kind=Kind.REACTIVATION).exclude(address=OWN).exists()
        assert Redirection.objects.get(account=person).target == ""

    def test_of_several_changes_takes_back_the_chosen_one_and_the_later_ones(self, browser):
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        later, earlier = to_put_back(person)
        page = said(browser.get(act_on("put-back", person)))
        assert "Remettre m•••u@exemple.org" in page
        assert "Remettre i•••l@exemple.net" in page

        browser.post(act_on("put-back", person), good_put_back(person, change=later))
        assert reloaded(person).recovery_address == "milieu@exemple.org"
        browser.post(act_on("put-back", person), good_put_back(person, change=earlier))
        assert reloaded(person).recovery_address == OWN
        assert to_put_back(person) == []

    def test_once_is_enough(self, browser):
        person = robbed_person()
        form = good_put_back(person)
        browser.post(act_on("put-back", person), form)
        before = state_of(person)
        answer = browser.post(act_on("put-back", person), form)
        assert "ne peut pas, ou plus, être annulé ici" in said(answer)
        assert form["reason"] in said(answer)
        assert state_of(person) == before

    def test_of_an_invented_change_or_without_a_reason_is_refused(self, browser):
        """ADM-06"""
        person, other = robbed_person(), robbed_person(given_name="Zoé", recovery_address="zoe@exemple.net")
        before = state_of(person)
        password = person.journal.get(event=Event.PASSWORD_CHANGED).pk
        for change in ("", "0", "-1", "1e3", "9" * 30, "autre", to_put_back(other)[0], password):
            answer = browser.post(act_on("put-back", person), good_put_back(person, change=change))
            assert answer.status_code == 200
        answer = browser.post(act_on("put-back", person), good_put_back(person, reason="non"))
        assert "Écrivez la raison en quelques mots" in said(answer)
        assert state_of(person) == before

    def test_does_not_undo_what_agents_have_decided(self, browser):
        """HLP-05: it took two agents; one alone cannot take it back."""
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        in_force(reloaded(person))
        lock_account(account=person, reason=LockReason.PHISHING)
        assert to_put_back(person) == []
        page = said(browser.get(act_on("put-back", person)))
        assert "Aucun changement fait par la personne ne peut être annulé ici" in page
        released = browser.get(act_on("release", person))
        assert "L’adresse de secours a changé récemment" in said(released)
        assert act_on("put-back", person) not in released.content.decode()

    def test_does_not_undo_what_came_before_a_decision_of_agents(self):
        """HLP-05: the person's later change may be taken back, the earlier one not any more."""
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        in_force(reloaded(person))
        decided = reloaded(person).recovery_address
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        account = reloaded(person)
        assert list(restorable_addresses(account, changes_to_review(account)).values()) == [decided]

    def test_leaves_what_an_earlier_release_has_settled(self):
        """HLP-02, HLP-06"""
        person = robbed_person()
        unlock(person)
        lock_account(account=person, reason=LockReason.PHISHING)
        assert to_put_back(person) == []

    def test_of_a_first_address_that_replaced_none_is_not_offered(self):
        person = active_account(recovery_address="")
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        assert to_put_back(person) == []

    def test_works_when_the_intruders_address_was_disputed(self, browser):
        person = robbed_person()
        Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())
        browser.post(act_on("put-back", person), good_put_back(person))
        assert reloaded(person).can_be_mailed
        assert reloaded(person).recovery_address == OWN

    def test_of_an_account_that_is_not_locked_is_refused(self, browser):
        person = active_account(recovery_address=OWN)
        entry = change_to(person, INTRUDERS)
        answer = browser.post(act_on("put-back", person), {"change": entry.pk, "reason": "Pas elle, dit-elle"})
        assert "Ce compte n’est pas bloqué" in said(answer)
        assert reloaded(person).recovery_address == INTRUDERS
        with pytest.raises(NotLocked):
            restore_address(account=person, agent=an_agent(), change=entry.pk)

    def test_is_for_agents_alone(self):
        """ADM-05"""
        person = robbed_person()
        [change] = to_put_back(person)
        for not_an_agent in (active_account(), person):
            with pytest.raises(UnlockNotAllowed):
                restore_address(account=person, agent=not_an_agent, change=change)
        assert reloaded(person).recovery_address == INTRUDERS

    def test_a_replacement_that_waits_is_told_before_the_release(self, browser):
        person = locked_account()
        proposed(person, an_agent(Role.RESPONSABLES))
        assert "il attend l’accord d’un second agent" in said(browser.get(act_on("release", person)))
