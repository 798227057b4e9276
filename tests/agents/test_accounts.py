"""Agents find and open accounts; what they open is in the journal."""

import re
from datetime import timedelta

import pytest
from django.db import connection
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
from core.templatetags.dates import past_datetime
from journal.events import Event
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery import recovering
from tests.accounts.recovery.correcting import in_force, proposed_by_hr
from tests.agents.account_actions import INTRUDERS, OWN, robbed_person
from tests.agents.screens import visible_text
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import request_data
from tests.factories import active_account, pending_account
from tests.locking import locked_account, reloaded, unlock, unlocked_account

pytestmark = pytest.mark.django_db


LOCK, RELEASE, CORRECT = "Bloquer le compte", "Débloquer le compte", "Corriger l’adresse de secours"
RESEND, RESEND_AFTER_RELEASE = "Renvoyer le lien d’activation", "Renvoyer le lien de réactivation"


def account_that_left() -> Account:
    return active_account(end_date=timezone.localdate() - timedelta(days=1))


def erased_account() -> Account:
    person = active_account()
    erase_person(account=person)
    return reloaded(person)


def found(query: str) -> set[Account]:
    return set(search_accounts(query=query))


class TestSearch:
    def test_by_the_beginnings_of_names_and_identifiers(self):
        zoe = pending_account(
            given_name="Zoé",
            family_name="Lefèvre",
            uid="zlefevre",
            hr_id="HR-77/B.k_9",
            institutional_address="zoe.lefevre+un'deux&trois=quatre~cinq@univ-exemple.fr",
        )
        pending_account(given_name="Paul", family_name="Girard")
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
        assert found("efevre") == found("lefevre paul") == set()

    def test_names_of_several_words_may_be_written_as_one(self):
        someone = pending_account(given_name="Grace", family_name="O’Connor")
        assert found("oconnor") == found("o'connor") == {someone}

    def test_uses_its_index(self):
        pending_account()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "agents_account_search" in accounts_matching("lefevre").explain()

    def test_ignores_forged_filters(self):
        """ADM-06"""
        _agent, browser = verified_agent()
        forged = ("password__startswith=argon2", "o=1.2.3", "etat=' OR 1=1")
        pages = ("page=0", "page=-1", "page=99999999", "page=%D9%A3")
        for query in (*forged, *pages):
            assert browser.get(f"{reverse('admin:accounts')}?{query}").status_code == 200, query

    def test_goes_from_page_to_page_without_counting(self):
        _agent, browser = verified_agent()
        for _ in range(30):
            pending_account(given_name="Ada")
        first = browser.get(reverse("admin:accounts"), {"q": "ada"}).content.decode()
        second = browser.get(reverse("admin:accounts"), {"q": "ada", "page": "2"}).content.decode()
        assert first.count('<th scope="row">') == 25
        assert second.count('<th scope="row">') == 5
        assert "Page suivante" in first
        assert "Page suivante" not in second


