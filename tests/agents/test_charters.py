"""The charter in the agents' area: written, previewed, published, counted; nothing that is typed is lost (PRV-01)."""

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
from activation.models import Charter, UnsavedCharter
from agents.charters.typed_text import PERMIT_LASTS, permit_for
from agents.roles import Role
from journal.events import Event
from journal.models import JournalEntry
from tests.activation.wizard.client import CHARTER, DIRECTORY, answer, begin, charter_answer
from tests.activation.wizard.test_concurrency import together
from tests.agents.charter_drafts import (
    FRENCH,
    HOSTILE,
    SUMMARY,
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
from tests.agents.signed_in import an_agent, browser_of, code_of, give_code, inside
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

LIST, NEW = "/admin/charte/", "/admin/charte/nouvelle/"
MINE = "Ce que j’ai écrit pendant une heure."


def a_publisher() -> tuple[Account, Client]:
    return inside(Role.RESPONSABLES)


def text_of(response) -> str:
    """What is read, on one line; marked words are part of their sentence."""
    html = re.sub(r"</?b>", "", response.content.decode())
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def typed_in(response, name: str = "text_fr") -> str:
    """What stands in a text area of the page, as a browser would send it."""
    found = re.search(rf'<textarea name="{name}"[^>]*>\n?(.*?)</textarea>', response.content.decode(), re.DOTALL)
    assert found, name
    return unescape(found[1])


def follow(browser: Client, response) -> object:
    assert response.status_code == 302, response.content.decode()[:500]
    return browser.get(response["Location"])


class TestTheList:
    def test_shows_each_version_with_its_acceptances(self):
        me, browser = a_publisher()
        active_account()
        charter = published(me)
        publishing.save_unsaved_text(author=an_agent(Role.RESPONSABLES), charter_id=None, typed={})
        page = text_of(browser.get(LIST))
        assert "2 personnes sur 3 dont le compte est actif, soit 66 %" in page
        assert charter.version in page
        assert f"publiée par {me.full_name}" in page
        assert "n’est pas enregistré" not in page

    def test_says_when_everybody_has_accepted(self):
        _me, browser = a_publisher()
        assert "Personne : toutes les personnes dont le compte est actif (1) l’ont acceptée" in text_of(
            browser.get(LIST)
        )

    def test_offers_writing_to_those_who_may(self):
        """ADM-05"""
        draft = the_draft()
        for role, may in ((Role.LECTURE, False), (Role.ASSISTANCE, False), (Role.RESPONSABLES, True)):
            _agent, browser = inside(role)
            for address in (LIST, reverse("admin:charter-preview", args=[draft.pk])):
                html = browser.get(address).content.decode()
                assert ("/modifier/" in html) is may
                assert ("/supprimer/" in html) is may

    def test_without_any_version_says_so(self, time_machine):
        """A portal that was installed before its first charter comes into force."""
        time_machine.move_to("2026-08-01T12:00:00+02:00")
        _me, browser = a_publisher()
        page = text_of(browser.get(LIST))
        assert "Aucune version n’est en vigueur" in page
        assert "À venir" in page


class TestWriting:
    def test_begins_with_the_version_in_force_or_with_nothing(self, time_machine):
        time_machine.move_to("2026-11-22T12:00:00+01:00")
        _me, browser = a_publisher()
        copy = browser.get(NEW)
        assert typed_in(copy) == Charter.objects.in_force().text_fr
        assert 'value="2026-11"' in copy.content.decode()
        assert typed_in(browser.get(f"{NEW}?vide")) == ""
        assert Charter.objects.count() == 1

    def test_goes_on_to_the_preview(self):
        me, browser = a_publisher()
        preview = follow(browser, browser.post(NEW, sent(None, me)))
        draft = Charter.objects.get(version=VERSION)
        assert preview.request["PATH_INFO"] == reverse("admin:charter-preview", args=[draft.pk])
        assert "Brouillon enregistré." in text_of(preview)
        assert draft.saved_by == me

        follow(browser, browser.post(edit_page(draft), sent(draft, me, text_fr=MINE)))
        assert Charter.objects.get(pk=draft.pk).text_fr == MINE

    def test_leads_to_the_draft_that_there_is(self):
        me, browser = a_publisher()
        draft = a_draft(me)
        page = follow(browser, browser.get(NEW))
        assert page.request["PATH_INFO"] == edit_page(draft)
        assert "Un brouillon existe déjà" in text_of(page)

    def test_beside_another_draft_loses_nothing(self):
        me, browser = a_publisher()
        other = a_draft(an_agent(Role.RESPONSABLES))
        page = browser.post(NEW, sent(None, me, version="2027-01", text_fr=MINE))
        assert page.status_code == 200
        assert typed_in(page) == MINE
        assert f"Un brouillon, « {other.version} », existe déjà" in text_of(page)
        assert Charter.objects.filter(published_at__isnull=True).get() == other

    @pytest.mark.parametrize(
        ("version", "why"),
        [
            ("", "Donnez un nom"),
            ("2026-09", "Une version porte déjà ce nom"),
            ("refus", "Ce nom est réservé"),
            ("a/b", "Écrivez des lettres"),
            ("..", "Écrivez des lettres"),
            ("été", "Écrivez des lettres"),
            ("a" * 41, "dépasse 40"),
        ],
    )
    def test_under_a_bad_name_is_refused_and_kept(self, version, why):
        """The name stands in an address."""
        me, browser = a_publisher()
        page = browser.post(NEW, sent(None, me, version=version, text_fr=MINE))
        assert why in text_of(page)
        assert typed_in(page) == MINE
        assert Charter.objects.count() == 1

    @pytest.mark.parametrize("name", [name for name in N if isinstance(N[name], str)])
    def test_anything_is_answered(self, name):
        """INP-01, INP-02: in every field."""
        me, browser = a_publisher()
        draft = a_draft(me)
        typed = dict.fromkeys(("seen", "version", *Charter.TEXTS), N[name])
        for address in (NEW, edit_page(draft)):
            answered = browser.post(address, {**typed, "permit": permit_for(me)})
            assert answered.status_code in (200, 302)
            assert "<script>alert" not in answered.content.decode()
        answered = browser.post(edit_page(draft), sent(draft, me, **dict.fromkeys(Charter.TEXTS, N[name])))
        assert answered.status_code in (200, 302)
        assert browser.get(LIST).status_code == browser.get(f"{LIST}{draft.pk}/apercu/").status_code == 200

    def test_of_a_text_that_is_too_long_is_refused_kindly(self):
        me, browser = a_publisher()
        draft = a_draft(me)
        long = "Une phrase. \n\n" * 5_000
        page = browser.post(edit_page(draft), sent(draft, me, text_en=long, key_points_fr="x" * 10_001))
        assert "Raccourcissez-le à 50 000 caractères" in text_of(page)
        assert "L’essentiel dépasse 10 000 caractères" in text_of(page)
        assert typed_in(page, "text_en") == long
        assert Charter.objects.get(pk=draft.pk).fingerprint == draft.fingerprint

    def test_that_no_server_would_read_says_so(self):
        """AVL-04: above DATA_UPLOAD_MAX_MEMORY_SIZE."""
        me, browser = a_publisher()
        draft = a_draft(me)
        page = browser.post(edit_page(draft), sent(draft, me, text_fr="x" * (portal.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)))
        assert page.status_code == 413
        assert "trop long pour être envoyé" in text_of(page)
        assert not UnsavedCharter.objects.exists()

    def test_keeps_canonical_line_breaks_and_nothing_invisible(self):
        """INP-02"""
        me, browser = a_publisher()
        draft = a_draft(me)
        browser.post(edit_page(draft), sent(draft, me, text_fr="## Un\r\n\r\ntexte\u200b\u202e\r\n    - a"))
        assert Charter.objects.get(pk=draft.pk).text_fr == "## Un\n\ntexte\n    - a"

    def test_what_another_agent_saved_meanwhile_is_shown_beside_ones_own(self):
        me, browser = a_publisher()
        other = an_agent(Role.RESPONSABLES, given_name="Zoé")
        draft = a_draft(me)
        before = sent(draft, me, text_fr=f"{FRENCH}\n\n{MINE}")
        theirs = saved_by_another(draft, other, text_fr=f"{FRENCH}\n\nLeur phrase.", key_points_en="Theirs.")

        page = browser.post(edit_page(draft), before)

        assert page.status_code == 200
        shown = text_of(page)
        assert f"{other.full_name} a enregistré le brouillon" in shown
        assert MINE in typed_in(page)
        assert "Leur phrase." in shown
        assert "Theirs." in shown
        assert Charter.objects.get(pk=draft.pk).saved_by == other
        again = {**before, "seen": re.search(r'name="seen"[^>]* value="(\w+)"', page.content.decode())[1]}
        assert again["seen"] == theirs.fingerprint
        assert browser.post(edit_page(draft), again).status_code == 302
        assert MINE in Charter.objects.get(pk=draft.pk).text_fr

    @pytest.mark.parametrize("fate", ["published", "deleted"])
    def test_a_draft_that_is_none_any_more_gives_back_what_was_typed(self, fate):
        me, browser = a_publisher()
        other = an_agent(Role.RESPONSABLES)
        draft = a_draft(me)
        typed = sent(draft, me, text_fr=MINE)
        if fate == "published":
            publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=other)
        else:
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=other)

        page = browser.post(edit_page(draft), typed)

        assert page.status_code == 200
        assert "pendant que vous écriviez" in text_of(page)
        assert typed_in(page) == MINE
        assert f'action="{NEW}"' in page.content.decode()
        assert follow(browser, browser.post(NEW, {**typed, "version": "2027-01"})).status_code == 200
        assert Charter.objects.get(version="2027-01").text_fr == MINE
        assert fate == "deleted" or Charter.objects.in_force().text_fr == FRENCH

    def test_an_old_address_leads_to_the_list(self):
        me, browser = a_publisher()
        charter = published(me)
        for name in ("edit", "publish", "deletion"):
            page = follow(browser, browser.get(reverse(f"admin:charter-{name}", args=[charter.pk])))
            assert f"La version {charter.version} est déjà publiée" in text_of(page)
        assert "n’existe plus" in text_of(follow(browser, browser.get(reverse("admin:charter-edit", args=[10**9]))))
        assert browser.get(reverse("admin:charter", args=[10**9])).status_code == 404


