"""« Adresses »: agents correct an address, propose and approve a replacement, handle proposals of HR (HLP-05, ADM-08)."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressCorrection
from accounts.recovery.corrections import approve_replacement, cancel_replacement
from agents.addresses import views
from agents.addresses.pending import pending_addresses
from agents.roles import Role
from core.templatetags.dates import datetime_long
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.recovery.recovering import GIVEN, a_responsable, approved, in_force, proposed, proposed_by_hr
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account, reloaded

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES
REASON = "Vue au guichet, carte d’identité."
TYPED = {"address": GIVEN, "proof": Proof.IN_PERSON, "reason": REASON}
OF_HR = "adresse.des.rh@exemple.org"


def correcting(account: Account) -> str:
    return reverse("admin:account-correct", args=[account.pk])


def page(browser: Client, name: str, *args: object) -> str:
    return read(browser.get(reverse(f"admin:{name}", args=args)))


def read(answer: HttpResponse) -> str:
    return unescape(answer.content.decode())


class TestCorrecting:
    def test_a_pending_account_is_corrected_at_once(self, browser, agent):
        person = pending_account()
        form = read(browser.get(correcting(person)))
        assert "la correction s’applique tout de suite" in form
        assert "proof" not in form
        answer = browser.post(correcting(person), {"address": f" {GIVEN.upper()} ", "reason": REASON}, follow=True)
        assert answer.redirect_chain == [(reverse("admin:account", args=[person.pk]), 302)]
        assert "L’adresse de secours est corrigée." in read(answer)
        assert reloaded(person).recovery_address == "DONNEE@exemple.org"
        entry = person.journal.get(event=Event.RECOVERY_ADDRESS_CORRECTED)
        assert (entry.actor, entry.details["reason"]) == (agent, REASON)
        correction = RecoveryAddressCorrection.objects.get()
        for name in ("address", "address-give-up"):
            assert browser.get(reverse(f"admin:{name}", args=[correction.pk])).status_code == 404

    def test_an_account_in_use_is_proposed_to_a_second_agent(self, browser, agent):
        """HLP-05: from a request and back to it; the present address is masked."""
        person = active_account(phone="+33467123456", recovery_address="camille.durand@exemple.net")
        request = assistance_request(login=person.login)
        path, back = f"{correcting(person)}?demande={request.reference}", f"/admin/demandes/{request.reference}/"
        form = read(browser.get(path))
        for words in ("un autre agent doit approuver", "04\u00a067", f'href="{back}"', "c•••d@", 'autocomplete="off"'):
            assert words in form
        assert "camille.durand@" not in form
        answer = browser.post(path, TYPED, follow=True)
        assert answer.redirect_chain == [(back, 302)]
        assert "Elle attend l’accord d’un autre agent." in read(answer)
        assert reloaded(person).recovery_address == person.recovery_address
        correction = RecoveryAddressCorrection.objects.get()
        assert (correction.account, correction.proposed_by, correction.note) == (person, agent, REASON)
        assert person.journal.get(event=Event.RECOVERY_REPLACEMENT_PROPOSED).details["reference"] == request.reference
        shown = read(browser.get(correcting(person)))
        assert reverse("admin:address", args=[correction.pk]) in shown
        assert 'name="address"' not in shown

    def test_errors_are_explained_and_keep_what_was_typed(self, browser):
        """HLP-03, HLP-04, FWD-02"""
        person = active_account(recovery_address="une@exemple.net", phone="")
        for changed, words in (
            ({"address": ""}, "Saisissez la nouvelle adresse de secours"),
            ({"address": "camille@univ-exemple.fr"}, "doit être une adresse extérieure à l’université"),
            ({"address": "une@exemple.net"}, "C’est déjà l’adresse de secours de ce compte"),
            ({"proof": ""}, "Indiquez comment l’identité a été vérifiée"),
            ({"proof": "birth-date"}, "Cette preuve ne suffit pas"),
            ({"proof": Proof.CALL_BACK}, "Cette preuve ne suffit pas"),
            ({"reason": "vue"}, "Écrivez un compte rendu de quelques mots"),
            ({"reason": "a" * 501}, "Le compte rendu dépasse 500\u00a0caractères"),
        ):
            answer = read(browser.post(correcting(person), {**TYPED, **changed}))
            assert words in answer, changed
            assert changed.get("reason", REASON) in answer
        assert not RecoveryAddressCorrection.objects.exists()

    def test_an_address_that_looks_mistyped_is_confirmed_first(self, browser):
        slip = {**TYPED, "address": "camille@gmial.com"}
        for spelling, stored in (("corrected", "gmail.com"), ("kept", "gmial.com")):
            person = active_account()
            asked = read(browser.post(correcting(person), slip))
            assert "Utiliser camille@gmail.com" in asked
            assert "Garder l’adresse saisie" in asked
            assert browser.post(correcting(person), {**slip, "spelling": spelling}).status_code == 302
            assert RecoveryAddressCorrection.objects.get(account=person).new_address == f"camille@{stored}"

    @pytest.mark.parametrize("at_the_last_moment", [False, True])
    def test_an_account_that_is_locked_meanwhile_needs_a_proof(self, browser, monkeypatch, at_the_last_moment):
        """Race: before the form is sent, or between the form and the row."""
        person, act = pending_account(), views.correct_at_once

        def lock_first(**facts: object) -> object:
            lock_account(account=person, reason=LockReason.OTHER)
            return act(**facts)

        words = "Indiquez comment l’identité a été vérifiée"
        if at_the_last_moment:
            monkeypatch.setattr(views, "correct_at_once", lock_first)
            words = "Le compte vient d’être activé ou bloqué"
        else:
            lock_account(account=person, reason=LockReason.OTHER)
        answer = read(browser.post(correcting(person), {"address": GIVEN, "reason": REASON}))
        for expected in (words, f'value="{GIVEN}"', REASON):
            assert expected in answer
        assert not RecoveryAddressCorrection.objects.exists()

    def test_a_concurrent_proposal_is_shown_and_a_closed_account_has_no_form(self, browser):
        person = active_account()
        proposed(person, a_responsable(given_name="Léa", family_name="Martin"))
        answer = read(browser.post(correcting(person), {**TYPED, "address": "autre@exemple.org"}))
        assert "Léa Martin a proposé une autre adresse pour ce compte" in answer
        assert "autre@exemple.org" in answer
        closed = active_account(end_date=timezone.localdate() - timedelta(days=1))
        assert 'name="address"' not in read(browser.get(correcting(closed)))
        assert "Ce compte est fermé" in read(browser.post(correcting(closed), TYPED))
        assert RecoveryAddressCorrection.objects.get().account == person

    def test_an_agent_corrects_neither_their_own_address_nor_an_agents(self, browser, agent):
        """ADM-05"""
        for account in (agent, an_agent(), a_responsable()):
            assert browser.get(correcting(account)).status_code == 403
            assert browser.post(correcting(account), TYPED).status_code == 403


class TestApproving:
    def test_another_agent_sees_what_there_is_to_know_and_approves(self):
        """HLP-05, LOG-01: sensitive_read of the address."""
        with time_machine.travel(datetime(2026, 6, 10, 10, tzinfo=UTC), tick=False):
            (proposer, browser), (other, others_browser) = (verified_agent(Role.RESPONSABLES) for _ in range(2))
            correction = proposed(active_account(), proposer)
            reads = correction.account.journal.filter(event=Event.RECOVERY_ADDRESS_READ)
            assert "Examiner" in page(others_browser, "addresses")
            assert not reads.exists()
            shown = page(others_browser, "address", correction.pk)
            for words in (GIVEN, correction.note, "En personne, pièce d’identité", proposer.full_name):
                assert words in shown
            assert correction.previous_address not in shown
            assert reads.get().actor == other

            path = reverse("admin:address-approve", args=[correction.pk])
            own = page(browser, "address", correction.pk)
            assert path not in own
            assert "un autre agent doit l’approuver" in own
            assert browser.post(path).status_code == 403
            correction.refresh_from_db()
            assert correction.approved_at is None

            answer = others_browser.post(path, follow=True)
            correction.refresh_from_db()
            assert correction.effective_at == datetime(2026, 6, 11, 10, tzinfo=UTC)
            assert correction.approved_by == other
            assert f"Elle servira à partir du {datetime_long(correction.effective_at)}." in read(answer)

    def test_the_list_shows_addresses_masked(self, browser):
        person = active_account(recovery_address="camille.durand@exemple.net")
        proposed(active_account())
        approved(active_account())
        proposed_by_hr(person, OF_HR)
        html = page(browser, "addresses")
        assert not [address for address in (GIVEN, OF_HR, person.recovery_address) if address in html]
        assert "d•••e@exemple.org" in html
        assert (pending_addresses().to_approve, pending_addresses().proposed_by_hr) == (1, 1)

    def test_says_what_happened_meanwhile(self, browser):
        lea = a_responsable(given_name="Léa", family_name="Martin")
        yesterday = timezone.localdate() - timedelta(days=1)

        def change(correction: RecoveryAddressCorrection, **facts: object) -> None:
            Account.objects.filter(pk=correction.account_id).update(**facts)

        happens = {
            "Léa Martin a approuvé cette adresse le": lambda it: approve_replacement(correction_id=it.pk, agent=lea),
            "Cette adresse a été abandonnée par Léa Martin le": lambda it: cancel_replacement(
                correction_id=it.pk, agent=lea, reason=REASON
            ),
            "L’adresse en place a changé depuis la proposition": lambda it: change(
                it, recovery_address="a@exemple.org"
            ),
            "Ce compte est fermé": lambda it: change(it, end_date=yesterday),
        }
        corrections = {in_force(active_account()): "Cette adresse est en vigueur depuis le"}
        for words, happen in happens.items():
            correction = proposed(active_account())
            happen(correction)
            corrections[correction] = words
        for correction, words in corrections.items():
            before = RecoveryAddressCorrection.objects.values().get(pk=correction.pk)
            answer = browser.post(reverse("admin:address-approve", args=[correction.pk]), follow=True)
            assert words in read(answer)
            assert RecoveryAddressCorrection.objects.values().get(pk=correction.pk) == before


def test_cancelling_a_replacement_needs_a_reason_and_comes_in_time(browser, agent):
    """HLP-05"""
    correction = approved(active_account())
    address = reverse("admin:address-give-up", args=[correction.pk])
    assert "Annuler le remplacement" in read(browser.get(address))
    assert "Écrivez la raison" in read(browser.post(address, {"reason": " "}))
    correction.refresh_from_db()
    assert correction.is_open
    answer = browser.post(address, {"reason": REASON}, follow=True)
    assert "l’adresse de secours reste celle en place" in read(answer)
    entry = correction.account.journal.get(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
    assert (entry.actor, entry.details["reason"]) == (agent, REASON)

    late = in_force(active_account())
    address = reverse("admin:address-give-up", args=[late.pk])
    for answer in (browser.get(address, follow=True), browser.post(address, {"reason": REASON}, follow=True)):
        assert "Cette adresse est en vigueur depuis le" in read(answer)
    assert reloaded(late.account).recovery_address == GIVEN


class TestProposalsOfHr:
    def test_are_reused_without_the_address_in_the_url(self, browser, agent):
        """ADM-08, LOG-01"""
        person = active_account()
        link = f"{correcting(person)}?proposition=rh"
        reads = person.journal.filter(event=Event.RECOVERY_ADDRESS_READ)
        assert not re.search(r'<input[^>]*name="address"[^>]*value=', read(browser.get(link)))
        assert not reads.exists()
        proposed_by_hr(person, OF_HR)
        assert f'href="{link}"' in page(browser, "addresses")
        assert f'value="{OF_HR}"' in read(browser.get(link))
        assert reads.get().actor == agent
        assert browser.post(link, {**TYPED, "address": OF_HR}).status_code == 302
        assert RecoveryAddressCorrection.objects.get().new_address == OF_HR
        assert OF_HR not in read(browser.get(link))

    def test_are_dismissed_with_a_reason(self, browser, agent):
        """ADM-08"""
        person = active_account()
        address = reverse("admin:address-dismiss", args=[proposed_by_hr(person, OF_HR).pk])
        assert OF_HR not in read(browser.get(address))
        assert "Écrivez la raison" in read(browser.post(address, {"reason": ""}))
        answer = read(browser.post(address, {"reason": REASON}, follow=True))
        assert "La proposition des RH est écartée." in answer
        assert "Aucune adresse proposée." in answer
        kept = person.journal.get(event=Event.RECOVERY_PROPOSAL_DISMISSED)
        assert (kept.actor, kept.details["reason"]) == (agent, REASON)
        for again in (browser.get(address, follow=True), browser.post(address, {"reason": REASON}, follow=True)):
            assert "elle a été traitée" in read(again)

    def test_of_thousands_one_page_is_read(self, browser, django_assert_max_num_queries):
        people = Account.objects.bulk_create(
            Account(
                uid=f"p{number}",
                institutional_address=f"p{number}@univ-exemple.fr",
                given_name="Camille",
                family_name=f"Durand{number}",
                category="student",
                recovery_address=f"p{number}@exemple.net",
                password="!",
            )
            for number in range(2_000)
        )
        facts = {"event": Event.RECOVERY_ADDRESS_PROPOSED, "source": "command"}
        JournalEntry.objects.bulk_create(
            JournalEntry(account=person, details={"proposed": f"rh{turn}@exemple.org"}, **facts)
            for turn in range(2)
            for person in people
        )
        with django_assert_max_num_queries(8):
            first = page(browser, "addresses")
        assert first.count("Reprendre") == 25
        assert "Durand24" in first
        for forged in ("99", "0", "x", "99999999"):
            answer = browser.get(reverse("admin:addresses"), {"page": forged})
            assert answer.status_code == 200
        assert pending_addresses().proposed_by_hr == 2_000


def test_the_menu_shows_the_page_to_roles_that_may_open_it():
    """ADM-05"""
    for role in Role:
        _agent, browser = verified_agent(role)
        assert (f'href="{reverse("admin:addresses")}"' in page(browser, "device")) is (role == Role.RESPONSABLES)
