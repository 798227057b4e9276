"""Agents find and open accounts; what they open is in the journal."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof, ReleaseReason
from accounts.locking.lock import lock_account, lock_as_agent
from accounts.models import Account, Lock
from agents.accounts.search import AccountList, accounts_matching, search_accounts
from agents.dashboard import dashboard, weekly_counts
from agents.roles import Role
from agents.templatetags.agents import masked
from assistance.services import create_request
from journal.events import Event
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery.recovering import in_force, proposed_by_hr
from tests.agents.account_actions import INTRUDERS, OWN, robbed_person
from tests.agents.screens import visible_text
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import request_data
from tests.factories import active_account, pending_account, reloaded
from tests.locking import locked_account, unlock, unlocked_account
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

LOCK, RELEASE, CORRECT = "Bloquer le compte", "Débloquer le compte", "Corriger l’adresse de secours"
RESEND, RESEND_AFTER_UNLOCK = "Renvoyer le lien d’activation", "Renvoyer le lien de réactivation"


def erased_account() -> Account:
    person = active_account()
    erase_person(account=person)
    return reloaded(person)


def found(query: str) -> set[Account]:
    return set(search_accounts(query=query))


def page(browser: Client, person: Account, **query: str) -> HttpResponse:
    return browser.get(reverse("admin:account", args=[person.pk]), query)


def mail_to(person: Account, kind: Kind = Kind.ACTIVATION, **facts: object) -> Message:
    return Message.objects.create(kind=kind, person=person, address=person.recovery_address, **facts)


class TestSearch:
    def test_by_the_beginnings_of_names_and_identifiers(self):
        zoe = pending_account(
            given_name="Zoé",
            family_name="Lefèvre",
            uid="zlefevre",
            hr_id="HR-77/B.k_9",
            institutional_address="zoe.lefevre+un'deux&trois=quatre~cinq@univ-exemple.fr",
        )
        grace = pending_account(given_name="Grace", family_name="O’Connor")
        names = ["lefevre", "LEFÈVRE", "zoé lef", "lefe zo", "zoe.lefevre", "zoe.lefevre@univ-exemple.fr", "zlefevr"]
        identifiers = [
            "hr-77",
            "HR-77/B.k_9",
            "77",
            "b.k",
            "9",
            "un",
            "deux",
            "trois",
            "quatre",
            "cinq",
            "zoe.lefevre+un",
        ]
        assert {query for query in names + identifiers if found(query) != {zoe}} == set()
        assert found("efevre") == found("lefevre grace") == set()
        assert found("oconnor") == found("o'connor") == {grace}

    def test_uses_its_index(self):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "agents_account_search" in accounts_matching("lefevre").explain()

    def test_has_pages_and_ignores_forged_ones(self, browser):
        """ADM-06"""
        for _ in range(30):
            pending_account(given_name="Ada")
        pages = [browser.get(reverse("admin:accounts"), {"q": "ada", "page": number}) for number in ("1", "2")]
        texts = [answer.content.decode() for answer in pages]
        assert [html.count('<th scope="row">') for html in texts] == [25, 5]
        assert ["Page suivante" in html for html in texts] == [True, False]
        for forged in ("page=0", "page=-1", "page=99999999", "page=%D9%A3", "etat=' OR 1=1"):
            assert browser.get(f"{reverse('admin:accounts')}?{forged}").status_code == 200, forged


class TestAnAccount:
    def test_shows_the_facts_and_its_opening_is_in_the_journal(self, agent, browser):
        """HLP-03, PRV-04: neither addresses nor the answers to identity questions are on the screen."""
        person = active_account(hr_id="RH-4711", ine="0123456789A")
        log_in(Client(), person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        proposed_by_hr(person, "chez.les.rh@exemple.org")
        mail_to(person, status=Status.BOUNCED, answer=f"550 <{person.recovery_address}> unknown")
        shown = visible_text(page(browser, person))
        for words in (
            "Fichier RH, numéro RH-4711",
            "Charte 2026-09, acceptée le",
            "1 session ouverte",
            "Redirection vers a•••s@exemple.org , pas encore vérifiée",
            "Ne figure pas dans l’annuaire public",
            "Proposée par les RH c•••h@exemple.org",
            "Dernière connexion Le",
            "Refusé par la messagerie du destinataire : 550",
        ):
            assert words in shown
        hidden = (person.recovery_address, "chez.les.rh", "ailleurs@", "0123456789A", "1984")
        html = page(browser, person).content.decode()
        assert [fact for fact in hidden if fact in html] == []
        opened = person.journal.filter(event=Event.ACCOUNT_OPENED)
        assert [entry.actor for entry in opened] == [agent, agent]
        erased = "Les données personnelles de ce compte ont été effacées le"
        assert erased in visible_text(page(browser, erased_account()))

    def test_the_recovery_address_is_masked_until_the_agent_asks_for_it(self, agent, browser):
        """LOG-01: sensitive_read."""
        person = active_account(recovery_address="camille.durand@exemple.net")
        html = page(browser, person).content.decode()
        assert "c•••d@exemple.net" in html
        assert person.recovery_address not in html
        shown = browser.post(reverse("admin:account-address", args=[person.pk])).content.decode()
        assert person.recovery_address in shown
        assert person.recovery_address not in page(browser, person).content.decode()
        assert person.journal.get(event=Event.RECOVERY_ADDRESS_READ).actor == agent
        masks = {"camille@exemple.net": "c•••e@exemple.net", "ab@exemple.net": "•••@exemple.net", "": "•••@"}
        assert {address: masked(address) for address in masks} == masks

    def test_has_the_buttons_that_fit_the_role_and_the_state(self):
        """ADM-05: what cannot be done has no button, and the button leads to its page."""
        browsers = {role: verified_agent(role)[1] for role in Role}
        manager, browsers[Role.RESPONSABLES] = verified_agent(Role.RESPONSABLES)
        left = active_account(end_date=timezone.localdate() - timedelta(days=1))
        for person, buttons_of in (
            (active_account(), {Role.ASSISTANCE: {LOCK}, Role.RESPONSABLES: {LOCK, CORRECT}}),
            (pending_account(), {Role.ASSISTANCE: {LOCK, RESEND}}),
            (unlocked_account(), {Role.ASSISTANCE: {LOCK, RESEND_AFTER_UNLOCK}}),
            (locked_account(), {Role.ASSISTANCE: {RELEASE}, Role.RESPONSABLES: {RELEASE, CORRECT}}),
            (left, {Role.RESPONSABLES: {LOCK}}),
            (erased_account(), {Role.RESPONSABLES: set()}),
            (an_agent(), {Role.RESPONSABLES: set()}),
            (manager, {Role.RESPONSABLES: set()}),
        ):
            for role, buttons in {Role.LECTURE: set(), **buttons_of}.items():
                html = page(browsers[role], person).content.decode()
                shown = dict(re.findall(r'<a\s+class="btn [^"]*"\s+href="([^"]+)"\s*>\s*([^<]+?)\s*</a>', html))
                assert set(shown.values()) == buttons, (person.state, role)
                assert all(browsers[role].get(path).status_code == 200 for path in shown)

    def test_keeps_the_request_that_the_agent_comes_from(self, browser):
        person = active_account()
        link = f'href="{reverse("admin:account-lock", args=[person.pk])}?demande=A-2345B"'
        assert link in page(browser, person, demande="A-2345B").content.decode()

    def test_shows_what_became_of_the_last_mails(self, browser):
        person = pending_account()
        for status in (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.REFUSED, Status.GIVEN_UP):
            answer = "ConnectionError" if status == Status.GIVEN_UP else "554 <x@y> spam"
            mail_to(person, Kind.NEW_LINK, status=status, answer=answer)
        shown = visible_text(page(browser, person))
        for words in ("En attente", "Envoyé", "Remis", "Refusé à l’envoi : 554", "Abandonné"):
            assert words in shown
        assert not [words for words in ("Abandonné :", "x@y") if words in shown]

    def test_shows_its_requests_and_how_earlier_locks_ended(self, agent, browser):
        person = active_account(phone="+33467123456")
        one = create_request(**request_data(login=person.login))
        lock_account(account=person, reason=LockReason.PHISHING)
        girard = an_agent(family_name="Girard")
        unlock(person, agent=girard, proof=Proof.CALL_BACK, report="Rappelée au bureau.", reviewed=[])
        lock_as_agent(account=person, agent=agent, reason=LockReason.OTHER, comment="Encore lui")
        answer = page(browser, person)
        assert reverse("admin:request", args=[one.reference]) in answer.content.decode()
        for words in (
            "Autre : contactez la DSIN Le",
            "Commentaire : Encore lui",
            "Rappel au numéro connu des RH : 04 67 12 34 56 Camille Girard Rappelée au bureau.",
        ):
            assert words in visible_text(answer)


class TestTimeline:
    def test_is_in_words_without_codes_and_links_to_the_request(self, agent, browser):
        person = robbed_person()
        one = create_request(**request_data(login=person.login))
        proof = {"reason": ReleaseReason.OTHER, "proof": Proof.CALL_BACK}
        unlock(person, agent=agent, request=one.pk, reference=one.reference, **proof)
        answer = page(browser, person)
        shown = visible_text(answer)
        for words in (
            "Compte débloqué Raison : Autre Identité vérifiée par : Rappel au numéro connu des RH",
            "Changements vérifiés : 4",
            "Agent Lea Martin",
            "Compte bloqué Raison : Un e-mail d’hameçonnage a pu capter votre mot de passe",
            "Adresse de secours changée i•••l@exemple.net → i•••s@exemple.org",
            "Redirection choisie aucune → i•••s@exemple.org",
            "La personne",
            "Automatique",
        ):
            assert words in shown
        assert not [code for code in ("call-back", "phishing", INTRUDERS, OWN) if code in shown]
        assert f'href="{reverse("admin:request", args=[one.reference])}">Demande' in answer.content.decode()

        corrected = active_account(recovery_address="camille.durand@exemple.net")
        address = in_force(corrected).new_address
        shown = visible_text(page(browser, corrected))
        assert f"c•••d@exemple.net → {masked(address)}" in shown
        assert address not in shown

    def test_can_be_filtered_by_topic_and_leaves_out_openings_by_agents(self, browser):
        """Each opening is kept; twenty of them would hide what was done."""
        person = active_account()
        log_in(Client(), person)
        mail_to(person, Kind.PASSWORD_RESET)
        for _ in range(25):
            page(browser, person)
        words = ("Connexion ", "Charte informatique", "Mot de passe oublié", "Fiche consultée par un agent")
        signed_in, charter, mailed, opened = words
        for topic, expected in (
            ("connexions", {signed_in}),
            ("changements", {charter}),
            ("e-mails", {mailed}),
            ("agents", {opened}),
        ):
            timeline = visible_text(page(browser, person, sujet=topic)).partition("Ce qui s’est passé")[2]
            assert {word for word in words if word in timeline.partition("Appareil")[2]} == expected, topic
        for topic, is_shown in (("", False), ("' OR 1=1", False), ("tout", True)):
            assert (opened in visible_text(page(browser, person, sujet=topic))) is is_shown, topic
        assert charter in visible_text(page(browser, person))


class TestDashboard:
    def test_counts_what_waits_and_each_count_leads_to_its_list(self):
        today = timezone.localtime().replace(hour=23, minute=59, second=59)
        late = pending_account(created_at=timezone.now() - timedelta(days=15))
        locked, bounced, ending = active_account(), active_account(), pending_account()
        Lock.objects.create(account=locked, reason=LockReason.PHISHING)
        mail_to(bounced, Kind.PASSWORD_RESET, status=Status.BOUNCED)
        for _ in range(2):
            mail_to(ending, status=Status.SENT, deadline=today)
        # Neither a link of yesterday nor one of an active account expires today.
        mail_to(active_account(), deadline=today)
        mail_to(pending_account(), deadline=today - timedelta(days=1))
        waits = dashboard()
        counted = (waits.locked, waits.undelivered, waits.links_expiring_today, waits.not_activated)
        assert counted == (1, 1, 1, 1)
        for among, person in (
            (AccountList.LOCKED, locked),
            (AccountList.MAIL_CAME_BACK, bounced),
            (AccountList.LINK_ENDS_TODAY, ending),
            (AccountList.NEVER_ACTIVATED, late),
        ):
            assert list(search_accounts(query="", among=among)) == [person]

    def test_late_activations_follow_the_setting_and_the_week_is_counted(self, browser, settings):
        pending_account(created_at=timezone.now() - timedelta(days=3))
        for days, count in ((2, 1), (5, 0)):
            settings.NOT_ACTIVATED_AFTER_DAYS = days
            assert dashboard().not_activated == count
            assert f"il y a plus de {days} jours" in browser.get(reverse("admin:index")).content.decode()
        assert (Event.SIGNED_IN, 1) in weekly_counts()