class TestAnAccount:
    def test_each_opening_is_in_its_journal(self):
        agent, browser = verified_agent(Role.LECTURE)
        person = active_account()
        for _ in range(2):
            browser.get(reverse("admin:account", args=[person.pk]))
        opened = person.journal.filter(event=Event.ACCOUNT_OPENED)
        assert [entry.actor for entry in opened] == [agent, agent]

    def test_the_recovery_address_is_masked_until_it_is_asked_for(self):
        """LOG-01: sensitive_read."""
        agent, browser = verified_agent()
        person = active_account(recovery_address="camille.durand@exemple.net")
        address = reverse("admin:account", args=[person.pk])

        page = browser.get(address).content.decode()
        assert "c•••d@exemple.net" in page
        assert person.recovery_address not in page
        shown = browser.post(reverse("admin:account-address", args=[person.pk])).content.decode()
        assert person.recovery_address in shown
        assert person.recovery_address not in browser.get(address).content.decode()

        entry = person.journal.get(event=Event.RECOVERY_ADDRESS_READ)
        assert entry.actor == agent

    def test_shows_the_fate_of_mails_and_neither_ine_nor_birth_date(self):
        """HLP-03: the answers to identity questions are not on the screen."""
        _agent, browser = verified_agent()
        person = active_account(ine="0123456789A")
        Message.objects.create(
            kind=Kind.ACTIVATION,
            person=person,
            address=person.recovery_address,
            status=Status.BOUNCED,
            answer=f"550 <{person.recovery_address}> unknown",
        )
        page = browser.get(reverse("admin:account", args=[person.pk])).content.decode()
        assert "Refusé par la messagerie du destinataire" in page
        assert re.search(r" : 550\s*<", page.replace("\u00a0", " "))
        assert person.recovery_address not in page
        assert "0123456789A" not in page
        assert "1984" not in page

    def test_has_the_buttons_that_fit_the_role_and_the_state(self):
        """ADM-05: what cannot be done has no button, and the button leads to its page."""
        browsers = {role: verified_agent(role)[1] for role in Role}
        expected = [
            (active_account(), {Role.ASSISTANCE: {LOCK}, Role.RESPONSABLES: {LOCK, CORRECT}}),
            (pending_account(), {Role.ASSISTANCE: {LOCK, RESEND}}),
            (unlocked_account(), {Role.ASSISTANCE: {LOCK, RESEND_AFTER_RELEASE}}),
            (locked_account(), {Role.ASSISTANCE: {RELEASE}, Role.RESPONSABLES: {RELEASE, CORRECT}}),
            (account_that_left(), {Role.RESPONSABLES: {LOCK}}),
            (erased_account(), {Role.RESPONSABLES: set()}),
            (an_agent(), {Role.RESPONSABLES: set()}),
        ]
        for person, buttons_of in expected:
            for role, buttons in {Role.LECTURE: set(), **buttons_of}.items():
                html = browsers[role].get(reverse("admin:account", args=[person.pk])).content.decode()
                shown = dict(re.findall(r'<a\s+class="btn [^"]*"\s+href="([^"]+)"\s*>\s*([^<]+?)\s*</a>', html))
                assert set(shown.values()) == buttons, (person.state, role)
                assert all(browsers[role].get(path).status_code == 200 for path in shown)

    def test_has_no_button_for_its_own_owner(self):
        """ADM-05"""
        agent, browser = verified_agent(Role.RESPONSABLES)
        html = browser.get(reverse("admin:account", args=[agent.pk])).content.decode()
        assert "C’est votre propre compte" in html
        assert '<a class="btn ' not in html

    def test_keeps_the_request_that_the_agent_comes_from(self):
        _agent, browser = verified_agent()
        person = active_account()
        address = reverse("admin:account", args=[person.pk])
        html = browser.get(address, {"demande": "A-2345B"}).content.decode()
        assert f'href="{reverse("admin:account-lock", args=[person.pk])}?demande=A-2345B"' in html
        assert '"><script>' not in browser.get(address, {"demande": '"><script>alert(1)</script>'}).content.decode()

    def test_shows_the_facts_and_hides_the_addresses(self):
        _agent, browser = verified_agent()
        person = active_account(hr_id="RH-4711")
        owner = recovering.browser_of(person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        proposed_by_hr(person, "chez.les.rh@exemple.org")
        page = visible_text(browser.get(reverse("admin:account", args=[person.pk])))
        for words in (
            "Fichier RH, numéro RH-4711",
            "Charte 2026-09, acceptée le",
            "1 session ouverte",
            "Redirection vers a•••s@exemple.org , pas encore vérifiée",
            "Ne figure pas dans l’annuaire public",
            "Proposée par les RH c•••h@exemple.org",
        ):
            assert words in page
        assert "Dernière connexion Le" in page
        assert "chez.les.rh" not in page
        assert "ailleurs@" not in page
        assert owner.get(reverse("account")).status_code == 200

    def test_says_when_the_data_were_erased(self):
        _agent, browser = verified_agent()
        page = visible_text(browser.get(reverse("admin:account", args=[erased_account().pk])))
        assert "Les données personnelles de ce compte ont été effacées le" in page

    def test_shows_what_became_of_the_last_mails(self):
        _agent, browser = verified_agent()
        person = pending_account()
        for number, status in enumerate(
            (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.REFUSED, Status.GIVEN_UP)
        ):
            Message.objects.create(
                kind=Kind.NEW_LINK,
                person=person,
                address=person.recovery_address,
                status=status,
                answer="ConnectionError" if status == Status.GIVEN_UP else "554 <x@y> spam",
                created_at=timezone.now() - timedelta(hours=number),
            )
        page = visible_text(browser.get(reverse("admin:account", args=[person.pk])))
        for words in ("En attente", "Envoyé", "Remis", "Refusé à l’envoi : 554", "Abandonné"):
            assert words in page
        assert "Abandonné :" not in page
        assert "x@y" not in page

    def test_shows_its_requests_and_how_earlier_locks_ended(self):
        agent, browser = verified_agent()
        person = active_account(phone="+33467123456")
        one = create_request(**request_data(login=person.login))
        lock_account(account=person, reason=LockReason.PHISHING)
        other = an_agent(family_name="Girard")
        unlock(person, agent=other, proof=Proof.CALL_BACK, report="Rappelée au bureau.", reviewed=[])
        lock_as_agent(account=person, agent=agent, reason=LockReason.OTHER, comment="Encore lui")
        answer = browser.get(reverse("admin:account", args=[person.pk]))
        page = visible_text(answer)
        assert reverse("admin:request", args=[one.reference]) in answer.content.decode()
        assert f"Autre : contactez la DSIN Le {past_datetime(timezone.now())[:2]}" in page
        assert "Commentaire : Encore lui" in page
        assert "Rappel au numéro connu des RH : 04 67 12 34 56 Camille Girard Rappelée au bureau." in page

    def test_that_is_not_there_is_not_found(self):
        _agent, browser = verified_agent()
        assert browser.get(reverse("admin:account", args=[10**9])).status_code == 404

    def test_masks_hide_enough(self):
        masks = {"camille@exemple.net": "c•••e@exemple.net", "ab@exemple.net": "•••@exemple.net", "": "•••@"}
        assert {address: masked(address) for address in masks} == masks


class TestWhatHappened:
    """The timeline of an account: who, what, why, in words."""

    def page(self, browser: Client, person: Account, topic: str = "") -> str:
        return visible_text(browser.get(reverse("admin:account", args=[person.pk]), {"sujet": topic}))

    def test_is_told_without_codes_and_leads_to_the_request(self):
        agent, browser = verified_agent(given_name="Lea", family_name="Martin")
        person = robbed_person()
        one = create_request(**request_data(login=person.login))
        unlock(
            person,
            agent=agent,
            reason=ReleaseReason.OTHER,
            proof=Proof.CALL_BACK,
            request=one.pk,
            reference=one.reference,
        )
        answer = browser.get(reverse("admin:account", args=[person.pk]))
        page = visible_text(answer)
        for words in (
            "Compte débloqué Raison : Autre Identité vérifiée par : Rappel au numéro connu des RH",
            "Changements vérifiés : 4",
            f"Demande {one.reference}",
            "Agent Lea Martin",
            "Compte bloqué Raison : Un e-mail d’hameçonnage a pu capter votre mot de passe",
            "Adresse de secours changée i•••l@exemple.net → i•••s@exemple.org",
            "Redirection choisie aucune → i•••s@exemple.org",
            "La personne",
            "Automatique",
        ):
            assert words in page
        for code in ("call-back", "phishing", INTRUDERS, OWN):
            assert code not in page
        assert f'href="{reverse("admin:request", args=[one.reference])}">Demande' in answer.content.decode()

    def test_leaves_out_who_only_looked_unless_asked(self):
        """Each opening is kept; twenty of them would hide what was done."""
        _agent, browser = verified_agent()
        person = active_account()
        for _ in range(25):
            browser.get(reverse("admin:account", args=[person.pk]))
        looked = "Fiche consultée par un agent"
        assert looked not in self.page(browser, person)
        assert "Charte informatique acceptée" in self.page(browser, person)
        assert looked not in self.page(browser, person, "changements")
        assert looked in self.page(browser, person, "agents")
        assert looked in self.page(browser, person, "tout")

    def test_can_be_looked_through_by_topic(self):
        _agent, browser = verified_agent()
        person = active_account()
        recovering.browser_of(person)
        Message.objects.create(kind=Kind.PASSWORD_RESET, person=person, address=person.recovery_address)
        of_topic = {
            topic: self.page(browser, person, topic).partition("Ce qui s’est passé")[2]
            for topic in ("connexions", "changements", "e-mails", "agents", "' OR 1=1")
        }
        kinds = {"connexions": "Connexion ", "changements": "Charte informatique", "e-mails": "Mot de passe oublié"}
        for topic, words in kinds.items():
            for other in kinds:
                rows = of_topic[other].partition("Appareil")[2]
                assert (words in rows) == (other == topic), (topic, other)
        assert "Charte informatique" not in of_topic["agents"]
        assert "Charte informatique" in of_topic["' OR 1=1"]

    def test_names_the_addresses_that_agents_gave(self):
        _agent, browser = verified_agent()
        person = active_account(recovery_address="camille.durand@exemple.net")
        correction = in_force(person)
        page = self.page(browser, person)
        assert f"c•••d@exemple.net → {masked(correction.new_address)}" in page
        assert correction.new_address not in page


class TestWhatWaits:
    def test_is_counted_and_each_count_leads_to_its_list(self):
        late = pending_account(created_at=timezone.now() - timedelta(days=15))
        locked, bounced, ending = active_account(), active_account(), pending_account()
        Lock.objects.create(account=locked, reason=LockReason.PHISHING)
        Message.objects.create(
            kind=Kind.PASSWORD_RESET, person=bounced, address=bounced.recovery_address, status=Status.BOUNCED
        )
        for _ in range(2):
            Message.objects.create(
                kind=Kind.ACTIVATION,
                person=ending,
                address=ending.recovery_address,
                status=Status.SENT,
                deadline=timezone.localtime().replace(hour=23, minute=59, second=59),
            )

        waits = dashboard()

        counted = (waits.locked, waits.undelivered, waits.links_expiring_today, waits.not_activated)
        assert counted == (1, 1, 1, 1)
        lists = {
            AccountList.LOCKED: locked,
            AccountList.MAIL_CAME_BACK: bounced,
            AccountList.LINK_ENDS_TODAY: ending,
            AccountList.NEVER_ACTIVATED: late,
        }
        for among, person in lists.items():
            assert list(search_accounts(query="", among=among)) == [person]

    def test_counts_late_activations_after_the_days_of_the_setting(self, settings):
        pending_account(created_at=timezone.now() - timedelta(days=3))
        _agent, browser = verified_agent()
        for days, shown in ((2, 1), (5, 0)):
            settings.NOT_ACTIVATED_AFTER_DAYS = days
            assert dashboard().not_activated == shown
            assert f"il y a plus de {days} jours" in browser.get(reverse("admin:index")).content.decode()

    def test_links_of_yesterday_and_of_those_who_have_activated_wait_no_more(self):
        for person, when in ((active_account(), timedelta(0)), (pending_account(), timedelta(days=-1))):
            Message.objects.create(
                kind=Kind.ACTIVATION,
                person=person,
                address=person.recovery_address,
                deadline=timezone.localtime().replace(hour=23, minute=59, second=59) + when,
            )
        assert dashboard().links_expiring_today == 0

    def test_the_week_is_told_in_the_words_of_the_journal(self):
        _agent, _browser = verified_agent()
        assert (Event.SIGNED_IN, 1) in weekly_counts()
