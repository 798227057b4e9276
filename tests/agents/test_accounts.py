"""The page of an account and the dashboard; what agents open is in the journal."""

import re
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof
from accounts.locking.lock import lock_as_agent
from accounts.models import Account, Lock
from agents.accounts.search import AccountList, search_accounts
from agents.dashboard import dashboard, weekly_counts
from agents.roles import Role
from agents.templatetags.agents import masked
from journal.events import Event
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery.recovering import proposed_by_hr
from tests.agents.screens import visible_text
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account, reloaded
from tests.locking import locked_account, unlock, unlocked_account
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db


def page(browser: Client, person: Account, **query: str) -> HttpResponse:
    return browser.get(reverse("admin:account", args=[person.pk]), query)


def mail_to(person: Account, kind: Kind = Kind.ACTIVATION, **facts: object) -> Message:
    return Message.objects.create(kind=kind, person=person, address=person.recovery_address, **facts)


def erased_account() -> Account:
    person = active_account()
    erase_person(account=person)
    return reloaded(person)


def missing(words: tuple[str, ...], shown: str) -> list[str]:
    return [each for each in words if each not in shown]


class TestAnAccount:
    def test_shows_the_facts_without_addresses_and_its_opening_is_in_the_journal(self, agent, browser):
        """HLP-03, PRV-04: neither addresses nor the answers to identity questions are on the screen."""
        person = active_account(hr_id="RH-4711", ine="0123456789A", recovery_address="camille.durand@exemple.net")
        log_in(Client(), person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        proposed_by_hr(person, "chez.les.rh@exemple.org")
        mail_to(person, status=Status.BOUNCED, answer="550 <camille.durand@exemple.net> unknown")
        answer = page(browser, person)
        facts = ("Fichier RH, numéro RH-4711", "Charte 2026-09, acceptée le", "1 session ouverte", "c•••d@exemple.net")
        facts += ("Redirection vers a•••s@exemple.org , pas encore vérifiée", "Ne figure pas dans l’annuaire public")
        facts += ("Proposée par les RH c•••h@exemple.org", "Refusé par la messagerie du destinataire : 550")
        assert missing(facts, visible_text(answer)) == []
        hidden = (person.recovery_address, "chez.les.rh", "ailleurs@", "0123456789A", "1984")
        assert [fact for fact in hidden if fact in answer.content.decode()] == []
        assert person.journal.get(event=Event.ACCOUNT_OPENED).actor == agent
        erased = "Les données personnelles de ce compte ont été effacées le"
        assert erased in visible_text(page(browser, erased_account()))

    def test_the_recovery_address_is_masked_until_the_agent_asks_for_it(self, agent, browser):
        """LOG-01: sensitive_read."""
        person = active_account()
        shown = browser.post(reverse("admin:account-address", args=[person.pk])).content.decode()
        assert person.recovery_address in shown
        assert person.recovery_address not in page(browser, person).content.decode()
        assert person.journal.get(event=Event.RECOVERY_ADDRESS_READ).actor == agent
        masks = {"camille@exemple.net": "c•••e@exemple.net", "ab@exemple.net": "•••@exemple.net", "": "•••@"}
        assert {address: masked(address) for address in masks} == masks

    def test_has_the_buttons_that_fit_the_role_and_the_state(self):
        """ADM-05: what cannot be done has no button, and the button leads to its page."""
        lock, release, correct = "Bloquer le compte", "Débloquer le compte", "Corriger l’adresse de secours"
        resend, resend_after_unlock = "Renvoyer le lien d’activation", "Renvoyer le lien de réactivation"
        browsers = {role: verified_agent(role)[1] for role in Role}
        manager, browsers[Role.RESPONSABLES] = verified_agent(Role.RESPONSABLES)
        left = active_account(end_date=timezone.localdate() - timedelta(days=1))
        for person, buttons_of in (
            (active_account(), {Role.ASSISTANCE: {lock}, Role.RESPONSABLES: {lock, correct}}),
            (pending_account(), {Role.ASSISTANCE: {lock, resend}}),
            (unlocked_account(), {Role.ASSISTANCE: {lock, resend_after_unlock}}),
            (locked_account(), {Role.ASSISTANCE: {release}, Role.RESPONSABLES: {release, correct}}),
            (left, {Role.RESPONSABLES: {lock}}),
            *((one, {Role.RESPONSABLES: set()}) for one in (erased_account(), an_agent(), manager)),
        ):
            for role, buttons in {Role.LECTURE: set(), **buttons_of}.items():
                html = page(browsers[role], person).content.decode()
                shown = dict(re.findall(r'<a\s+class="btn [^"]*"\s+href="([^"]+)"\s*>\s*([^<]+?)\s*</a>', html))
                assert set(shown.values()) == buttons, (person.state, role)
                assert all(browsers[role].get(path).status_code == 200 for path in shown)

    def test_shows_its_mails_its_requests_and_how_earlier_locks_ended(self, agent, browser):
        person = locked_account(phone="+33467123456")
        for status in (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.REFUSED):
            mail_to(person, Kind.NEW_LINK, status=status, answer="554 <x@y> spam")
        request = assistance_request(login=person.login)
        girard = an_agent(family_name="Girard")
        unlock(person, agent=girard, proof=Proof.CALL_BACK, report="Rappelée au bureau.", reviewed=[])
        lock_as_agent(account=person, agent=agent, reason=LockReason.OTHER, comment="Encore lui")
        Message.objects.filter(person=person).exclude(kind=Kind.NEW_LINK).update(created_at="2020-01-01T00:00Z")
        answer = page(browser, person, demande="A-2345B")
        call = "Rappel au numéro connu des RH : 04 67 12 34 56 Camille Girard Rappelée au bureau."
        words = ("En attente", "Envoyé", "Remis", "Refusé à l’envoi : 554", "Commentaire : Encore lui", call)
        words += ("Agent Lea Martin", "Automatique", "Identité vérifiée par : Rappel au numéro connu des RH")
        assert missing(words, visible_text(answer)) == []
        html = answer.content.decode()
        assert "x@y" not in html
        assert f'href="{reverse("admin:request", args=[request.reference])}"' in html
        assert f'href="{reverse("admin:account-release", args=[person.pk])}?demande=A-2345B"' in html

    def test_has_a_timeline_by_topic_that_leaves_out_openings_by_agents(self, browser):
        """Each opening is kept; twenty of them would hide what was done."""
        person = active_account()
        log_in(Client(), person)
        mail_to(person, Kind.PASSWORD_RESET)
        for _ in range(25):
            page(browser, person)
        words = ("Connexion ", "Charte informatique", "Mot de passe oublié", "Fiche du compte consultée par un agent")
        signed_in, charter, mailed, opened = words
        shown = {"connexions": {signed_in}, "changements": {charter}, "e-mails": {mailed}, "agents": {opened}}
        for topic, expected in {**shown, "": {signed_in, charter, mailed}}.items():
            timeline = visible_text(page(browser, person, sujet=topic)).partition("Historique du compte")[2]
            assert {word for word in words if word in timeline.partition("Appareil")[2]} == expected, topic
        assert opened in visible_text(page(browser, person, sujet="tout"))


def test_the_dashboard_counts_what_waits_and_each_count_leads_to_its_list(browser, settings):
    today = timezone.localtime().replace(hour=23, minute=59, second=59)
    late = pending_account(created_at=timezone.now() - timedelta(days=15))
    locked, bounced, ending = active_account(), active_account(), pending_account()
    Lock.objects.create(account=locked, reason=LockReason.PHISHING)
    for _ in range(2):
        mail_to(bounced, Kind.PASSWORD_RESET, status=Status.BOUNCED)
        mail_to(ending, status=Status.SENT, deadline=today)
    mail_to(pending_account(), status=Status.BOUNCED, created_at=timezone.now() - timedelta(days=8))
    # Neither a link of yesterday nor one of an active account expires today.
    mail_to(active_account(), deadline=today)
    mail_to(pending_account(), deadline=today - timedelta(days=1))
    waits = dashboard()
    assert (waits.locked, waits.undelivered, waits.links_expiring_today, waits.not_activated) == (1, 1, 1, 1)
    lists = {AccountList.LOCKED: locked, AccountList.MAIL_CAME_BACK: bounced, AccountList.LINK_ENDS_TODAY: ending}
    for among, person in {**lists, AccountList.NEVER_ACTIVATED: late}.items():
        assert list(search_accounts(query="", among=among)) == [person]
    settings.NOT_ACTIVATED_AFTER_DAYS = 16
    assert dashboard().not_activated == 0
    assert "depuis plus de 16 jours" in browser.get(reverse("admin:index")).content.decode()
    assert (Event.SIGNED_IN, 1) in weekly_counts()
