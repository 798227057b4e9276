"""Writing the charter and publishing it: one draft, read before it is published, never changed afterwards (PRV-01)."""

import hashlib
import re
from functools import partial

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone, translation

from accounts.models import Account
from activation.charter import publishing
from activation.charter.diff import MOST_PARAGRAPHS, difference, differences, review_draft
from activation.charter.publishing import DraftChanged, DraftExists, NoDraft, TextMissing, VersionTaken
from activation.charter.rendering import LONGEST_TEXT, article_count, clean_charter_text, rendered_charter
from activation.models import Charter
from activation.services import accept_charter
from core.text import InvalidText
from journal.events import Event
from journal.models import JournalEntry
from tests.concurrency import attempted_together
from tests.factories import active_account

FIRST, NEXT = "2026-09", "2026-12"
TEXTS = {
    "key_points_fr": "Votre mot de passe est personnel.",
    "text_fr": "# Charte\n\n## Article 1\n\nUne règle.",
    "key_points_en": "Your password is personal.",
    "text_en": "# Charter\n\n## Article 1\n\nOne rule.",
}
SUMMARY = "Délibération du 12 novembre."
HOSTILE = (
    "<script>alert(1)</script>",
    "text <b onclick=alert(1)>bold</b> <img src=x onerror=alert(1)>",
    "<style>body{display:none}</style><form action=https://exemple.net><input name=password></form>",
    "<!-- <script> --><iframe src=https://exemple.net></iframe>",
    "[link](JaVaScRiPt:alert(1)) [link](java\tscript:alert(1)) [link](&#106;avascript:alert(1))",
    "[link](data:text/html;base64,PHNjcmlwdD4=) [link](file:///etc/passwd)",
    "[link][1]\n\n[1]: javascript:alert(1)\n\n<javascript:alert(1)> <ftp://exemple.net>",
    '[link](https://exemple.net "\\" onmouseover=\\"alert(1)")',
    "![picture](https://exemple.net/pixel.png)",
    "```html\n<script>alert(1)</script>\n```",
    "# <h1>title</h1>\n\n\x00<script>\x00",
)
HARMLESS_TAG = re.compile(
    r"</?(?:h[2-6]|p|ul|ol|li|strong|em|blockquote|br|a)>"
    r'|<a (?:href="(?:https?://|mailto:)[^"<>]*" )?(?:title="[^"<>]*" )?rel="noopener noreferrer">'
)


@pytest.fixture
def agent() -> Account:
    return active_account(is_staff=True)


def start(agent: Account, *, version: str = NEXT, **changed: str) -> Charter:
    return publishing.start_draft(version=version, texts={**TEXTS, **changed}, actor=agent)


def save(draft: Charter, agent: Account, *, version: str = NEXT, **changed: str) -> Charter:
    return publishing.save_draft(
        charter_id=draft.pk, seen=draft.fingerprint, version=version, texts={**TEXTS, **changed}, actor=agent
    )


def publish(draft: Charter, agent: Account) -> Charter:
    return publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=agent)


def delete(draft: Charter, agent: Account) -> None:
    publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=agent)


def entries(event: Event) -> list[JournalEntry]:
    return list(JournalEntry.objects.filter(event=event).order_by("pk"))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.django_db
