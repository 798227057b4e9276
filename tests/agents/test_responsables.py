"""What the role of the managing agents alone does: recovery addresses of others (HLP-05, ADM-08), the charter (PRV-01)."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Proof
from accounts.models import Account, RecoveryAddressCorrection
from accounts.recovery.changes import SameAddress
from accounts.recovery.corrections import AccountClosed, CorrectionNotProven, NeedsTwoAgents
from accounts.recovery.two_agents import NewAgent
from activation.charter import publishing
from activation.models import Charter
from agents.addresses.pending import pending_addresses
from agents.addresses.views import CorrectAddressView
from agents.roles import Role
from core.templatetags.dates import datetime_long
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.recovery.recovering import GIVEN, a_responsable, approved, in_force, proposed, proposed_by_hr
from tests.agents import charter_drafts as drafts
from tests.agents.charter_drafts import SUMMARY, VERSION, a_draft, edit_page, publish_page, saved_by_another, sent
from tests.agents.signed_in import an_agent, follow, verified_agent, visible_text
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account, reloaded

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES
ADDRESSES, OF_HR = "/admin/adresses/", "adresse.des.rh@exemple.org"
REASON = "Vue au guichet, carte d’identité."
TYPED = {"address": GIVEN, "proof": Proof.IN_PERSON, "reason": REASON}
CHARTERS, NEW = "/admin/charte/", "/admin/charte/nouvelle/"
MINE = "Ce que j’ai écrit pendant une heure."


@pytest.fixture
def other() -> Account:
    return a_responsable(given_name="Zoé")


@pytest.fixture
def draft(agent) -> Charter:
    return a_draft(agent)


def read(answer: HttpResponse) -> str:
    return unescape(answer.content.decode())


def correcting(account: Account) -> str:
    return reverse("admin:account-correct", args=[account.pk])


def address_of(name: str, pk: int) -> str:
    return reverse(f"admin:address{name}", args=[pk])


def page_of(name: str, draft: Charter) -> str:
    return reverse(f"admin:charter-{name}", args=[draft.pk])


def typed_in(answer: HttpResponse) -> str:
    return re.search(r'<textarea name="text_fr"[^>]*>\n?(.*?)</textarea>', read(answer), re.DOTALL)[1]


def autosave(browser: Client, draft: Charter, **changed: str) -> HttpResponse:
    return browser.post(page_of("autosave", draft), sent(draft, **changed))


def publishes(browser: Client, draft: Charter, **changed: str) -> HttpResponse:
    return browser.post(publish_page(draft), {"read": draft.fingerprint, "summary": SUMMARY, **changed})


def stored(draft: Charter) -> Charter:
    return Charter.objects.get(pk=draft.pk)


RACES = {
    AccountClosed: "Ce compte est fermé",
    NewAgent: "sept jours",
    CorrectionNotProven: "Les RH ne connaissent plus de numéro à rappeler",
    NeedsTwoAgents: "un autre agent doit approuver",
    SameAddress: "déjà l’adresse de secours",
}


@pytest.mark.parametrize(("raced", "said"), RACES.items(), ids=[race.__name__ for race in RACES])
def test_what_has_changed_since_the_form_was_shown_is_said_beside_what_was_typed(browser, monkeypatch, raced, said):
    def refuse(view, form):
        raise raced

    monkeypatch.setattr(CorrectAddressView, "act", refuse)
    page = read(browser.post(correcting(active_account()), TYPED))
    assert said in page
    assert GIVEN in page
    assert not RecoveryAddressCorrection.objects.exists()


class TestCorrecting:
    def test_a_pending_account_is_corrected_at_once(self, browser, agent):
        person = pending_account()
        assert "la correction s’applique tout de suite" in read(browser.get(correcting(person)))
        answer = browser.post(correcting(person), {"address": f" {GIVEN.upper()} ", "reason": REASON}, follow=True)
        assert answer.redirect_chain == [(reverse("admin:account", args=[person.pk]), 302)]
        assert "L’adresse de secours est corrigée." in read(answer)
        assert reloaded(person).recovery_address == "DONNEE@exemple.org"
        correction = RecoveryAddressCorrection.objects.get()
        assert (correction.proposed_by, correction.note) == (agent, REASON)
        for name in ("", "-give-up"):
            assert browser.get(address_of(name, correction.pk)).status_code == 404

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
        correction = RecoveryAddressCorrection.objects.get()
        assert (correction.account, correction.proposed_by, correction.note) == (person, agent, REASON)
        assert person.journal.get(event=Event.RECOVERY_REPLACEMENT_PROPOSED).details["reference"] == request.reference
        shown = read(browser.get(correcting(person)))
        assert (address_of("", correction.pk) in shown, 'name="address"' in shown) == (True, False)
        late = read(browser.post(correcting(person), {**TYPED, "address": "autre@exemple.org"}))
        assert "Lea Martin a proposé une autre adresse pour ce compte" in late

    def test_errors_are_explained_and_keep_what_was_typed(self, browser, agent):
        """ADM-05, HLP-03, HLP-04, FWD-02"""
        person = active_account(recovery_address="une@exemple.net", phone="")
        for changed, words in (
            ({"address": "camille@univ-exemple.fr"}, "doit être une adresse extérieure à l’université"),
            ({"address": "une@exemple.net"}, "C’est déjà l’adresse de secours de ce compte"),
            ({"address": "camille@gmial.com"}, "Utiliser camille@gmail.com"),
            ({"proof": Proof.CALL_BACK}, "Cette preuve ne suffit pas"),
            ({"reason": "vue"}, "Écrivez un compte rendu de quelques mots"),
        ):
            answer = read(browser.post(correcting(person), {**TYPED, **changed}))
            assert words in answer, changed
            assert changed.get("reason", REASON) in answer
        closed = active_account(end_date=timezone.localdate() - timedelta(days=1))
        assert "Ce compte est fermé" in read(browser.post(correcting(closed), TYPED))
        for ask in (browser.get, browser.post):
            assert {ask(correcting(account), TYPED).status_code for account in (agent, an_agent())} == {403}
        assert not RecoveryAddressCorrection.objects.exists()


class TestReplacement:
    def test_another_agent_sees_what_there_is_to_know_and_approves(self):
        """HLP-05, LOG-01: sensitive_read of the address."""
        with time_machine.travel(datetime(2026, 6, 10, 10, tzinfo=UTC), tick=False):
            (proposer, browser), (other, others_browser) = (verified_agent(Role.RESPONSABLES) for _ in range(2))
            correction = proposed(active_account(), proposer)
            page, approval = (address_of(name, correction.pk) for name in ("", "-approve"))
            shown = read(others_browser.get(page))
            for words in (GIVEN, correction.note, "En personne, pièce d’identité", proposer.full_name):
                assert words in shown
            assert correction.previous_address not in shown
            assert correction.account.journal.get(event=Event.RECOVERY_ADDRESS_READ).actor == other
            own = read(browser.get(page))
            assert ("un autre agent doit l’approuver" in own, approval in own) == (True, False)
            assert browser.post(approval).status_code == 403
            answer = others_browser.post(approval, follow=True)
            correction.refresh_from_db()
            assert correction.approved_by == other
            assert f"Elle servira à partir du {datetime_long(correction.effective_at)}." in read(answer)
            assert "a approuvé cette adresse le" in read(others_browser.post(approval, follow=True))
            for meanwhile, words in (
                ({"recovery_address": "a@exemple.org"}, "L’adresse en place a changé depuis la proposition"),
                ({"end_date": timezone.localdate() - timedelta(days=1)}, "Ce compte est fermé"),
            ):
                replaced = proposed(active_account(), proposer)
                Account.objects.filter(pk=replaced.account_id).update(**meanwhile)
                assert words in read(others_browser.post(address_of("-approve", replaced.pk), follow=True))

    def test_is_cancelled_with_a_reason_and_in_time(self, browser, agent):
        correction, late = approved(active_account()), in_force(active_account())
        cancelling = address_of("-give-up", correction.pk)
        assert "Écrivez la raison" in read(browser.post(cancelling, {"reason": " "}))
        answer = browser.post(cancelling, {"reason": REASON}, follow=True)
        assert "l’adresse de secours reste celle en place" in read(answer)
        entry = correction.account.journal.get(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
        assert (entry.actor, entry.details["reason"]) == (agent, REASON)
        assert "a été abandonnée par" in read(browser.get(cancelling, follow=True))
        answer = browser.post(address_of("-give-up", late.pk), {"reason": REASON}, follow=True)
        assert "Cette adresse est en vigueur depuis le" in read(answer)


class TestProposalsOfHr:
    def test_are_listed_masked_and_reused_without_the_address_in_the_url(self, browser, agent):
        """ADM-08, LOG-01"""
        person = active_account(recovery_address="camille.durand@exemple.net")
        link = f"{correcting(person)}?proposition=rh"
        reads = person.journal.filter(event=Event.RECOVERY_ADDRESS_READ)
        assert not re.search(r'<input[^>]*name="address"[^>]*value=', read(browser.get(link)))
        assert {each(active_account()).new_address for each in (proposed, approved)} == {GIVEN}
        proposed_by_hr(person, OF_HR)
        html = read(browser.get(ADDRESSES))
        assert not [address for address in (GIVEN, OF_HR, person.recovery_address) if address in html]
        assert [words for words in ("d•••e@exemple.org", "Examiner", f'href="{link}"') if words not in html] == []
        assert (pending_addresses().to_approve, pending_addresses().proposed_by_hr) == (1, 1)
        assert not reads.exists()
        assert f'value="{OF_HR}"' in read(browser.get(link))
        assert reads.get().actor == agent
        assert browser.post(link, {**TYPED, "address": OF_HR}).status_code == 302
        assert RecoveryAddressCorrection.objects.get(account=person).new_address == OF_HR
        assert OF_HR not in read(browser.get(link))

    def test_are_dismissed_with_a_reason(self, browser, agent):
        person = active_account()
        address = address_of("-dismiss", proposed_by_hr(person, OF_HR).pk)
        assert OF_HR not in read(browser.get(address))
        for reason, words in (("", "Écrivez la raison"), (REASON, "La proposition des RH est rejetée.")):
            assert words in read(browser.post(address, {"reason": reason}, follow=True))
        kept = person.journal.get(event=Event.RECOVERY_PROPOSAL_DISMISSED)
        assert (kept.actor, kept.details["reason"]) == (agent, REASON)
        assert "elle a été traitée" in read(browser.post(address, {"reason": REASON}, follow=True))


def test_list_shows_each_version_with_its_acceptances_and_offers_editing_to_the_role_that_may(agent):
    """ADM-05"""
    charter, draft = drafts.published(agent), a_draft(agent)
    for role in Role:
        _agent, browser = verified_agent(role)
        for address in (CHARTERS, page_of("preview", draft)):
            html = browser.get(address).content.decode()
            assert ("/modifier/" in html) is ("/supprimer/" in html) is (role == Role.RESPONSABLES)
    page = visible_text(browser.get(CHARTERS))
    for words in ("1 personne sur 4 dont le compte est actif", charter.version, f"par {agent.full_name}"):
        assert words in page


class TestEditor:
    def test_starts_from_the_version_in_force_or_empty_and_saves_canonical_text(self, time_machine):
        """INP-02"""
        time_machine.move_to("2026-11-22T12:00:00+01:00")
        agent, browser = verified_agent(Role.RESPONSABLES)
        assert typed_in(browser.get(NEW)) == Charter.objects.in_force().text_fr
        assert typed_in(browser.get(f"{NEW}?vide")) == ""
        assert Charter.objects.count() == 1
        preview = follow(browser, browser.post(NEW, sent(None)))
        draft = Charter.objects.get(version=VERSION)
        assert (preview.request["PATH_INFO"], draft.saved_by) == (page_of("preview", draft), agent)
        browser.post(edit_page(draft), sent(draft, text_fr="## Un\r\n\r\ntexte\u200b\u202e\r\n    - a"))
        assert stored(draft).text_fr == "## Un\n\ntexte\n    - a"

    def test_refuses_a_second_draft_bad_names_and_long_texts_and_keeps_what_was_typed(self, browser, draft):
        assert follow(browser, browser.get(NEW)).request["PATH_INFO"] == edit_page(draft)
        long, taken = "Une phrase. \n\n" * 5_000, {"version": "2026-09"}
        for address, changed, why in (
            (NEW, {"version": "2027-01"}, f"Un brouillon, « {draft.version} », existe déjà"),
            (edit_page(draft), taken, "Une version porte déjà ce nom"),
            (edit_page(draft), {"version": "a/b"}, "Écrivez des lettres"),
            (edit_page(draft), {"text_en": long}, "Raccourcissez-le à 50 000 caractères"),
            (edit_page(draft), {"key_points_fr": "x" * 10_001}, "L’essentiel dépasse 10 000 caractères"),
        ):
            page = browser.post(address, sent(draft, text_fr=MINE, **changed))
            assert why in visible_text(page)
            assert typed_in(page) == MINE
        assert (Charter.objects.count(), stored(draft).fingerprint) == (2, draft.fingerprint)

    def test_shows_another_agents_text_beside_the_typed_one(self, browser, other):
        draft = a_draft(other)
        before = sent(draft, text_fr=MINE)
        theirs = saved_by_another(draft, other, text_fr="Leur phrase.", key_points_en="Theirs.")
        page = browser.post(edit_page(draft), before)
        for words in (f"{other.full_name} a enregistré le brouillon", "Leur phrase.", "Theirs."):
            assert words in visible_text(page)
        assert typed_in(page) == MINE
        # Autosave would replace the other text without a warning.
        assert "data-autosave" not in page.content.decode()
        assert browser.post(edit_page(draft), {**before, "seen": theirs.fingerprint}).status_code == 302
        assert stored(draft).text_fr == MINE

    @pytest.mark.parametrize("fate", ["published", "deleted"])
    def test_offers_another_draft_when_its_own_was_published_or_deleted(self, agent, browser, draft, fate):
        typed = sent(draft, text_fr=MINE)
        if fate == "published":
            drafts.published(agent, draft)
        else:
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=agent)
        for name in ("edit", "publish", "deletion"):
            page = visible_text(follow(browser, browser.get(page_of(name, draft))))
            assert (f"La version {VERSION} est déjà publiée" in page) is (fate == "published")
            assert ("n’existe plus" in page) is (fate == "deleted")
        page = browser.post(edit_page(draft), typed)
        assert "pendant que vous écriviez" in visible_text(page)
        assert typed_in(page) == MINE
        assert f'action="{NEW}"' in page.content.decode()
        follow(browser, browser.post(NEW, {**typed, "version": "2027-01"}))
        assert Charter.objects.get(version="2027-01").text_fr == MINE


class TestAutosave:
    def test_starts_the_draft_then_saves_it_and_returns_its_new_fingerprint(self, agent, browser, other):
        assert f'data-autosave="{NEW}enregistrement/"' in browser.get(NEW).content.decode()
        first = browser.post(f"{NEW}enregistrement/", sent(None)).json()
        draft = Charter.objects.get(version=VERSION)
        assert (first["edit"], first["seen"]) == (edit_page(draft), draft.fingerprint)
        assert browser.post(f"{NEW}enregistrement/", sent(None, version="2027-01")).status_code == 409
        answered = autosave(browser, draft, text_fr=MINE).json()
        saved = stored(draft)
        assert (saved.text_fr, saved.saved_by, saved.fingerprint) == (MINE, agent, answered["seen"])
        assert answered["message"].startswith("Brouillon enregistré automatiquement le ")
        assert f'data-autosave="{answered["autosave"]}"' in browser.get(edit_page(saved)).content.decode()
        wrong = autosave(browser, saved, version="2026-09")
        theirs = saved_by_another(saved, other, text_fr="Autre texte.")
        late = autosave(browser, saved, text_fr="Encore moi.")
        assert (wrong.status_code, "Une version porte déjà ce nom" in wrong.json()["message"]) == (400, True)
        assert (late.status_code, "Un autre agent a enregistré" in late.json()["message"]) == (409, True)
        drafts.published(other, theirs)
        assert autosave(browser, theirs, text_fr=MINE).status_code == 409
        assert stored(draft).text_fr == "Autre texte."

    def test_writes_one_journal_entry_an_editing_session(self, agent, other, time_machine):
        time_machine.move_to(timezone.now(), tick=False)
        draft, counts = a_draft(other), []
        for author in (agent, agent, agent, other, other):
            typed = sent(draft, text_fr=f"{MINE} {len(counts)}")
            seen, version = typed.pop("seen"), typed.pop("version")
            facts = {"seen": seen, "version": version, "texts": typed, "actor": author}
            draft = publishing.autosave_draft(charter_id=draft.pk, **facts)
            counts.append(JournalEntry.objects.filter(event=Event.CHARTER_DRAFT_SAVED).count())
            time_machine.shift(publishing.EDITING_SESSION / 2 if author == agent else publishing.EDITING_SESSION * 2)
        assert counts == [2, 2, 2, 3, 4]


def test_preview_shows_both_languages_and_the_words_that_change(agent, browser, draft):
    html = browser.get(page_of("preview", draft)).content.decode()
    french, english = html[html.index('id="en-francais"') :].split('id="en-anglais"')
    assert ('lang="fr"' in french, 'lang="en"' in english.replace('hreflang="en"', "")) == (True, True)
    assert "<h3>Article 1. Une autre règle</h3>" in french
    drafts.published(agent, draft)
    changed = {"text_fr": draft.text_fr.replace("Nouveau texte.", MINE), "text_en": ""}
    page = browser.get(page_of("preview", a_draft(agent, **changed)))
    assert "Il manque le texte anglais" in visible_text(page)
    for label, words in (("Retiré", "Nouveau texte."), ("Ajouté", MINE)):
        assert re.findall(rf'{label}</span>\s+<span lang="fr">([^<]*)', page.content.decode()) == [words]


class TestPublication:
    def test_asks_for_a_reason_and_for_the_text_that_was_read(self, agent, browser, draft):
        for read in ("", "?lu=autre"):
            page = follow(browser, browser.get(f"{page_of('publish', draft)}{read}"))
            assert page.request["PATH_INFO"] == page_of("preview", draft)
            assert "Relisez le brouillon" in visible_text(page)
        assert "1 personne dont le compte est actif" in visible_text(browser.get(publish_page(draft)))
        for changed in ({"summary": ""}, {"read": ""}, {"read": "autre"}, {"read": "\x00"}):
            assert (publishes(browser, draft, **changed).status_code, stored(draft).is_draft) == (200, True)
        done = visible_text(follow(browser, publishes(browser, draft)))
        assert f"La version {VERSION} est publiée et en vigueur." in done
        assert stored(draft).published_by == agent
        page = visible_text(follow(browser, browser.get(page_of("preview", draft))))
        for words in ("Elle ne peut plus être modifiée", SUMMARY, "0 en tout", "Another rule"):
            assert words in page
        assert "Il manque un texte" in visible_text(follow(browser, publishes(browser, a_draft(agent, text_en=""))))

    def test_after_another_agents_save_shows_the_new_text_first(self, browser, other, draft):
        theirs = saved_by_another(draft, other, text_fr="Glissé au dernier moment.")
        page = publishes(browser, draft)
        html = page.content.decode()
        assert "Le brouillon a changé depuis votre aperçu." in visible_text(page)
        for words in (other.full_name, "<p>Glissé au dernier moment.</p>", SUMMARY, theirs.fingerprint):
            assert words in html
        follow(browser, publishes(browser, draft, read=theirs.fingerprint))
        assert Charter.objects.in_force().text_fr == "Glissé au dernier moment."
        page = follow(browser, publishes(browser, draft))
        assert f"La version {VERSION} est déjà publiée par Lea Martin." in visible_text(page)

    def test_a_draft_is_deleted_only_as_it_was_seen(self, agent, browser, other, draft):
        theirs = saved_by_another(draft, other, text_fr="Autre.")
        for seen, words in ((draft, "a changé entre-temps"), (theirs, "est supprimé")):
            page = follow(browser, browser.post(page_of("deletion", draft), {"seen": seen.fingerprint}))
            assert words in visible_text(page)
        assert JournalEntry.objects.get(event=Event.CHARTER_DRAFT_DELETED).actor == agent