class TestWhatWasTyped:
    """Nothing typed is lost when something stands between the agent and the page."""

    def come_back(self, browser: Client, agent: Account) -> None:
        """Sign in and give a code, as the pages ask."""
        browser.post(reverse("login"), {"login": agent.login, "password": A_GOOD_PASSWORD})
        give_code(browser, code_of(agent.totpdevice_set.get()))

    def test_comes_back_after_the_session_has_ended(self, time_machine):
        """SES-04"""
        time_machine.move_to(timezone.now().replace(hour=10, minute=0), tick=False)
        me, browser = a_publisher()
        draft = a_draft(me)
        typed = sent(draft, me, text_fr=MINE)
        time_machine.shift(timedelta(seconds=portal.AGENT_IDLE_SECONDS + 1))

        sent_away = browser.post(edit_page(draft), typed)

        assert sent_away["Location"] == f"{reverse('login')}?next={edit_page(draft)}"
        assert Charter.objects.get(pk=draft.pk).text_fr == FRENCH
        self.come_back(browser, me)
        listed = browser.get(LIST)
        assert "Un texte que vous avez écrit n’est pas enregistré" in text_of(listed)
        page = browser.get(edit_page(draft))
        assert typed_in(page) == MINE
        assert "Ce n’est pas encore enregistré" in text_of(page)
        assert browser.post(edit_page(draft), typed).status_code == 302
        assert Charter.objects.get(pk=draft.pk).text_fr == MINE
        assert not UnsavedCharter.objects.exists()

    def test_comes_back_for_a_new_version_too(self, time_machine):
        time_machine.move_to(timezone.now().replace(hour=10, minute=0), tick=False)
        me, browser = a_publisher()
        time_machine.shift(timedelta(seconds=portal.AGENT_IDLE_SECONDS + 1))
        browser.post(NEW, sent(None, me, text_fr=MINE))
        self.come_back(browser, me)
        a_draft(an_agent(Role.RESPONSABLES), version="2027-05")
        assert typed_in(browser.get(NEW)) == MINE

    def test_comes_back_when_a_code_is_asked_for_first(self):
        """Signed in again in this browser, without the second factor yet."""
        me, browser = a_publisher()
        draft = a_draft(me)
        outside = browser_of(me)

        answered = outside.post(edit_page(draft), sent(draft, me, text_fr=MINE))

        assert answered["Location"] == edit_page(draft)
        assert outside.get(edit_page(draft))["Location"].startswith(reverse("admin:verification"))
        assert UnsavedCharter.objects.get(author=me).typed["text_fr"] == MINE
        assert typed_in(browser.get(edit_page(draft))) == MINE

    def test_comes_back_when_somebody_signed_in_in_another_tab_meanwhile(self):
        """SES-07: the token of the form is not the browser's any more."""
        me, browser = a_publisher()
        draft = a_draft(me)
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        answered = strict.post(edit_page(draft), sent(draft, me, text_fr=MINE, csrfmiddlewaretoken="a" * 64))
        assert answered["Location"] == edit_page(draft)
        assert typed_in(browser.get(edit_page(draft))) == MINE
        assert "csrfmiddlewaretoken" not in UnsavedCharter.objects.get().typed

    @pytest.mark.parametrize("fate", ["published", "deleted"])
    def test_comes_back_when_the_draft_is_none_any_more(self, fate):
        me, browser = a_publisher()
        other = an_agent(Role.RESPONSABLES)
        draft = a_draft(me)
        publishing.save_unsaved_text(author=me, charter_id=draft.pk, typed=sent(draft, me, text_fr=MINE))
        if fate == "published":
            publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=other)
            page = browser.get(edit_page(draft))
            assert "Ce brouillon a été publié" in text_of(page)
        else:
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=other)
            assert "n’est pas enregistré" in text_of(follow(browser, browser.get(edit_page(draft))))
            page = browser.get(NEW)
        assert typed_in(page) == MINE

    def test_can_be_thrown_away(self):
        me, browser = a_publisher()
        draft = a_draft(me)
        publishing.save_unsaved_text(author=me, charter_id=draft.pk, typed={"text_fr": MINE})
        page = follow(browser, browser.post(reverse("admin:charter-forget")))
        assert "n’est pas enregistré" not in text_of(page).replace("Le texte non enregistré est effacé.", "")
        assert typed_in(browser.get(edit_page(draft))) == FRENCH

    def test_is_shown_to_its_author_only(self):
        me, _browser = a_publisher()
        draft = a_draft(me)
        publishing.save_unsaved_text(author=me, charter_id=draft.pk, typed={"text_fr": MINE})
        _other, others_browser = a_publisher()
        assert typed_in(others_browser.get(edit_page(draft))) == FRENCH
        assert MINE not in text_of(others_browser.get(LIST))

    @pytest.mark.parametrize("permit", ["", "x", "1:2:3", "somebody else", "too old", "no agent"])
    def test_without_a_permit_nothing_is_kept(self, permit, time_machine):
        """Nobody from outside fills the table, and nobody's words are put into another agent's mouth."""
        me, _browser = a_publisher()
        draft = a_draft(me)
        typed = sent(draft, me, text_fr=MINE)
        visitor = Client()
        if permit == "too old":
            time_machine.move_to(timezone.now() + PERMIT_LASTS + timedelta(minutes=1))
        elif permit == "somebody else":
            visitor = browser_of(an_agent(Role.RESPONSABLES))
        elif permit == "no agent":
            typed["permit"] = permit_for(active_account())
        else:
            typed["permit"] = permit
        answered = visitor.post(edit_page(draft), typed)
        assert answered.status_code == 302
        assert not UnsavedCharter.objects.exists()

    def test_is_kept_whatever_it_holds(self):
        me, _browser = a_publisher()
        draft = a_draft(me)
        for name in N:
            if isinstance(N[name], str):
                Client().post(edit_page(draft), sent(draft, me, text_fr=f"{MINE}{N[name]}", version=N[name]))
                assert UnsavedCharter.objects.get().typed["text_fr"].startswith(MINE)