class TestDraft:
    def test_is_one_at_a_time_with_a_name_of_its_own(self, agent):
        """It is not in force, and may have gaps."""
        with pytest.raises(VersionTaken):
            start(agent, version=FIRST)
        draft = start(agent, **dict.fromkeys(TEXTS, ""))
        with pytest.raises(VersionTaken):
            save(draft, agent, version=FIRST)
        with pytest.raises(DraftExists) as refused:
            start(agent, version="2027-01")
        assert refused.value.draft == draft
        with pytest.raises(IntegrityError), transaction.atomic():
            Charter.objects.create(version="2027-02", **TEXTS)
        assert [charter.version for charter in Charter.objects.newest_first()] == [NEXT, FIRST]
        assert (draft.saved_by, draft.is_draft, Charter.objects.in_force().version) == (agent, True, FIRST)

    def test_is_saved_and_deleted_only_as_it_was_seen(self, agent):
        """A double click, which sends the same text again, is no conflict. The journal has each save without its text."""
        other, draft = active_account(is_staff=True), start(agent)
        theirs = save(draft, other, text_fr="Leur texte.")
        for act in (lambda: save(draft, agent, text_fr="Mon texte."), lambda: delete(draft, agent)):
            with pytest.raises(DraftChanged) as refused:
                act()
            assert (refused.value.draft, refused.value.draft.saved_by) == (theirs, other)
        assert Charter.objects.get(pk=draft.pk).text_fr == "Leur texte."
        mine = save(theirs, agent, text_fr="Mon texte.")
        assert save(theirs, agent, text_fr="Mon texte.").saved_by == mine.saved_by == agent
        delete(mine, agent)
        assert [charter.version for charter in Charter.objects.all()] == [FIRST]
        [entry] = entries(Event.CHARTER_DRAFT_DELETED)
        assert (entry.actor, entry.details["version"], entry.details["charter"]) == (agent, NEXT, draft.pk)
        saved = entries(Event.CHARTER_DRAFT_SAVED)
        texts = (TEXTS["text_fr"], "Leur texte.", "Mon texte.", "Mon texte.")
        assert [entry.details["sha256_fr"] for entry in saved] == [sha256(text) for text in texts]
        assert [entry.actor for entry in saved] == [agent, other, agent, agent]
        assert "texte." not in str([entry.details for entry in saved])

    def test_any_two_have_different_fingerprints(self, agent):
        facts = {"version": NEXT, **TEXTS}
        assert Charter(**facts).fingerprint == start(agent).fingerprint
        others = [{**facts, name: f"{facts[name]}."} for name in ("version", *Charter.TEXTS)]
        others += [{**facts, "key_points_fr": "", "text_fr": "ab"}, {**facts, "key_points_fr": "a", "text_fr": "b"}]
        assert len({Charter(**other).fingerprint for other in (facts, *others)}) == 8


@pytest.mark.django_db
class TestPublication:
    def test_puts_the_version_in_force_for_good_and_asks_every_user(self, agent):
        """PRV-01: the digest of the journal is that of the acceptances; the database refuses any change."""
        person, before = active_account(), timezone.now()
        charter = publish(start(agent), agent)
        assert Charter.objects.in_force() == charter
        assert before <= charter.published_at <= timezone.now()
        assert (charter.published_by, charter.summary) == (agent, SUMMARY)
        assert Charter.objects.is_due_from(person)
        [entry] = entries(Event.CHARTER_PUBLISHED)
        assert (entry.actor, entry.account) == (agent, None)
        assert (entry.details["fingerprint"], entry.details["summary"]) == (charter.fingerprint, SUMMARY)
        digests = [entry.details[f"sha256_{language}"] for language in ("fr", "en")]
        assert digests == [sha256(TEXTS["text_fr"]), sha256(TEXTS["text_en"])]
        assert accept_charter(account=person, charter=charter).text_sha256 == digests[0]
        for act in (save, publish, delete):
            with pytest.raises(NoDraft):
                act(charter, agent)
        with pytest.raises(DatabaseError), transaction.atomic():
            Charter.objects.get(pk=publish(start(agent, version="2027-01"), agent).pk).delete()
        for published in (Charter.objects.filter(pk=charter.pk), Charter.objects.filter(version=FIRST)):
            before = published.values().get()
            for changed in (*Charter.TEXTS, "version", "summary", "published_at"):
                with pytest.raises(DatabaseError), transaction.atomic():
                    published.update(**{changed: None if changed == "published_at" else "autre"})
            assert published.values().get() == before

    def test_needs_the_text_that_was_read_in_both_languages(self, agent):
        draft = start(agent)
        changed = save(draft, active_account(is_staff=True), text_en="Something else.")
        with pytest.raises(DraftChanged):
            publish(draft, agent)
        for name in ("text_fr", "text_en"):
            changed = save(changed, agent, **{name: ""})
            with pytest.raises(TextMissing):
                publish(changed, agent)
        assert (Charter.objects.in_force().version, entries(Event.CHARTER_PUBLISHED)) == (FIRST, [])


