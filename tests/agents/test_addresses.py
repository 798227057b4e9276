"""« Adresses »: agents correct a slip, propose and approve a replacement, deal with what HR proposes (HLP-05, ADM-08)."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressCorrection
from accounts.recovery.corrections import approve_replacement, cancel_replacement
from agents.addresses.pending import pending_addresses
from agents.roles import Role
from core.templatetags.dates import datetime_long, past_datetime_short
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.recovery.correcting import GIVEN, a_responsable, approved, in_force, proposed, proposed_by_hr
from tests.accounts.recovery.recovering import fresh
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account

pytestmark = pytest.mark.django_db

REASON = "Vue au guichet, carte d’identité."
TYPED = {"address": GIVEN, "proof": Proof.IN_PERSON, "reason": REASON}
OF_HR = "adresse.des.rh@exemple.org"


@pytest.fixture
def responsable() -> tuple[Account, Client]:
    return verified_agent(Role.RESPONSABLES)


@pytest.fixture
def me(responsable) -> Account:
    return responsable[0]


@pytest.fixture
def browser(responsable) -> Client:
    return responsable[1]


def correcting(account: Account) -> str:
    return reverse("admin:account-correct", args=[account.pk])


def page(browser: Client, name: str, *args: object) -> str:
    return unescape(browser.get(reverse(f"admin:{name}", args=args)).content.decode())


def address_field(html: str) -> str:
    [field] = re.findall(r'<input[^>]*name="address"[^>]*>', html)
    assert 'type="email"' in field
    return field


def read(answer) -> str:
    return unescape(answer.content.decode())


class TestCorrecting:
    def test_an_account_that_was_never_activated_at_once(self, browser, me):
        person = pending_account()
        form = read(browser.get(correcting(person)))
        assert "la correction s’applique tout de suite" in form
        assert "proof" not in form

        answer = browser.post(correcting(person), {"address": f" {GIVEN.upper()} ", "reason": REASON}, follow=True)

        assert answer.redirect_chain == [(reverse("admin:account", args=[person.pk]), 302)]
        assert "L’adresse de secours est corrigée." in read(answer)
        assert fresh(person).recovery_address == "DONNEE@exemple.org"
        entry = person.journal.get(event=Event.RECOVERY_ADDRESS_CORRECTED)
        assert (entry.actor, entry.details["reason"]) == (me, REASON)

    def test_an_account_in_use_is_proposed_to_a_second_agent(self, browser, me):
        """HLP-05"""
        person = active_account(phone="+33467123456")
        form = read(browser.get(correcting(person)))
        assert "un autre agent doit approuver" in form
        assert "04\u00a067\u00a012\u00a034\u00a056" in form

        answer = browser.post(correcting(person), TYPED, follow=True)

        assert "Elle attend l’accord d’un autre agent." in read(answer)
        assert fresh(person).recovery_address == person.recovery_address
        correction = RecoveryAddressCorrection.objects.get()
        assert (correction.account, correction.proposed_by, correction.note) == (person, me, REASON)
        assert not person.messages.exists()

    def test_returns_to_the_request_that_led_to_it(self, browser):
        """The journal knows which one led to it."""
        person = active_account()
        request = assistance_request(login=person.login)
        back = reverse("admin:request", args=[request.reference])
        path = f"{correcting(person)}?demande={request.reference}"
        assert f'href="{back}"' in browser.get(path).content.decode()

        assert browser.post(path, TYPED).headers["Location"] == back

        entry = person.journal.get(event=Event.RECOVERY_REPLACEMENT_PROPOSED)
        assert entry.details["reference"] == request.reference

    def test_the_present_address_is_masked_and_the_field_remembers_nothing(self, browser):
        person = active_account(recovery_address="camille.durand@exemple.net")
        form = browser.get(correcting(person)).content.decode()
        assert "c•••d@exemple.net" in form
        assert "camille.durand@" not in form
        assert 'autocomplete="off"' in address_field(form)

    def test_what_is_wrong_is_said_and_nothing_typed_is_lost(self, browser):
        """HLP-03, HLP-04, FWD-02"""
        person = active_account(recovery_address="une@exemple.net", phone="")
        wrong = [
            ({"address": ""}, "Saisissez la nouvelle adresse de secours"),
            ({"address": "camille"}, "Complétez l’adresse e-mail"),
            ({"address": "camille@univ-exemple.fr"}, "doit être une adresse extérieure à l’université"),
            ({"address": "camille@gmial.com"}, "Avez-vous voulu écrire camille@gmail.com"),
            ({"address": "une@exemple.net"}, "C’est déjà l’adresse de secours de ce compte"),
            ({"proof": ""}, "Indiquez comment l’identité a été vérifiée"),
            ({"proof": "birth-date"}, "Cette preuve ne suffit pas"),
            ({"proof": Proof.CALL_BACK}, "Cette preuve ne suffit pas"),
            ({"reason": ""}, "Écrivez un compte rendu"),
            ({"reason": "vue"}, "Écrivez un compte rendu de quelques mots"),
            ({"reason": "a" * 501}, "Le compte rendu dépasse 500\u00a0caractères"),
        ]
        for changed, said in wrong:
            typed = {**TYPED, **changed}
            answer = browser.post(correcting(person), typed)
            assert answer.status_code == 200
            assert said in read(answer), changed
            assert typed["reason"] in read(answer)
        assert not RecoveryAddressCorrection.objects.exists()

    def test_an_address_that_looks_mistyped_is_asked_about(self, browser):
        slip = {**TYPED, "address": "camille@gmial.com"}
        for spelling, stored in (("corrected", "gmail.com"), ("kept", "gmial.com")):
            person = active_account()
            asked = read(browser.post(correcting(person), slip))
            assert "Utiliser camille@gmail.com" in asked
            assert "Garder l’adresse saisie" in asked
            assert browser.post(correcting(person), {**slip, "spelling": spelling}).status_code == 302
            assert RecoveryAddressCorrection.objects.get(account=person).new_address == f"camille@{stored}"

    def test_an_account_that_was_activated_meanwhile_asks_for_a_proof(self, browser):
        """Race: what was typed stays."""
        person = pending_account()
        browser.get(correcting(person))
        lock_account(account=person, reason=LockReason.OTHER)
        answer = browser.post(correcting(person), {"address": GIVEN, "reason": REASON})
        assert "Indiquez comment l’identité a été vérifiée" in read(answer)
        assert REASON in read(answer)
        assert fresh(person).recovery_address == person.recovery_address

    def test_it_may_be_activated_in_the_very_moment(self, browser, monkeypatch):
        """Race: between the form and the row."""
        from agents.addresses import views as addresses

        person = pending_account()
        act = addresses.correct_at_once

        def locked_just_now(**facts):
            lock_account(account=person, reason=LockReason.OTHER)
            return act(**facts)

        monkeypatch.setattr(addresses, "correct_at_once", locked_just_now)
        answer = read(browser.post(correcting(person), {"address": GIVEN, "reason": REASON}))
        assert "Le compte vient d’être activé ou bloqué" in answer
        assert f'value="{GIVEN}"' in answer
        assert REASON in answer
        assert not RecoveryAddressCorrection.objects.exists()

    def test_a_concurrent_proposal_is_shown(self, browser):
        """Race"""
        person, other = active_account(), a_responsable(given_name="Léa", family_name="Martin")
        proposed(person, other)
        answer = read(browser.post(correcting(person), {**TYPED, "address": "autre@exemple.org"}))
        assert "Léa Martin a proposé une autre adresse pour ce compte" in answer
        assert "autre@exemple.org" in answer
        assert RecoveryAddressCorrection.objects.count() == 1

    def test_one_that_is_open_is_shown_instead_of_a_form(self, browser):
        person = active_account()
        correction = approved(person)
        shown = browser.get(correcting(person)).content.decode()
        assert reverse("admin:address", args=[correction.pk]) in shown
        assert 'name="address"' not in shown

    def test_a_closed_account_has_no_form_and_keeps_its_address(self, browser):
        person = active_account(end_date=timezone.localdate() - timedelta(days=1))
        assert 'name="address"' not in browser.get(correcting(person)).content.decode()
        assert "Ce compte est fermé" in read(browser.post(correcting(person), TYPED))
        assert not RecoveryAddressCorrection.objects.exists()

    def test_an_agent_corrects_neither_their_own_address_nor_an_agents(self, browser, me):
        """ADM-05"""
        for account in (me, an_agent(), a_responsable()):
            assert browser.get(correcting(account)).status_code == 403
            assert browser.post(correcting(account), TYPED).status_code == 403
        assert not RecoveryAddressCorrection.objects.exists()

    def test_hidden_fields_approve_nothing(self, browser):
        """ADM-06"""
        forged = {"approved_by": "1", "approved_at": "2020-01-01", "effective_at": "2020-01-01", "applied_at": "x"}
        browser.post(correcting(active_account()), {**TYPED, **forged})
        correction = RecoveryAddressCorrection.objects.get()
        assert (correction.approved_at, correction.effective_at, correction.applied_at) == (None, None, None)


class TestApproving:
    def test_another_agent_sees_what_there_is_to_know_and_approves(self, browser, me):
        """HLP-05"""
        with time_machine.travel(datetime(2026, 6, 10, 10, tzinfo=UTC), tick=False):
            other, agent_browser = verified_agent(Role.RESPONSABLES)
            correction = proposed(active_account(), me)
            assert "Examiner" in page(agent_browser, "addresses")
            shown = page(agent_browser, "address", correction.pk)
            for words in (GIVEN, correction.note, "En personne, pièce d’identité", me.full_name):
                assert words in shown
            assert correction.previous_address not in shown

            answer = agent_browser.post(reverse("admin:address-approve", args=[correction.pk]), follow=True)

            correction.refresh_from_db()
            assert correction.effective_at == datetime(2026, 6, 11, 10, tzinfo=UTC)
            assert f"Elle servira à partir du {datetime_long(correction.effective_at)}." in read(answer)
            assert correction.approved_by == other
            assert past_datetime_short(correction.effective_at) in page(browser, "addresses")

    def test_reading_the_address_is_in_the_journal(self, browser, me):
        """LOG-01: sensitive_read."""
        correction = proposed(active_account())
        page(browser, "addresses")
        assert not JournalEntry.objects.filter(event=Event.RECOVERY_ADDRESS_READ).exists()
        page(browser, "address", correction.pk)
        [entry] = correction.account.journal.filter(event=Event.RECOVERY_ADDRESS_READ)
        assert entry.actor == me

    def test_the_lists_show_addresses_masked(self, browser):
        person = active_account(recovery_address="camille.durand@exemple.net")
        proposed(active_account())
        approved(active_account())
        proposed_by_hr(person, OF_HR)
        html = browser.get(reverse("admin:addresses")).content.decode()
        for address in (GIVEN, OF_HR, person.recovery_address):
            assert address not in html
        assert "d•••e@exemple.org" in html

    def test_the_agent_who_proposed_has_no_button_and_a_forged_one_is_refused(self, browser, me):
        """HLP-05"""
        correction = proposed(active_account(), me)
        address = reverse("admin:address-approve", args=[correction.pk])
        shown = page(browser, "address", correction.pk)
        assert address not in shown
        assert "un autre agent doit l’approuver" in shown

        assert browser.post(address).status_code == 403

        correction.refresh_from_db()
        assert correction.approved_at is None

    def test_approving_needs_a_form_of_ours_and_no_link_does_it(self, browser):
        """SES-07, ADM-06"""
        correction = proposed(active_account())
        address = reverse("admin:address-approve", args=[correction.pk])
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        assert browser.get(address).status_code == 405
        assert strict.post(address).status_code == 403
        correction.refresh_from_db()
        assert correction.approved_at is None

    def test_says_what_happened_meanwhile(self, browser):
        other = a_responsable(given_name="Léa", family_name="Martin")
        yesterday = timezone.localdate() - timedelta(days=1)
        between = {
            "Léa Martin a approuvé cette adresse le": lambda it: approve_replacement(correction_id=it.pk, agent=other),
            "Cette adresse a été abandonnée par Léa Martin le": lambda it: cancel_replacement(
                correction_id=it.pk, agent=other, reason=REASON
            ),
            "L’adresse en place a changé depuis la proposition": lambda it: Account.objects.filter(
                pk=it.account_id
            ).update(recovery_address="choisie@exemple.org"),
            "Ce compte est fermé": lambda it: Account.objects.filter(pk=it.account_id).update(end_date=yesterday),
        }
        corrections = {in_force(active_account()): "Cette adresse est en vigueur depuis le"}
        for sentence, happens in between.items():
            correction = proposed(active_account())
            happens(correction)
            corrections[correction] = sentence
        for correction, sentence in corrections.items():
            before = RecoveryAddressCorrection.objects.values().get(pk=correction.pk)
            answer = browser.post(reverse("admin:address-approve", args=[correction.pk]), follow=True)
            assert sentence in read(answer)
            assert RecoveryAddressCorrection.objects.values().get(pk=correction.pk) == before

    def test_of_a_slip_put_right_at_once_there_is_no_page(self, browser):
        """There is nothing to approve."""
        person = pending_account()
        browser.post(correcting(person), {"address": GIVEN, "reason": REASON})
        correction = RecoveryAddressCorrection.objects.get()
        for name in ("address", "address-give-up"):
            assert browser.get(reverse(f"admin:{name}", args=[correction.pk])).status_code == 404

    def test_what_is_not_there_is_not_found(self, browser):
        for name in ("address", "address-give-up"):
            assert browser.get(reverse(f"admin:{name}", args=[10**9])).status_code == 404
        assert browser.post(reverse("admin:address-approve", args=[10**9])).status_code == 404


class TestGivingUp:
    def test_needs_a_reason_and_leaves_the_address(self, browser, me):
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
        assert (entry.actor, entry.details["reason"]) == (me, REASON)

    def test_too_late_says_so(self, browser):
        correction = in_force(active_account())
        address = reverse("admin:address-give-up", args=[correction.pk])
        for answer in (browser.get(address, follow=True), browser.post(address, {"reason": REASON}, follow=True)):
            assert "Cette adresse est en vigueur depuis le" in read(answer)
        assert fresh(correction.account).recovery_address == GIVEN


class TestWhatHrProposes:
    def test_is_taken_up_with_its_address_which_is_in_no_address_bar(self, browser, me):
        """ADM-08, LOG-01"""
        person = active_account()
        proposed_by_hr(person, OF_HR)
        listed = browser.get(reverse("admin:addresses")).content.decode()
        link = f"{correcting(person)}?proposition=rh"
        assert f'href="{link}"' in listed

        form = browser.get(link).content.decode()

        assert f'value="{OF_HR}"' in form
        [entry] = person.journal.filter(event=Event.RECOVERY_ADDRESS_READ)
        assert entry.actor == me
        assert browser.post(link, {**TYPED, "address": OF_HR}).status_code == 302
        assert RecoveryAddressCorrection.objects.get().new_address == OF_HR
        assert OF_HR not in browser.get(link).content.decode()

    def test_without_a_proposal_the_form_begins_empty(self, browser):
        person = active_account()
        form = browser.get(f"{correcting(person)}?proposition=rh").content.decode()
        assert "value=" not in address_field(form)
        assert not person.journal.filter(event=Event.RECOVERY_ADDRESS_READ).exists()

    def test_is_dismissed_with_a_reason(self, browser, me):
        """ADM-08"""
        person = active_account()
        entry = proposed_by_hr(person, OF_HR)
        address = reverse("admin:address-dismiss", args=[entry.pk])
        assert OF_HR not in browser.get(address).content.decode()
        assert "Écrivez la raison" in read(browser.post(address, {"reason": ""}))

        answer = browser.post(address, {"reason": REASON}, follow=True)

        assert "La proposition des RH est écartée." in read(answer)
        assert "Aucune adresse proposée." in read(answer)
        kept = person.journal.get(event=Event.RECOVERY_PROPOSAL_DISMISSED)
        assert (kept.actor, kept.details["reason"]) == (me, REASON)
        for again in (browser.get(address, follow=True), browser.post(address, {"reason": REASON}, follow=True)):
            assert "elle a été traitée" in read(again)

    def test_of_thousands_one_page_is_read(self, browser, django_assert_max_num_queries):
        """Budgets hold however many there are."""
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
        JournalEntry.objects.bulk_create(
            JournalEntry(
                account=person,
                event=Event.RECOVERY_ADDRESS_PROPOSED,
                source="command",
                details={"proposed": f"rh{turn}@exemple.org"},
            )
            for turn in range(2)
            for person in people
        )
        with django_assert_max_num_queries(8):
            first = page(browser, "addresses")
        assert first.count("Reprendre") == 25
        assert "Durand24" in first
        last = browser.get(reverse("admin:addresses"), {"page": "99"}).content.decode()
        assert "Page suivante" not in last
        assert pending_addresses().proposed_by_hr == 2_000

    def test_forged_pages_are_the_first_or_an_empty_one(self, browser):
        """ADM-06"""
        for typed in ("0", "-1", "x", "99999999", "\u0663", "' OR 1=1", "a\x00"):
            assert browser.get(reverse("admin:addresses"), {"page": typed}).status_code == 200, typed


def test_what_waits_is_counted():
    proposed(active_account())
    approved(active_account())
    for _ in range(2):
        proposed_by_hr(active_account(), OF_HR)
    waits = pending_addresses()
    assert (waits.to_approve, waits.proposed_by_hr) == (1, 2)


def test_the_menu_leads_there_for_those_who_may():
    """Buttons a role cannot use are absent."""
    for role, leads in ((Role.RESPONSABLES, True), (Role.ASSISTANCE, False), (Role.LECTURE, False)):
        _agent, browser = verified_agent(role)
        html = browser.get(reverse("admin:device")).content.decode()
        assert (f'href="{reverse("admin:addresses")}"' in html) is leads