class TestThePreview:
    def test_shows_both_languages_as_people_read_them(self):
        me, browser = a_publisher()
        draft = a_draft(me)
        html = browser.get(reverse("admin:charter-preview", args=[draft.pk])).content.decode()
        french, english = html[html.index('id="en-francais"') :].split('id="en-anglais"')
        assert 'lang="fr"' in french
        assert 'lang="en"' in english.replace('hreflang="en"', "")
        assert "L’essentiel" in french
        assert "Lire la charte complète (1 article, 1 minute)" in french
        assert "<h3>Article 1. Une autre règle</h3>" in french
        assert "Read the full charter (1 article, 1 minute)" in english
        assert "<h3>Article 1. Another rule</h3>" in english
        person = pending_account()
        published_one = publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=me)
        visitor = Client()
        begin(visitor, person)
        wizard = visitor.get(reverse(CHARTER)).content.decode()
        shown = wizard[wizard.index("<h2>L’essentiel</h2>") : wizard.index("</details>")]
        assert shown in html
        assert published_one.text_fr == FRENCH

    @pytest.mark.parametrize(
        ("changed", "remark"),
        [
            ({"text_en": "## One\n\n## Two"}, "Le texte français a 1 article, le texte anglais 2."),
            ({"key_points_en": "One."}, "L’essentiel a 2 points en français, 1 en anglais."),
            ({"key_points_fr": ""}, "L’essentiel est vide en français."),
            ({"text_en": ""}, "Il manque le texte anglais"),
            ({"text_fr": "[a](ftp://exemple.fr)"}, "ces liens ne marcheront pas"),
            ({"text_fr": "<b>gras</b>"}, "Le texte français contient du HTML"),
            ({"text_en": "![a](https://exemple.fr/a.png)"}, "Le texte anglais contient une image"),
        ],
    )
    def test_warns(self, changed, remark):
        me, browser = a_publisher()
        preview = text_of(browser.get(reverse("admin:charter-preview", args=[a_draft(me, **changed).pk])))
        assert remark in preview

    def test_of_a_good_draft_warns_of_nothing(self):
        me, browser = a_publisher()
        html = browser.get(reverse("admin:charter-preview", args=[a_draft(me).pk])).content.decode()
        assert "note--warn" not in html.split("</header>")[1].split('<div class="idle"')[0]

    def test_of_the_same_words_says_so(self):
        me, browser = a_publisher()
        in_force = Charter.objects.in_force()
        draft = a_draft(me, **{name: getattr(in_force, name) for name in Charter.TEXTS})
        preview = text_of(browser.get(reverse("admin:charter-preview", args=[draft.pk])))
        assert "Ce brouillon dit la même chose que la version en vigueur" in preview

    def test_says_in_words_what_changes(self):
        me, browser = a_publisher()
        in_force = Charter.objects.in_force()
        texts = {name: getattr(in_force, name) for name in Charter.TEXTS}
        first = texts["text_fr"].split("\n\n")[0]
        texts["text_fr"] = texts["text_fr"].replace(first, MINE)
        html = browser.get(reverse("admin:charter-preview", args=[a_draft(me, **texts).pk])).content.decode()
        assert f'Retiré</span> <span lang="fr">{first}' in html
        assert f'Ajouté</span> <span lang="fr">{MINE}' in html
        assert html.count("Retiré</span>") == html.count("Ajouté</span>") == 1

    def test_that_is_incomplete_cannot_be_published(self):
        me, browser = a_publisher()
        draft = a_draft(me, text_en="")
        assert "/publier/" not in browser.get(reverse("admin:charter-preview", args=[draft.pk])).content.decode()
        page = follow(browser, publishes(browser, draft))
        assert "Il manque un texte" in text_of(page)
        assert Charter.objects.get(pk=draft.pk).is_draft

    def test_runs_nothing(self):
        """INP-02, INP-05"""
        me, browser = a_publisher()
        draft = a_draft(me, text_fr=HOSTILE, key_points_fr=HOSTILE)
        other = saved_by_another(draft, an_agent(Role.RESPONSABLES), text_en=HOSTILE)
        pages = [
            browser.get(reverse("admin:charter-preview", args=[draft.pk])),
            browser.get(edit_page(draft)),
            browser.post(edit_page(draft), sent(draft, me, text_fr="x")),
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
    def test_says_what_happens_and_asks_for_a_reason(self):
        me, browser = a_publisher()
        active_account()
        draft = a_draft(me)
        page = text_of(browser.get(publish_page(draft)))
        assert "2 personnes dont le compte est actif devront l’accepter à leur prochaine connexion" in page
        assert "ne peut plus être modifiée" in page
        refused = publishes(browser, draft, summary="")
        assert "Écrivez ce qui change" in text_of(refused)
        assert Charter.objects.get(pk=draft.pk).is_draft

        done = follow(browser, publishes(browser, draft))
        assert f"La version {VERSION} est publiée et en vigueur." in text_of(done)
        [entry] = JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED)
        assert (entry.actor, entry.details["summary"]) == (me, SUMMARY)

    @pytest.mark.parametrize("read", ["", "?lu=", "?lu=autre"])
    def test_begins_at_the_preview(self, read):
        me, browser = a_publisher()
        draft = a_draft(me)
        page = follow(browser, browser.get(f"{reverse('admin:charter-publish', args=[draft.pk])}{read}"))
        assert page.request["PATH_INFO"] == reverse("admin:charter-preview", args=[draft.pk])
        assert "Relisez le brouillon" in text_of(page)

    @pytest.mark.parametrize("read", ["", "autre", "\x00"])
    def test_of_something_else_than_was_read_is_refused_and_shown(self, read):
        """What is published is what was read."""
        me, browser = a_publisher()
        draft = a_draft(me)
        page = browser.post(publish_page(draft), {"read": read, "summary": SUMMARY})
        assert page.status_code == 200
        assert SUMMARY in page.content.decode()
        assert Charter.objects.get(pk=draft.pk).is_draft

    def test_after_another_agents_save_shows_it_first(self):
        me, browser = a_publisher()
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

    def test_twice_is_once(self):
        me, browser = a_publisher()
        other = an_agent(Role.RESPONSABLES, given_name="Zoé")
        draft = a_draft(me)
        publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=other)
        page = follow(browser, publishes(browser, draft))
        assert f"La version {VERSION} est déjà publiée par {other.full_name}." in text_of(page)
        assert JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED).count() == 1

    def test_shows_the_version_and_its_acceptances(self):
        me, browser = a_publisher()
        charter = published(me)
        page = text_of(follow(browser, browser.get(reverse("admin:charter-preview", args=[charter.pk]))))
        assert "Elle ne peut plus être modifiée" in page
        assert SUMMARY in page
        assert "0 en tout" in page
        assert "Another rule" in page

    def test_a_draft_is_thrown_away_by_a_button(self):
        me, browser = a_publisher()
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
def test_two_buttons_at_the_same_instant_publish_once():
    (me, mine), (other, theirs) = a_publisher(), a_publisher()
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


