"""The charter in the agents' area: drafted, saved while it is typed, previewed, published, counted (PRV-01)."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.conf import settings as portal
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.charter import publishing
from activation.models import Charter
from agents.roles import Role
from journal.events import Event
from journal.models import JournalEntry
from tests.activation.wizard.client import CHARTER, DIRECTORY, answer, begin, charter_answer
from tests.agents.charter_drafts import (
    FRENCH,
    HOSTILE,
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
from tests.agents.signed_in import an_agent, code_of, signed_in_browser, submit_code, verified_agent
from tests.concurrency import together
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account

pytestmark = pytest.mark.django_db

LIST, NEW = "/admin/charte/", "/admin/charte/nouvelle/"
MINE = "Ce que j’ai écrit pendant une heure."


@pytest.fixture
def publisher() -> tuple[Account, Client]:
    return verified_agent(Role.RESPONSABLES)


def text_of(response) -> str:
    """The visible text on one line; bold words are part of their sentence."""
    html = re.sub(r"</?b>", "", response.content.decode())
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def typed_in(response, name: str = "text_fr") -> str:
    """The content of a text area, as a browser would send it."""
    found = re.search(rf'<textarea name="{name}"[^>]*>\n?(.*?)</textarea>', response.content.decode(), re.DOTALL)
    assert found, name
    return unescape(found[1])


def follow(browser: Client, response) -> object:
    assert response.status_code == 302, response.content.decode()[:500]
    return browser.get(response["Location"])


def preview_page(draft: Charter) -> str:
    return reverse("admin:charter-preview", args=[draft.pk])


class TestTheList:
    def test_shows_each_version_with_its_acceptances(self, publisher):
        me, browser = publisher
        assert "toutes les personnes dont le compte est actif (1) l’ont acceptée" in text_of(browser.get(LIST))
        active_account()
        charter = published(me)
        page = text_of(browser.get(LIST))
        assert "2 personnes sur 2 dont le compte est actif, soit 100 %" in page
        assert charter.version in page
        assert f"publiée par {me.full_name}" in page

    def test_offers_editing_to_the_role_that_may(self):
        """ADM-05"""
        draft = the_draft()
        for role in Role:
            _agent, browser = verified_agent(role)
            for address in (LIST, preview_page(draft)):
                html = browser.get(address).content.decode()
                assert ("/modifier/" in html) is ("/supprimer/" in html) is (role == Role.RESPONSABLES)

    def test_without_a_version_in_force_says_so(self, time_machine):
        time_machine.move_to("2026-08-01T12:00:00+02:00")
        _me, browser = verified_agent(Role.RESPONSABLES)
        page = text_of(browser.get(LIST))
        assert "Aucune version n’est en vigueur" in page
        assert "À venir" in page


class TestTheEditor:
    def test_starts_from_the_version_in_force_or_empty(self, time_machine):
        time_machine.move_to("2026-11-22T12:00:00+01:00")
        _me, browser = verified_agent(Role.RESPONSABLES)
        copy = browser.get(NEW)
        assert typed_in(copy) == Charter.objects.in_force().text_fr
        assert 'value="2026-11"' in copy.content.decode()
        assert typed_in(browser.get(f"{NEW}?vide")) == ""
        assert Charter.objects.count() == 1

    def test_saves_canonical_text_and_goes_to_the_preview(self, publisher):
        """INP-02"""
        me, browser = publisher
        preview = follow(browser, browser.post(NEW, sent(None)))
        draft = Charter.objects.get(version=VERSION)
        assert preview.request["PATH_INFO"] == preview_page(draft)
        assert "Brouillon enregistré." in text_of(preview)
        assert draft.saved_by == me
        browser.post(edit_page(draft), sent(draft, text_fr="## Un\r\n\r\ntexte\u200b\u202e\r\n    - a"))
        assert Charter.objects.get(pk=draft.pk).text_fr == "## Un\n\ntexte\n    - a"

    def test_allows_one_draft_at_a_time_and_loses_nothing(self, publisher):
        _me, browser = publisher
        other = a_draft(an_agent(Role.RESPONSABLES))
        page = follow(browser, browser.get(NEW))
        assert page.request["PATH_INFO"] == edit_page(other)
        assert "Un brouillon existe déjà" in text_of(page)
        page = browser.post(NEW, sent(None, version="2027-01", text_fr=MINE))
        assert typed_in(page) == MINE
        assert f"Un brouillon, « {other.version} », existe déjà" in text_of(page)
        assert Charter.objects.filter(published_at__isnull=True).get() == other

    def test_refuses_bad_names_and_texts_that_are_too_long_and_keeps_what_was_typed(self, publisher):
        me, browser = publisher
        names = {
            "": "Donnez un nom",
            "2026-09": "Une version porte déjà ce nom",
            "refus": "Ce nom est réservé",
            **dict.fromkeys(("a/b", "..", "été"), "Écrivez des lettres"),
            "a" * 41: "dépasse 40",
        }
        for version, why in names.items():
            page = browser.post(NEW, sent(None, version=version, text_fr=MINE))
            assert why in text_of(page), version
            assert typed_in(page) == MINE
        assert Charter.objects.count() == 1
        draft = a_draft(me)
        long = "Une phrase. \n\n" * 5_000
        page = browser.post(edit_page(draft), sent(draft, text_en=long, key_points_fr="x" * 10_001))
        assert "Raccourcissez-le à 50 000 caractères" in text_of(page)
        assert "L’essentiel dépasse 10 000 caractères" in text_of(page)
        assert typed_in(page, "text_en") == long
        assert Charter.objects.get(pk=draft.pk).fingerprint == draft.fingerprint

    def test_shows_another_agents_text_beside_ones_own(self, publisher):
        _me, browser = publisher
        other = an_agent(Role.RESPONSABLES, given_name="Zoé")
        draft = a_draft(other)
        before = sent(draft, text_fr=f"{FRENCH}\n\n{MINE}")
        theirs = saved_by_another(draft, other, text_fr=f"{FRENCH}\n\nLeur phrase.", key_points_en="Theirs.")

        page = browser.post(edit_page(draft), before)

        shown = text_of(page)
        assert f"{other.full_name} a enregistré le brouillon" in shown
        assert "Leur phrase." in shown
        assert "Theirs." in shown
        assert MINE in typed_in(page)
        # Autosave would replace the other text without a word.
        assert "data-autosave" not in page.content.decode()
        assert Charter.objects.get(pk=draft.pk).saved_by == other
        again = {**before, "seen": re.search(r'name="seen"[^>]* value="(\w+)"', page.content.decode())[1]}
        assert again["seen"] == theirs.fingerprint
        assert browser.post(edit_page(draft), again).status_code == 302
        assert MINE in Charter.objects.get(pk=draft.pk).text_fr

    @pytest.mark.parametrize("fate", ["published", "deleted"])
    def test_offers_another_draft_when_its_own_was_published_or_deleted(self, publisher, fate):
        me, browser = publisher
        draft = a_draft(me)
        typed = sent(draft, text_fr=MINE)
        if fate == "published":
            publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=me)
        else:
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=me)
        page = browser.post(edit_page(draft), typed)
        assert "pendant que vous écriviez" in text_of(page)
        assert typed_in(page) == MINE
        assert f'action="{NEW}"' in page.content.decode()
        assert follow(browser, browser.post(NEW, {**typed, "version": "2027-01"})).status_code == 200
        assert Charter.objects.get(version="2027-01").text_fr == MINE
        assert fate == "deleted" or Charter.objects.in_force().text_fr == FRENCH

    def test_of_a_former_draft_leads_to_the_list(self, publisher):
        me, browser = publisher
        charter = published(me)
        for name in ("edit", "publish", "deletion"):
            page = follow(browser, browser.get(reverse(f"admin:charter-{name}", args=[charter.pk])))
            assert f"La version {charter.version} est déjà publiée" in text_of(page)
        assert "n’existe plus" in text_of(follow(browser, browser.get(reverse("admin:charter-edit", args=[10**9]))))
        assert browser.get(reverse("admin:charter", args=[10**9])).status_code == 404


class TestAutosave:
    """What the script of the editor sends; the script itself: tests/browser/test_charter_autosave.py."""

    NEW = "/admin/charte/nouvelle/enregistrement/"

    def autosave(self, browser: Client, draft: Charter, **changed: str):
        return browser.post(reverse("admin:charter-autosave", args=[draft.pk]), sent(draft, **changed))

    def test_saves_the_draft_and_returns_its_new_fingerprint(self, publisher):
        me, browser = publisher
        draft = a_draft(an_agent(Role.RESPONSABLES))
        answered = self.autosave(browser, draft, text_fr=MINE)
        saved = Charter.objects.get(pk=draft.pk)
        assert (saved.text_fr, saved.saved_by) == (MINE, me)
        facts = answered.json()
        assert facts["seen"] == saved.fingerprint
        assert facts["message"].startswith("Brouillon enregistré automatiquement le ")
        page = browser.get(edit_page(saved)).content.decode()
        assert f'data-autosave="{facts["autosave"]}"' in page
        assert "Brouillon enregistré le " in page

    def test_of_a_new_version_starts_the_draft(self, publisher):
        _me, browser = publisher
        assert f'data-autosave="{self.NEW}"' in browser.get(NEW).content.decode()
        facts = browser.post(self.NEW, sent(None, text_fr=MINE)).json()
        draft = Charter.objects.get(version=VERSION)
        assert (draft.text_fr, facts["edit"]) == (MINE, edit_page(draft))
        assert browser.post(self.NEW, sent(None, version="2027-01")).status_code == 409
        assert browser.post(facts["edit"], sent(draft, text_fr="Suite.")).status_code == 302

    def test_never_replaces_what_another_agent_saved(self, publisher):
        me, browser = publisher
        draft = a_draft(me)
        saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre texte.")
        answered = self.autosave(browser, draft, text_fr=MINE)
        assert answered.status_code == 409
        assert "Un autre agent a enregistré le brouillon" in answered.json()["message"]
        assert Charter.objects.get(pk=draft.pk).text_fr == "Autre texte."

    def test_of_a_former_draft_or_a_bad_text_saves_nothing(self, publisher):
        me, browser = publisher
        charter = published(me)
        assert self.autosave(browser, charter, text_fr=MINE).status_code == 409
        assert Charter.objects.get(pk=charter.pk).text_fr == FRENCH
        draft = a_draft(me)
        for version, why in {"": "Donnez un nom", "2026-09": "Une version porte déjà ce nom"}.items():
            answered = self.autosave(browser, draft, version=version)
            assert answered.status_code == 400
            assert why in answered.json()["message"]

    def test_writes_one_journal_entry_an_editing_session(self, publisher, time_machine):
        me, _browser = publisher
        other = an_agent(Role.RESPONSABLES)
        time_machine.move_to(timezone.now(), tick=False)
        draft = a_draft(other)
        counts = []
        for author in (me, me, me, other, other):
            texts = {**TEXTS, "text_fr": f"{MINE} {len(counts)}"}
            facts = {"seen": draft.fingerprint, "version": draft.version, "texts": texts, "actor": author}
            draft = publishing.autosave_draft(charter_id=draft.pk, **facts)
            counts.append(JournalEntry.objects.filter(event=Event.CHARTER_DRAFT_SAVED).count())
            time_machine.shift(publishing.EDITING_SESSION / 2 if author == me else publishing.EDITING_SESSION * 2)
        assert counts == [2, 2, 2, 3, 4]

    def test_is_what_is_left_when_the_session_ends_and_the_sign_in_leads_back(self, time_machine):
        """SES-04"""
        time_machine.move_to(timezone.now().replace(hour=10, minute=0), tick=False)
        me, browser = verified_agent(Role.RESPONSABLES)
        draft = a_draft(me)
        self.autosave(browser, draft, text_fr=MINE)
        time_machine.shift(timedelta(seconds=portal.AGENT_IDLE_SECONDS + 1))
        assert self.autosave(browser, Charter.objects.get(pk=draft.pk), text_fr="Trop tard.").status_code == 302
        sent_away = browser.post(edit_page(draft), sent(draft))
        assert sent_away["Location"] == f"{reverse('login')}?next={edit_page(draft)}"
        browser.post(reverse("login"), {"login": me.login, "password": A_GOOD_PASSWORD})
        submit_code(browser, code_of(me.totpdevice_set.get()))
        assert typed_in(browser.get(edit_page(draft))) == MINE


class TestThePreview:
    def test_shows_both_languages_as_people_read_them(self, publisher):
        me, browser = publisher
        draft = a_draft(me)
        html = browser.get(preview_page(draft)).content.decode()
        french, english = html[html.index('id="en-francais"') :].split('id="en-anglais"')
        assert 'lang="fr"' in french
        assert 'lang="en"' in english.replace('hreflang="en"', "")
        assert "Lire la charte complète (1 article, 1 minute)" in french
        assert "<h3>Article 1. Une autre règle</h3>" in french
        assert "Read the full charter (1 article, 1 minute)" in english
        # A good draft has no warning.
        assert "note--warn" not in html.split("</header>")[1].split('<div class="idle-warning"')[0]
        publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=me)
        client = Client()
        begin(client, pending_account())
        wizard = client.get(reverse(CHARTER)).content.decode()
        assert wizard[wizard.index("<h2>L’essentiel</h2>") : wizard.index("</details>")] in html

    def test_warns_of_gaps_and_of_what_will_not_work(self, publisher):
        me, browser = publisher
        in_force = Charter.objects.in_force()
        remarks = [
            ({"text_en": "## One\n\n## Two"}, "Le texte français a 1 article, le texte anglais 2."),
            ({"key_points_en": "One."}, "L’essentiel a 2 points en français, 1 en anglais."),
            ({"key_points_fr": ""}, "L’essentiel est vide en français."),
            ({"text_en": ""}, "Il manque le texte anglais"),
            ({"text_fr": "[a](ftp://exemple.fr)"}, "ces liens ne marcheront pas"),
            ({"text_fr": "<b>gras</b>"}, "Le texte français contient du HTML"),
            ({"text_en": "![a](https://exemple.fr/a.png)"}, "Le texte anglais contient une image"),
            ({name: getattr(in_force, name) for name in Charter.TEXTS}, "dit la même chose que la version en vigueur"),
        ]
        for changed, remark in remarks:
            assert remark in text_of(browser.get(preview_page(a_draft(me, **changed)))), remark

    def test_shows_the_words_that_change(self, publisher):
        me, browser = publisher
        in_force = Charter.objects.in_force()
        texts = {name: getattr(in_force, name) for name in Charter.TEXTS}
        first = texts["text_fr"].split("\n\n")[0]
        texts["text_fr"] = texts["text_fr"].replace(first, MINE)
        html = browser.get(preview_page(a_draft(me, **texts))).content.decode()
        assert re.search(rf'Retiré</span>\s+<span lang="fr">{re.escape(first)}', html)
        assert re.search(rf'Ajouté</span>\s+<span lang="fr">{re.escape(MINE)}', html)
        assert html.count("Retiré</span>") == html.count("Ajouté</span>") == 1

    def test_runs_nothing(self, publisher):
        """INP-02, INP-05"""
        me, browser = publisher
        draft = a_draft(me, text_fr=HOSTILE, key_points_fr=HOSTILE)
        other = saved_by_another(draft, an_agent(Role.RESPONSABLES), text_en=HOSTILE)
        pages = [
            browser.get(preview_page(draft)),
            browser.get(edit_page(draft)),
            browser.post(edit_page(draft), sent(draft, text_fr="x")),
            browser.post(publish_page(draft), {"read": "x", "summary": SUMMARY}),
            browser.get(reverse("admin:charter-deletion", args=[draft.pk])),
        ]
        publishes(browser, other)
        pages += [browser.get(reverse("admin:charter", args=[draft.pk])), browser.get(LIST)]
        for page in pages:
            html = page.content.decode()
            assert page.status_code == 200
            assert not re.search(r"<(script(?! src)|img|svg/|iframe|style|b )", html)
            assert not re.search(r'href="(javascript|data:text|ftp|tel)', html, re.IGNORECASE)
            assert not re.search(r"<[^>]+ on\w+=", html)


class TestThePublication:
    def test_says_what_happens_asks_for_a_reason_and_is_in_the_journal(self, publisher):
        me, browser = publisher
        active_account()
        draft = a_draft(me)
        page = text_of(browser.get(publish_page(draft)))
        assert "2 personnes dont le compte est actif devront l’accepter à leur prochaine connexion" in page
        assert "Écrivez ce qui change" in text_of(publishes(browser, draft, summary=""))
        assert Charter.objects.get(pk=draft.pk).is_draft

        done = follow(browser, publishes(browser, draft))
        assert f"La version {VERSION} est publiée et en vigueur." in text_of(done)
        [entry] = JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED)
        assert (entry.actor, entry.details["summary"]) == (me, SUMMARY)
        page = text_of(follow(browser, browser.get(preview_page(draft))))
        for words in ("Elle ne peut plus être modifiée", SUMMARY, "0 en tout", "Another rule"):
            assert words in page

    def test_is_of_the_text_that_was_read_alone(self, publisher):
        me, browser = publisher
        draft = a_draft(me)
        address = reverse("admin:charter-publish", args=[draft.pk])
        for read in ("", "?lu=", "?lu=autre"):
            page = follow(browser, browser.get(f"{address}{read}"))
            assert page.request["PATH_INFO"] == preview_page(draft)
            assert "Relisez le brouillon" in text_of(page)
        for read in ("", "autre", "\x00"):
            page = browser.post(publish_page(draft), {"read": read, "summary": SUMMARY})
            assert SUMMARY in page.content.decode()
            assert Charter.objects.get(pk=draft.pk).is_draft
        incomplete = a_draft(me, text_en="")
        assert "/publier/" not in browser.get(preview_page(incomplete)).content.decode()
        assert "Il manque un texte" in text_of(follow(browser, publishes(browser, incomplete)))
        assert Charter.objects.get(pk=incomplete.pk).is_draft

    def test_after_another_agents_save_shows_the_new_text_first(self, publisher):
        me, browser = publisher
        other = an_agent(Role.RESPONSABLES)
        draft = a_draft(me)
        saved_by_another(draft, other, text_fr="Glissé au dernier moment.")

        page = publishes(browser, draft)

        assert "Le brouillon a changé depuis votre aperçu." in text_of(page)
        assert other.full_name in text_of(page)
        assert "<p>Glissé au dernier moment.</p>" in page.content.decode()
        assert SUMMARY in page.content.decode()
        assert Charter.objects.get(pk=draft.pk).is_draft
        read = re.search(r'name="read"[^>]* value="(\w+)"', page.content.decode())[1]
        follow(browser, browser.post(publish_page(draft), {"read": read, "summary": SUMMARY}))
        assert Charter.objects.in_force().text_fr == "Glissé au dernier moment."

    def test_twice_is_once(self, publisher):
        me, browser = publisher
        other = an_agent(Role.RESPONSABLES, given_name="Zoé")
        draft = a_draft(me)
        publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=other)
        page = follow(browser, publishes(browser, draft))
        assert f"La version {VERSION} est déjà publiée par {other.full_name}." in text_of(page)
        assert JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED).count() == 1

    def test_a_draft_is_deleted_as_it_was_seen(self, publisher):
        me, browser = publisher
        draft = a_draft(me)
        address = reverse("admin:charter-deletion", args=[draft.pk])
        saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre.")
        page = follow(browser, browser.post(address, {"seen": draft.fingerprint}))
        assert "a changé entre-temps" in text_of(page)
        seen = Charter.objects.get(pk=draft.pk).fingerprint
        assert "est supprimé" in text_of(follow(browser, browser.post(address, {"seen": seen})))
        assert not Charter.objects.filter(published_at__isnull=True).exists()
        assert JournalEntry.objects.get(event=Event.CHARTER_DRAFT_DELETED).actor == me


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_publications_publish_once():
    (me, mine), (other, theirs) = verified_agent(Role.RESPONSABLES), verified_agent(Role.RESPONSABLES)
    for number in range(4):
        draft = a_draft(me, version=f"2030-{number:02}")
        answers = together(
            lambda draft=draft: publishes(mine, draft).status_code,
            lambda draft=draft: publishes(theirs, draft).status_code,
        )
        assert answers == [302, 302]
        assert Charter.objects.get(pk=draft.pk).published_by in (me, other)
        entries = JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED, details__charter=draft.pk)
        assert entries.count() == 1


class TestAfterThePublication:
    def test_a_person_is_asked_at_the_next_sign_in_and_reads_what_was_previewed(self, publisher):
        """PRV-01"""
        me, browser = publisher
        person = active_account()
        publishes(browser, a_draft(me))
        # Not in the middle of what an agent does.
        assert browser.get(LIST).status_code == 200
        assert signed_in_browser(me).get(LIST)["Location"].startswith(reverse("account-charter"))
        client = signed_in_browser(person)

        page = follow(client, client.get(reverse("account")))
        assert "La charte a changé" in text_of(page)
        assert "Nouveau texte." in page.content.decode()
        client.post(reverse("account-charter"), {"version": VERSION, "accepted": "on"})

        assert client.get(reverse("account")).status_code == 200
        proof = person.charter_acceptances.get(charter__version=VERSION)
        [entry] = JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED)
        assert proof.text_sha256 == entry.details["sha256_fr"]
        assert client.get(reverse("account-charter-version", args=[VERSION])).status_code == 200
        assert "1 personne sur 2 dont le compte est actif" in text_of(browser.get(LIST))

    def test_a_person_in_the_wizard_reads_the_new_version_before_accepting(self, publisher):
        me, browser = publisher
        person, client = pending_account(), Client()
        begin(client, person)
        client.get(reverse(CHARTER))
        before = charter_answer()
        publishes(browser, a_draft(me))

        page = answer(client, CHARTER, before)

        assert "La charte a changé pendant votre lecture" in text_of(page)
        assert "Nouveau texte." in page.content.decode()
        assert not person.charter_acceptances.exists()
        assert answer(client, CHARTER)["Location"] == reverse(DIRECTORY)
        assert person.charter_acceptances.get().charter.version == VERSION
        publishes(browser, a_draft(me))
        assert answer(client, DIRECTORY)["Location"] == reverse(CHARTER)
