"""The charter in the agents' area: drafted, autosaved, previewed, published (PRV-01)."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from activation.charter import publishing
from activation.models import Charter
from agents.roles import Role
from journal.events import Event
from journal.models import JournalEntry
from tests.activation.wizard.client import CHARTER, DIRECTORY, answer, begin, charter_answer
from tests.agents.charter_drafts import (
    FRENCH,
    SUMMARY,
    TEXTS,
    VERSION,
    a_draft,
    edit_page,
    publish_page,
    published,
    publishes,
    saved_by_another,
    sent,
    the_draft,
)
from tests.agents.screens import follow, visible_text
from tests.agents.signed_in import an_agent, code_of, signed_in_browser, submit_code, verified_agent
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES
LIST, NEW, AUTOSAVE_NEW = "/admin/charte/", "/admin/charte/nouvelle/", "/admin/charte/nouvelle/enregistrement/"
MINE = "Ce que j’ai écrit pendant une heure."


@pytest.fixture
def draft(agent) -> Charter:
    return a_draft(agent)


def typed_in(response: HttpResponse, name: str = "text_fr") -> str:
    """The content of a text area, as a browser would send it."""
    found = re.search(rf'<textarea name="{name}"[^>]*>\n?(.*?)</textarea>', response.content.decode(), re.DOTALL)
    assert found, name
    return unescape(found[1])


def hidden(response: HttpResponse, name: str) -> str:
    return re.search(rf'name="{name}"[^>]* value="(\w+)"', response.content.decode())[1]


def preview_page(draft: Charter) -> str:
    return reverse("admin:charter-preview", args=[draft.pk])


def autosave(browser: Client, draft: Charter, **changed: str) -> HttpResponse:
    return browser.post(reverse("admin:charter-autosave", args=[draft.pk]), sent(draft, **changed))


def stored(draft: Charter) -> Charter:
    return Charter.objects.get(pk=draft.pk)


def test_list_shows_each_version_with_its_acceptances(agent, browser, time_machine):
    assert "toutes les personnes dont le compte est actif (1) l’ont acceptée" in visible_text(browser.get(LIST))
    active_account()
    charter = published(agent)
    page = visible_text(browser.get(LIST))
    for words in ("2 personnes sur 2 dont le compte est actif, soit 100 %", charter.version, f"par {agent.full_name}"):
        assert words in page
    time_machine.move_to("2026-08-01T12:00:00+02:00")
    page = visible_text(verified_agent(Role.RESPONSABLES)[1].get(LIST))
    assert "Aucune version n’est en vigueur" in page
    assert "À venir" in page


def test_list_and_preview_offer_editing_to_the_role_that_may():
    """ADM-05"""
    draft = the_draft()
    for role in Role:
        _agent, browser = verified_agent(role)
        for address in (LIST, preview_page(draft)):
            html = browser.get(address).content.decode()
            assert ("/modifier/" in html) is ("/supprimer/" in html) is (role == Role.RESPONSABLES)


class TestEditor:
    def test_starts_from_the_version_in_force_or_empty(self, time_machine):
        time_machine.move_to("2026-11-22T12:00:00+01:00")
        _agent, browser = verified_agent(Role.RESPONSABLES)
        copy = browser.get(NEW)
        assert typed_in(copy) == Charter.objects.in_force().text_fr
        assert 'value="2026-11"' in copy.content.decode()
        assert typed_in(browser.get(f"{NEW}?vide")) == ""
        assert Charter.objects.count() == 1

    def test_saves_canonical_text_and_goes_to_the_preview(self, agent, browser):
        """INP-02"""
        preview = follow(browser, browser.post(NEW, sent(None)))
        draft = Charter.objects.get(version=VERSION)
        assert (preview.request["PATH_INFO"], draft.saved_by) == (preview_page(draft), agent)
        browser.post(edit_page(draft), sent(draft, text_fr="## Un\r\n\r\ntexte\u200b\u202e\r\n    - a"))
        assert stored(draft).text_fr == "## Un\n\ntexte\n    - a"

    def test_allows_one_draft_at_a_time_and_keeps_what_was_typed(self, browser):
        other = a_draft(an_agent(Role.RESPONSABLES))
        assert follow(browser, browser.get(NEW)).request["PATH_INFO"] == edit_page(other)
        page = browser.post(NEW, sent(None, version="2027-01", text_fr=MINE))
        assert typed_in(page) == MINE
        assert f"Un brouillon, « {other.version} », existe déjà" in visible_text(page)
        assert Charter.objects.filter(published_at__isnull=True).get() == other

    def test_refuses_bad_names_and_long_texts_and_keeps_what_was_typed(self, agent, browser):
        names = {"": "Donnez un nom", "2026-09": "Une version porte déjà ce nom", "a/b": "Écrivez des lettres"}
        for version, why in names.items():
            page = browser.post(NEW, sent(None, version=version, text_fr=MINE))
            assert why in visible_text(page), version
            assert typed_in(page) == MINE
        assert Charter.objects.count() == 1
        draft, long = a_draft(agent), "Une phrase. \n\n" * 5_000
        page = browser.post(edit_page(draft), sent(draft, text_en=long, key_points_fr="x" * 10_001))
        assert "Raccourcissez-le à 50 000 caractères" in visible_text(page)
        assert "L’essentiel dépasse 10 000 caractères" in visible_text(page)
        assert typed_in(page, "text_en") == long
        assert stored(draft).fingerprint == draft.fingerprint

    def test_shows_another_agents_text_beside_the_typed_one(self, browser):
        other = an_agent(Role.RESPONSABLES, given_name="Zoé")
        draft = a_draft(other)
        before = sent(draft, text_fr=f"{FRENCH}\n\n{MINE}")
        theirs = saved_by_another(draft, other, text_fr=f"{FRENCH}\n\nLeur phrase.", key_points_en="Theirs.")
        page = browser.post(edit_page(draft), before)
        for words in (f"{other.full_name} a enregistré le brouillon", "Leur phrase.", "Theirs."):
            assert words in visible_text(page)
        assert MINE in typed_in(page)
        # Autosave would replace the other text without a warning.
        assert "data-autosave" not in page.content.decode()
        assert stored(draft).saved_by == other
        assert hidden(page, "seen") == theirs.fingerprint
        assert browser.post(edit_page(draft), {**before, "seen": theirs.fingerprint}).status_code == 302
        assert MINE in stored(draft).text_fr

    @pytest.mark.parametrize("fate", ["published", "deleted"])
    def test_offers_another_draft_when_its_own_was_published_or_deleted(self, agent, browser, draft, fate):
        typed = sent(draft, text_fr=MINE)
        if fate == "published":
            publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=agent)
        else:
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=agent)
        page = browser.post(edit_page(draft), typed)
        assert "pendant que vous écriviez" in visible_text(page)
        assert typed_in(page) == MINE
        assert f'action="{NEW}"' in page.content.decode()
        follow(browser, browser.post(NEW, {**typed, "version": "2027-01"}))
        assert Charter.objects.get(version="2027-01").text_fr == MINE
        assert fate == "deleted" or Charter.objects.in_force().text_fr == FRENCH

    def test_of_a_former_draft_leads_to_the_list(self, agent, browser):
        charter = published(agent)
        for name in ("edit", "publish", "deletion"):
            page = follow(browser, browser.get(reverse(f"admin:charter-{name}", args=[charter.pk])))
            assert f"La version {charter.version} est déjà publiée" in visible_text(page)
        page = follow(browser, browser.get(reverse("admin:charter-edit", args=[10**9])))
        assert "n’existe plus" in visible_text(page)
        assert browser.get(reverse("admin:charter", args=[10**9])).status_code == 404


class TestAutosave:
    """What the script of the editor sends; the script itself: tests/browser/test_charter_autosave.py."""

    def test_saves_the_draft_and_returns_its_new_fingerprint(self, agent, browser):
        answered = autosave(browser, a_draft(an_agent(Role.RESPONSABLES)), text_fr=MINE).json()
        saved = Charter.objects.get(version=VERSION)
        assert (saved.text_fr, saved.saved_by, saved.fingerprint) == (MINE, agent, answered["seen"])
        assert answered["message"].startswith("Brouillon enregistré automatiquement le ")
        assert f'data-autosave="{answered["autosave"]}"' in browser.get(edit_page(saved)).content.decode()

    def test_of_a_new_version_starts_the_draft(self, browser):
        assert f'data-autosave="{AUTOSAVE_NEW}"' in browser.get(NEW).content.decode()
        facts = browser.post(AUTOSAVE_NEW, sent(None, text_fr=MINE)).json()
        draft = Charter.objects.get(version=VERSION)
        assert (draft.text_fr, facts["edit"]) == (MINE, edit_page(draft))
        assert browser.post(AUTOSAVE_NEW, sent(None, version="2027-01")).status_code == 409
        assert browser.post(facts["edit"], sent(draft, text_fr="Suite.")).status_code == 302

    def test_saves_neither_over_another_text_nor_a_former_draft_nor_a_bad_text(self, agent, browser):
        charter = published(agent)
        assert autosave(browser, charter, text_fr=MINE).status_code == 409
        assert stored(charter).text_fr == FRENCH
        draft = a_draft(agent)
        for version, why in {"": "Donnez un nom", "2026-09": "Une version porte déjà ce nom"}.items():
            answered = autosave(browser, draft, version=version)
            assert answered.status_code == 400
            assert why in answered.json()["message"]
        saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre texte.")
        answered = autosave(browser, draft, text_fr=MINE)
        assert answered.status_code == 409
        assert "Un autre agent a enregistré le brouillon" in answered.json()["message"]
        assert stored(draft).text_fr == "Autre texte."

    def test_writes_one_journal_entry_an_editing_session(self, agent, time_machine):
        other = an_agent(Role.RESPONSABLES)
        time_machine.move_to(timezone.now(), tick=False)
        draft = a_draft(other)
        counts = []
        for author in (agent, agent, agent, other, other):
            texts = {**TEXTS, "text_fr": f"{MINE} {len(counts)}"}
            facts = {"seen": draft.fingerprint, "version": draft.version, "texts": texts, "actor": author}
            draft = publishing.autosave_draft(charter_id=draft.pk, **facts)
            counts.append(JournalEntry.objects.filter(event=Event.CHARTER_DRAFT_SAVED).count())
            time_machine.shift(publishing.EDITING_SESSION / 2 if author == agent else publishing.EDITING_SESSION * 2)
        assert counts == [2, 2, 2, 3, 4]

    def test_keeps_the_text_when_the_session_ends_and_the_login_leads_back(self, time_machine):
        """SES-04"""
        time_machine.move_to(timezone.now().replace(hour=10, minute=0), tick=False)
        agent, browser = verified_agent(Role.RESPONSABLES)
        draft = a_draft(agent)
        autosave(browser, draft, text_fr=MINE)
        time_machine.shift(timedelta(seconds=settings.AGENT_IDLE_SECONDS + 1))
        assert autosave(browser, stored(draft), text_fr="Trop tard.").status_code == 302
        assert browser.post(edit_page(draft), sent(draft)).url == f"{reverse('login')}?next={edit_page(draft)}"
        browser.post(reverse("login"), {"login": agent.login, "password": A_GOOD_PASSWORD})
        submit_code(browser, code_of(agent.totpdevice_set.get()))
        assert typed_in(browser.get(edit_page(draft))) == MINE


class TestPreview:
    def test_shows_both_languages_as_the_wizard_does(self, agent, browser, draft):
        html = browser.get(preview_page(draft)).content.decode()
        french, english = html[html.index('id="en-francais"') :].split('id="en-anglais"')
        assert 'lang="fr"' in french
        assert 'lang="en"' in english.replace('hreflang="en"', "")
        assert "<h3>Article 1. Une autre règle</h3>" in french
        assert "Read the full charter (1 article, 1 minute)" in english
        # A good draft has no warning.
        assert "note--warn" not in html.split("</header>")[1].split('<div class="idle-warning"')[0]
        publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=agent)
        client = Client()
        begin(client, pending_account())
        wizard = client.get(reverse(CHARTER)).content.decode()
        assert wizard[wizard.index("<h2>L’essentiel</h2>") : wizard.index("</details>")] in html

    def test_warns_of_gaps_and_of_what_will_not_work(self, agent, browser):
        in_force = Charter.objects.in_force()
        remarks = [
            ({"text_en": "## One\n\n## Two"}, "Le texte français a 1 article, le texte anglais 2."),
            ({"text_en": ""}, "Il manque le texte anglais"),
            ({"text_fr": "[a](ftp://exemple.fr)"}, "ces liens ne marcheront pas"),
            ({"text_fr": "<b>gras</b>"}, "Le texte français contient du HTML"),
            ({name: getattr(in_force, name) for name in Charter.TEXTS}, "dit la même chose que la version en vigueur"),
        ]
        for changed, remark in remarks:
            assert remark in visible_text(browser.get(preview_page(a_draft(agent, **changed)))), remark

    def test_shows_the_words_that_change(self, agent, browser):
        in_force = Charter.objects.in_force()
        texts = {name: getattr(in_force, name) for name in Charter.TEXTS}
        first = texts["text_fr"].split("\n\n")[0]
        texts["text_fr"] = texts["text_fr"].replace(first, MINE)
        html = browser.get(preview_page(a_draft(agent, **texts))).content.decode()
        assert re.search(rf'Retiré</span>\s+<span lang="fr">{re.escape(first)}', html)
        assert re.search(rf'Ajouté</span>\s+<span lang="fr">{re.escape(MINE)}', html)
        assert html.count("Retiré</span>") == html.count("Ajouté</span>") == 1


class TestPublication:
    def test_asks_for_a_reason_and_is_in_the_journal(self, agent, browser, draft):
        active_account()
        page = visible_text(browser.get(publish_page(draft)))
        assert "2 personnes dont le compte est actif devront l’accepter à leur prochaine connexion" in page
        assert "Écrivez ce qui change" in visible_text(publishes(browser, draft, summary=""))
        assert stored(draft).is_draft
        done = follow(browser, publishes(browser, draft))
        assert f"La version {VERSION} est publiée et en vigueur." in visible_text(done)
        [entry] = JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED)
        assert (entry.actor, entry.details["summary"]) == (agent, SUMMARY)
        page = visible_text(follow(browser, browser.get(preview_page(draft))))
        for words in ("Elle ne peut plus être modifiée", SUMMARY, "0 en tout", "Another rule"):
            assert words in page

    def test_publishes_only_the_text_that_was_read(self, agent, browser, draft):
        address = reverse("admin:charter-publish", args=[draft.pk])
        for read in ("", "?lu=", "?lu=autre"):
            page = follow(browser, browser.get(f"{address}{read}"))
            assert page.request["PATH_INFO"] == preview_page(draft)
            assert "Relisez le brouillon" in visible_text(page)
        for read in ("", "autre", "\x00"):
            page = browser.post(publish_page(draft), {"read": read, "summary": SUMMARY})
            assert SUMMARY in page.content.decode()
            assert stored(draft).is_draft
        incomplete = a_draft(agent, text_en="")
        assert "/publier/" not in browser.get(preview_page(incomplete)).content.decode()
        assert "Il manque un texte" in visible_text(follow(browser, publishes(browser, incomplete)))
        assert stored(incomplete).is_draft

    def test_after_another_agents_save_shows_the_new_text_first(self, browser, draft):
        other = an_agent(Role.RESPONSABLES)
        saved_by_another(draft, other, text_fr="Glissé au dernier moment.")
        page = publishes(browser, draft)
        html = page.content.decode()
        assert "Le brouillon a changé depuis votre aperçu." in visible_text(page)
        for words in (other.full_name, "<p>Glissé au dernier moment.</p>", SUMMARY):
            assert words in html
        assert stored(draft).is_draft
        again = {"read": hidden(page, "read"), "summary": SUMMARY}
        follow(browser, browser.post(publish_page(draft), again))
        assert Charter.objects.in_force().text_fr == "Glissé au dernier moment."
        page = follow(browser, publishes(browser, draft))
        assert f"La version {VERSION} est déjà publiée par Lea Martin." in visible_text(page)
        assert JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED).count() == 1

    def test_a_draft_is_deleted_only_as_it_was_seen(self, agent, browser, draft):
        address = reverse("admin:charter-deletion", args=[draft.pk])
        saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre.")
        page = follow(browser, browser.post(address, {"seen": draft.fingerprint}))
        assert "a changé entre-temps" in visible_text(page)
        page = follow(browser, browser.post(address, {"seen": stored(draft).fingerprint}))
        assert "est supprimé" in visible_text(page)
        assert not Charter.objects.filter(published_at__isnull=True).exists()
        assert JournalEntry.objects.get(event=Event.CHARTER_DRAFT_DELETED).actor == agent

    def test_asks_each_person_at_the_next_login_with_the_text_of_the_preview(self, agent, browser):
        """PRV-01"""
        person = active_account()
        publishes(browser, a_draft(agent))
        # An agent's session goes on.
        assert browser.get(LIST).status_code == 200
        assert signed_in_browser(agent).get(LIST)["Location"].startswith(reverse("account-charter"))
        client = signed_in_browser(person)
        page = follow(client, client.get(reverse("account")))
        assert "La charte a changé" in visible_text(page)
        assert "Nouveau texte." in page.content.decode()
        client.post(reverse("account-charter"), {"version": VERSION, "accepted": "on"})
        assert client.get(reverse("account")).status_code == 200
        proof = person.charter_acceptances.get(charter__version=VERSION)
        [entry] = JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED)
        assert proof.text_sha256 == entry.details["sha256_fr"]
        assert "1 personne sur 2 dont le compte est actif" in visible_text(browser.get(LIST))

    def test_shows_a_person_in_the_wizard_the_new_version_before_accepting(self, agent, browser):
        person, client = pending_account(), Client()
        begin(client, person)
        client.get(reverse(CHARTER))
        before = charter_answer()
        publishes(browser, a_draft(agent))
        page = answer(client, CHARTER, before)
        assert "La charte a changé pendant votre lecture" in visible_text(page)
        assert "Nouveau texte." in page.content.decode()
        assert not person.charter_acceptances.exists()
        assert answer(client, CHARTER)["Location"] == reverse(DIRECTORY)
        assert person.charter_acceptances.get().charter.version == VERSION
        publishes(browser, a_draft(agent))
        assert answer(client, DIRECTORY)["Location"] == reverse(CHARTER)