class TestAfterwards:
    """People, right after the button was pressed (PRV-01)."""

    def test_somebody_is_asked_at_the_next_sign_in_and_reads_what_was_previewed(self):
        me, browser = a_publisher()
        person = active_account()
        publishes(browser, a_draft(me))
        visitor = browser_of(person)

        page = follow(visitor, visitor.get(reverse("account")))
        assert "La charte a changé" in text_of(page)
        assert "Nouveau texte." in page.content.decode()
        visitor.post(reverse("account-charter"), {"version": VERSION, "accepted": "on"})

        assert visitor.get(reverse("account")).status_code == 200
        proof = person.charter_acceptances.get(charter__version=VERSION)
        [entry] = JournalEntry.objects.filter(event=Event.CHARTER_PUBLISHED)
        assert proof.text_sha256 == entry.details["sha256_fr"]
        again = visitor.get(reverse("account-charter-version", args=[VERSION]))
        assert again.status_code == 200
        assert "1 personne sur 2 dont le compte est actif" in text_of(browser.get(LIST))

    def test_somebody_who_reads_the_former_version_reads_the_new_one_before_accepting(self):
        me, browser = a_publisher()
        person, visitor = pending_account(), Client()
        begin(visitor, person)
        visitor.get(reverse(CHARTER))
        before = charter_answer()
        publishes(browser, a_draft(me))

        page = answer(visitor, CHARTER, before)

        assert "La charte a changé pendant votre lecture" in text_of(page)
        assert "Nouveau texte." in page.content.decode()
        assert not person.charter_acceptances.exists()
        assert answer(visitor, CHARTER)["Location"] == reverse(DIRECTORY)
        assert person.charter_acceptances.get().charter.version == VERSION

    def test_somebody_who_is_past_the_charter_is_asked_again_before_the_password(self):
        me, browser = a_publisher()
        person, visitor = pending_account(), Client()
        begin(visitor, person)
        answer(visitor, CHARTER)
        publishes(browser, a_draft(me))
        assert answer(visitor, DIRECTORY)["Location"] == reverse(CHARTER)

    def test_the_agent_who_published_is_asked_as_everybody(self):
        me, browser = a_publisher()
        publishes(browser, a_draft(me))
        assert browser.get(LIST).status_code == 200
        assert browser_of(me).get(LIST)["Location"].startswith(reverse("account-charter"))
