"""Agents unlock an account and restore a recovery address (HLP-03 to HLP-06)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
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
from agents.roles import Role
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to, in_force, proposed
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
    robbed_person,
    state_of,
    ticked,
    to_put_back,
    written_to,
)
from tests.agents.screens import follow, visible_text
from tests.agents.signed_in import an_agent, verified_agent
from tests.concurrency import attempted_together, wait_until_blocked
from tests.factories import active_account, reloaded
from tests.locking import locked_account, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

HR_NUMBER = "+33499000000"


class TestUnlocking:
    def test_after_a_call_back_the_link_goes_to_the_address_on_file_alone(self, agent, browser, mail_delivery):
        """HLP-03 to HLP-06: never where the request says; the page has shown the mail without its link."""
        person = locked_account(phone=HR_NUMBER)
        one = a_request_about(person)
        mail_delivery.deliver()
        page = browser.get(act_on("release", person))
        preview = visible_text(page)
        assert "Rappel au numéro connu des RH : 04 99 00 00 00" in preview
        assert person.recovery_address not in page.content.decode()

        answer = browser.post(f"{act_on('release', person)}?demande={one.reference}", good_release(person))

        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert "Compte débloqué. E-mail envoyé à l’adresse de secours." in visible_text(follow(browser, answer))
        assert reloaded(person).state == State.TO_REACTIVATE
        kept = Lock.objects.values_list("released_by", "released_reason", "proof", "number_called", "report").get()
        assert kept == (agent.pk, "phishing-over", "call-back", HR_NUMBER, REPORT)
        entry = person.journal.get(event=Event.RELEASED)
        assert (entry.actor, entry.details["request"], entry.details["reference"]) == (agent, one.pk, one.reference)
        mail = mail_delivery.last_mail()
        assert link_in(mail).startswith("/reactivation/")
        assert {mail["To"]} == written_to(person) == {person.recovery_address}
        assert Message.objects.filter(address=ELSEWHERE).count() == 1
        lines = [re.sub(r"\s+", " ", line).strip() for line in text_of(mail).splitlines()]
        assert [line for line in lines if "/reactivation/" not in line and line not in preview] == []
        assert "/reactivation/" not in preview

    def test_says_what_is_missing(self, browser):
        """HLP-03, HLP-06"""
        person = robbed_person()
        before = state_of(person)
        for changed, words in (
            ({"reason": ""}, "Choisissez un motif"),
            ({"reason": "phishing"}, "Choisissez un motif de la liste"),
            ({"proof": ""}, "Indiquez comment l’identité a été vérifiée"),
            ({"proof": "birth-date"}, "Cette preuve ne suffit pas"),
            ({"report": "neuf cara"}, "Écrivez un compte rendu de 10 caractères au moins"),
            ({"report": " \n\t         "}, "Écrivez un compte rendu"),
            ({"report": "x" * 2_001}, "Le compte rendu dépasse 2000 caractères"),
            ({"reviewed": []}, "Vérifiez chaque changement de la liste"),
        ):
            assert words in visible_text(browser.post(act_on("release", person), good_release(person, **changed)))
        assert state_of(person) == before

    def test_without_a_number_of_hr_no_call_counts_whatever_the_request_says(self, browser):
        """HLP-04"""
        person = locked_account(phone="")
        address = f"{act_on('release', person)}?demande={a_request_about(person).reference}"
        page = browser.get(address)
        assert "call-back" not in page.content.decode()
        assert "Les RH ne connaissent aucun numéro" in visible_text(page)
        assert "Cette preuve ne suffit pas" in visible_text(browser.post(address, good_release(person)))
        assert person.is_locked

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

    def test_without_an_address_leads_to_its_correction_by_the_role_that_may(self):
        """HLP-05"""
        for facts, role, words in (
            ({"recovery_address": ""}, Role.ASSISTANCE, ("aucune adresse de secours", "Demandez à un responsable")),
            (
                {"recovery_address_disputed_at": timezone.now()},
                Role.RESPONSABLES,
                ("a été signalée comme erronée", "Corriger l’adresse"),
            ),
        ):
            person = locked_account(phone=HR_NUMBER, **facts)
            _agent, browser = verified_agent(role)
            page = visible_text(browser.get(act_on("release", person)))
            assert [word for word in words if word not in page] == []
            assert "Débloquer et prévenir" not in page
            answer = visible_text(browser.post(act_on("release", person), good_release(person)))
            assert "faites-la d’abord corriger" in answer
            assert REPORT in answer
            assert person.is_locked

    def test_of_an_account_that_is_not_locked_says_so_and_keeps_what_was_typed(self, browser):
        yesterday = timezone.localdate() - timedelta(days=1)
        for person, words in (
            (active_account(), "Ce compte n’est pas bloqué"),
            (unlocked_account(), "Ce compte a été débloqué par"),
            (locked_account(end_date=yesterday), "Ce compte est fermé"),
        ):
            before = state_of(person)
            answer = visible_text(browser.post(act_on("release", person), good_release(person, proof="in-person")))
            assert words in answer
            assert REPORT in answer
            assert "Débloquer et prévenir" not in answer
            assert state_of(person) == before

    @pytest.mark.django_db(transaction=True)
    def test_a_change_that_comes_while_the_release_waits_is_shown_and_not_ticked(self, browser):
        """HLP-06: the service looks again once it holds the row."""
        person = robbed_person()
        form = good_release(person)

        def post() -> HttpResponse:
            try:
                return browser.post(act_on("release", person), form)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                Account.objects.select_for_update().get(pk=person.pk)
                answer = pool.submit(post)
                wait_until_blocked()
                record_event(account=person, event=Event.RECOVERY_ADDRESS_RESTORED, address="ancienne@exemple.net")
            page = answer.result(30)

        assert "Un changement est arrivé entre-temps : vérifiez-le aussi" in visible_text(page)
        [new, *seen] = boxes_of(page)
        assert boxes_of(page) == {new: False} | dict.fromkeys(form["reviewed"], True)
        assert seen == form["reviewed"]
        assert reloaded(person).is_locked


class TestRestoringTheAddress:
    def test_the_link_of_the_release_does_not_go_to_the_intruder(self, agent, browser, mail_delivery):
        """HLP-05, HLP-06: an agent is warned, asks the person, restores the address, unlocks."""
        person = robbed_person()
        one = a_request_about(person)
        mail_delivery.deliver()
        put_back, unlock_page = (f"{act_on(name, person)}?demande={one.reference}" for name in ("put-back", "release"))
        page = browser.get(unlock_page)
        assert "L’adresse de secours a changé récemment" in visible_text(page)
        assert f'href="{put_back}"' in page.content.decode()
        assert "Remettre i•••l@exemple.net" in visible_text(browser.get(put_back))

        answer = browser.post(put_back, good_put_back(person))

        assert answer["Location"] == unlock_page
        assert "L’adresse d’avant est remise" in visible_text(follow(browser, answer))
        now = reloaded(person)
        assert (now.recovery_address, now.can_be_mailed, now.is_locked) == (OWN, True, True)
        assert RecoveryAddressChange.objects.get().undone_at is not None
        events = (Event.CHANGE_DISOWNED, Event.RECOVERY_ADDRESS_RESTORED)
        reported, restored = person.journal.filter(event__in=events).order_by("pk")
        assert {reported.actor, restored.actor} == {agent}
        assert reported.details["reason"] == "Rappelée, elle ne connaît pas cette adresse."
        assert (reported.details["request"], reported.details["reference"]) == (one.pk, one.reference)
        lock_notice, farewell = mail_delivery.deliver()[-2:]
        assert (lock_notice["To"], lock_notice["Subject"]) == (OWN, "Votre compte informatique est bloqué")
        assert farewell["To"] == INTRUDERS
        assert not re.search(r"[A-Za-z0-9_-]{60}", text_of(farewell))

        for reviewed in (ticked(person)[1:], ticked(person)):
            browser.post(unlock_page, good_release(person, reviewed=reviewed))
            assert reloaded(person).is_locked == (len(reviewed) < len(ticked(person)))
        mail = mail_delivery.last_mail()
        assert (mail["To"], mail["Subject"]) == (OWN, "Votre compte informatique est débloqué")
        assert not Message.objects.filter(person=person, kind=Kind.REACTIVATION).exclude(address=OWN).exists()
        assert Redirection.objects.get(account=person).target == ""

    def test_of_several_changes_takes_back_the_chosen_one_once(self, browser):
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())
        later, earlier = to_put_back(person)
        for change, address in ((later, "milieu@exemple.org"), (earlier, OWN)):
            browser.post(act_on("put-back", person), good_put_back(person, change=change))
            assert (reloaded(person).recovery_address, reloaded(person).can_be_mailed) == (address, True)
        assert to_put_back(person) == []
        before, form = state_of(person), {"change": earlier, "reason": "Ce n’était pas elle."}
        answer = visible_text(browser.post(act_on("put-back", person), form))
        assert "ne peut pas, ou plus, être annulé ici" in answer
        assert form["reason"] in answer
        assert state_of(person) == before

    def test_of_an_invented_change_or_without_a_reason_is_refused(self, browser):
        """ADM-06"""
        person, other = robbed_person(), robbed_person(given_name="Zoé", recovery_address="zoe@exemple.net")
        before = state_of(person)
        password = person.journal.get(event=Event.PASSWORD_CHANGED).pk
        for change in ("", "0", "1e3", "9" * 30, to_put_back(other)[0], password):
            form = good_put_back(person, change=change)
            assert browser.post(act_on("put-back", person), form).status_code == 200
        answer = browser.post(act_on("put-back", person), good_put_back(person, reason="non"))
        assert "Écrivez la raison en quelques mots" in visible_text(answer)
        assert state_of(person) == before

    def test_decisions_of_agents_and_what_came_before_them_stay(self, browser):
        """HLP-05: it took two agents; one alone cannot take it back, but what the person changed later."""
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        in_force(reloaded(person))
        lock_account(account=person, reason=LockReason.PHISHING)
        assert to_put_back(person) == []
        page = visible_text(browser.get(act_on("put-back", person)))
        assert "Aucun changement fait par la personne ne peut être annulé ici" in page
        unlock_page = browser.get(act_on("release", person))
        assert "L’adresse de secours a changé récemment" in visible_text(unlock_page)
        assert act_on("put-back", person) not in unlock_page.content.decode()

        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        decided = in_force(reloaded(person)).new_address
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        account = reloaded(person)
        assert list(restorable_addresses(account, changes_to_review(account)).values()) == [decided]

    def test_reviewed_changes_and_first_addresses_are_not_offered(self):
        """HLP-02, HLP-06"""
        reviewed, without_address = robbed_person(), active_account(recovery_address="")
        unlock(reviewed)
        change_to(without_address, INTRUDERS)
        for person in (reviewed, without_address):
            lock_account(account=person, reason=LockReason.PHISHING)
            assert to_put_back(person) == []

    def test_is_for_agents_and_locked_accounts_alone(self, browser):
        """ADM-05"""
        person = robbed_person()
        [change] = to_put_back(person)
        for not_an_agent in (active_account(), person):
            with pytest.raises(UnlockNotAllowed):
                restore_address(account=person, agent=not_an_agent, change=change)
        person = active_account(recovery_address=OWN)
        entry = change_to(person, INTRUDERS)
        answer = browser.post(act_on("put-back", person), {"change": entry.pk, "reason": "Pas elle, dit-elle"})
        assert "Ce compte n’est pas bloqué" in visible_text(answer)
        with pytest.raises(NotLocked):
            restore_address(account=person, agent=an_agent(), change=entry.pk)
        assert reloaded(person).recovery_address == INTRUDERS

    def test_a_replacement_that_waits_is_announced_before_the_release(self, browser):
        person = locked_account()
        proposed(person, an_agent(Role.RESPONSABLES))
        assert "il attend l’accord d’un second agent" in visible_text(browser.get(act_on("release", person)))

    @pytest.mark.django_db(transaction=True)
    def test_of_two_agents_at_once_one_restores_the_address(self):
        person, agents = robbed_person(), [an_agent(), an_agent()]
        facts = {"account": person, "change": to_put_back(person)[0], "reason": "Pas elle"}
        answered = attempted_together(*[lambda agent=agent: restore_address(agent=agent, **facts) for agent in agents])
        assert {type(one) for one in answered} == {Account, AddressNotRestorable}
        assert events_of(person).count(Event.RECOVERY_ADDRESS_RESTORED) == 1