@pytest.mark.django_db(transaction=True)
def test_two_agents_at_the_same_instant_leave_one_draft_or_one_publication():
    """Starting, publishing, and saving while the other publishes."""
    agents, late = [active_account(is_staff=True) for _ in range(2)], "Glissé au dernier moment."
    for number in range(8):
        started = attempted_together(*(partial(start, agent, version=f"{number}-{agent.pk}") for agent in agents))
        assert sorted(type(outcome).__name__ for outcome in started) == ["Charter", "DraftExists"]
        draft = Charter.objects.get(published_at=None)
        if number % 2:
            published = attempted_together(*(partial(publish, draft, agent) for agent in agents))
            assert sorted(type(outcome).__name__ for outcome in published) == ["Charter", "NoDraft"]
        else:
            late_save = partial(save, draft, agents[1], version=draft.version, text_fr=late)
            attempted_together(partial(publish, draft, agents[0]), late_save)
            draft.refresh_from_db()
            assert draft.is_draft == (draft.text_fr == late)
            if draft.is_draft:
                publish(draft, agents[0])
        assert [entry.details["charter"] for entry in entries(Event.CHARTER_PUBLISHED)].count(draft.pk) == 1


def test_a_text_has_canonical_line_breaks_nothing_invisible_and_a_limit():
    """INP-02"""
    typed = "\ufeff## Un\r\n\r\ne\u0301te\u0301\u200b\r- a\n    - b  \nfin\u202e \x00\n\n"
    assert clean_charter_text(typed) == "## Un\n\nété\n- a\n    - b  \nfin"
    assert clean_charter_text("Une phrase. \n\n" * 3_000)
    for too_long in ("a\n" * (LONGEST_TEXT // 2 + 1), "a" * 10_001, "Z" + "\u0301\u0323" * 20_000):
        with pytest.raises(InvalidText):
            clean_charter_text(too_long)


def test_the_review_names_what_will_not_be_rendered_as_typed():
    """And what has changed, without comparing for seconds."""
    for text, dead_links, has_html, has_images in (
        ("[a](https://exemple.fr) [b](mailto:a@exemple.fr) [c](/compte/) [d](#a)", [], False, False),
        ("[a](javascript:alert(1))", ["javascript:alert(1"], False, False),
        ("<xmpp:a@exemple.fr> [a][1]\n\n[1]: ftp://b.fr", ["xmpp:a@exemple.fr", "ftp://b.fr"], False, False),
        ("Rendez-vous\u00a0: 14 h ! [lien](https://exemple.fr)", [], False, False),
        ("<b>gras</b>", [], True, False),
        ("a < b et c > d <https://exemple.fr>", [], False, False),
        ("![logo](https://exemple.fr/logo.png)", [], False, True),
    ):
        found = review_draft(Charter(version=NEXT, **{**TEXTS, "text_fr": text})).french
        assert (found.dead_links, found.has_html, found.has_images) == (dead_links, has_html, has_images), text
    found = review_draft(Charter(version=NEXT, **{**TEXTS, "text_en": "## One\n\n## Two", "key_points_en": ""}))
    assert (found.articles_differ, found.points_differ, found.is_complete) == (True, True, True)
    assert not review_draft(Charter(version=NEXT, **{**TEXTS, "text_en": ""})).is_complete
    before, after = Charter(version=FIRST, **TEXTS), Charter(version=NEXT, **{**TEXTS, "text_en": "Other."})
    assert list(differences(before=before, after=after)) == ["text_en"]
    many = "\n\n".join("ab" * (number % 7) for number in range(1, 2 * MOST_PARAGRAPHS))
    assert difference(many, "Un.").changes is None


def test_hostile_markdown_becomes_harmless():
    """INP-02: only a few plain tags and web or mail links remain; raw HTML is shown as typed."""
    for text in HOSTILE:
        assert "<" not in HARMLESS_TAG.sub("", rendered_charter(text)), text
    assert rendered_charter("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"
    assert rendered_charter("[x](https://exemple.net)").count("<a href=") == 1


@pytest.mark.django_db
def test_markdown_becomes_headings_below_the_title_of_the_page():
    """PRV-01: articles are counted. A new portal has a complete charter in both languages."""
    html = rendered_charter("# Charter\n\n## Article 1\n\n### Detail\n\n###### Small print\n\nOld style\n===\n")
    assert re.findall(r"<(h\d)>", html) == ["h2", "h3", "h4", "h6", "h2"]
    assert article_count("# Charter\n\n## One\n\n### Detail\n\n## Two\n\nText with ## inside\n") == 2
    charter = Charter.objects.in_force()
    assert charter.version == FIRST
    for text in (charter.text_fr, charter.text_en):
        assert (article_count(text), rendered_charter(text).count("<h3>")) == (12, 12)
    for language in ("fr", "en"):
        with translation.override(language):
            assert len(charter.key_points) == 5
