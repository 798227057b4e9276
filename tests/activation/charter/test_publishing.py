"""Writing the charter and publishing it: one draft, read before it is published, never changed afterwards (PRV-01)."""

import hashlib
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from accounts.models import Account
from activation.charter import publishing
from activation.charter.diff import MOST_PARAGRAPHS, difference, differences, review_draft
from activation.charter.publishing import DraftChanged, DraftExists, NoDraft, TextMissing, VersionTaken
from activation.charter.rendering import LONGEST_TEXT, clean_charter_text
from activation.models import Charter, CharterAcceptance
from activation.services import accept_charter
from core.text import InvalidText
from journal.events import Event
from journal.models import JournalEntry
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account
from tests.fuzz import N
from tests.locking import locked_account

FIRST, NEXT = "2026-09", "2026-12"
TEXTS = {
    "key_points_fr": "Votre mot de passe est personnel.",
    "text_fr": "# Charte\n\n## Article 1\n\nUne règle.",
    "key_points_en": "Your password is personal.",
    "text_en": "# Charter\n\n## Article 1\n\nOne rule.",
}
SUMMARY = "Délibération du 12 novembre."


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
    def test_is_not_in_force_and_may_have_gaps(self, agent):
        draft = start(agent, **dict.fromkeys(TEXTS, ""))
        assert save(draft, agent, text_en="").text_en == ""
        assert Charter.objects.in_force().version == FIRST
        assert not Charter.objects.is_due_from(agent)
        assert (draft.saved_by, draft.is_draft) == (agent, True)

    def test_is_one_at_a_time_with_a_name_of_its_own(self, agent):
        with pytest.raises(VersionTaken):
            start(agent, version=FIRST)
        draft = start(agent)
        with pytest.raises(VersionTaken):
            save(draft, agent, version=FIRST)
        with pytest.raises(DraftExists) as refused:
            start(agent, version="2027-01")
        assert refused.value.draft == draft
        with pytest.raises(IntegrityError), transaction.atomic():
            Charter.objects.create(version="2027-02", **TEXTS)
        assert [charter.version for charter in Charter.objects.newest_first()] == [NEXT, FIRST]

    def test_is_saved_and_deleted_only_as_it_was_seen(self, agent):
        """A double click, which sends the same text again, is no conflict."""
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

    def test_that_is_published_or_unknown_can_be_neither_saved_nor_published_nor_deleted(self, agent):
        draft = start(agent)
        publish(draft, agent)
        for act in (save, publish, delete):
            with pytest.raises(NoDraft):
                act(draft, agent)
        with pytest.raises(NoDraft):
            publishing.publish(charter_id=10**9, read="", summary=SUMMARY, actor=agent)
        assert start(agent, version="2027-01").is_draft

    def test_each_save_is_in_the_journal_without_its_text(self, agent):
        save(start(agent), agent, text_fr="Autre.")
        first, second = entries(Event.CHARTER_DRAFT_SAVED)
        assert [entry.details["sha256_fr"] for entry in (first, second)] == [
            sha256(TEXTS["text_fr"]),
            sha256("Autre."),
        ]
        assert {first.actor, second.actor} == {agent}
        assert "Autre" not in str(second.details)

    def test_any_two_drafts_have_different_fingerprints(self, agent):
        draft = start(agent)
        assert Charter(version=NEXT, **TEXTS).fingerprint == draft.fingerprint
        facts = {"version": NEXT, **TEXTS}
        others = [{**facts, name: f"{facts[name]}."} for name in ("version", *Charter.TEXTS)]
        others += [{**facts, "key_points_fr": "", "text_fr": "ab"}, {**facts, "key_points_fr": "a", "text_fr": "b"}]
        assert len({draft.fingerprint, *(Charter(**other).fingerprint for other in others)}) == 8


@pytest.mark.django_db
class TestPublication:
    def test_puts_the_version_in_force_asks_every_user_and_is_in_the_journal(self, agent):
        """PRV-01: the digest of the journal is that of the acceptances."""
        person, before = active_account(), timezone.now()
        charter = publish(start(agent), agent)
        assert Charter.objects.in_force() == charter
        assert before <= charter.published_at <= timezone.now()
        assert (charter.published_by, charter.summary) == (agent, SUMMARY)
        assert Charter.objects.is_due_from(person)
        assert person.charter_acceptances.get().charter.version == FIRST
        [entry] = entries(Event.CHARTER_PUBLISHED)
        assert (entry.actor, entry.account) == (agent, None)
        assert entry.details == {
            "version": NEXT,
            "charter": charter.pk,
            "fingerprint": charter.fingerprint,
            "sha256_fr": sha256(TEXTS["text_fr"]),
            "sha256_en": sha256(TEXTS["text_en"]),
            "summary": SUMMARY,
        }
        assert accept_charter(account=person, charter=charter).text_sha256 == entry.details["sha256_fr"]

    def test_needs_the_text_that_was_read_in_both_languages(self, agent):
        draft = start(agent)
        changed = save(draft, active_account(is_staff=True), text_en="Something else.")
        with pytest.raises(DraftChanged):
            publish(draft, agent)
        for name in ("text_fr", "text_en"):
            changed = save(changed, agent, **{name: ""})
            with pytest.raises(TextMissing):
                publish(changed, agent)
        assert Charter.objects.in_force().version == FIRST
        assert entries(Event.CHARTER_PUBLISHED) == []

    def test_is_final(self, agent):
        """PRV-01: the database refuses any change."""
        published = Charter.objects.filter(pk=publish(start(agent), agent).pk)
        before = published.values().get()
        for changed in (*Charter.TEXTS, "version", "summary", "published_at"):
            with pytest.raises(DatabaseError), transaction.atomic():
                published.update(**{changed: None if changed == "published_at" else "autre"})
        with pytest.raises(DatabaseError), transaction.atomic():
            published.delete()
        assert published.values().get() == before


@pytest.mark.django_db(transaction=True)
def test_two_agents_at_the_same_instant_leave_one_draft_or_one_publication():
    """Starting, publishing, and saving while the other publishes."""
    first, second = active_account(is_staff=True), active_account(is_staff=True)
    late = "Glissé au dernier moment."
    for round_ in range(6):
        version = f"2030-{round_:02}"
        started = attempted_together(
            *(lambda who=who, name=f"{version}{who.pk}": start(who, version=name) for who in (first, second))
        )
        assert sorted(type(outcome).__name__ for outcome in started) == ["Charter", "DraftExists"]
        draft = Charter.objects.get(published_at__isnull=True)
        attempted_together(
            lambda draft=draft: publish(draft, first),
            lambda draft=draft: save(draft, second, version=draft.version, text_fr=late),
        )
        draft.refresh_from_db()
        assert draft.is_draft == (draft.text_fr == late)
        if draft.is_draft:
            delete(draft, first)
        draft = start(first, version=f"{version}c")
        published = attempted_together(*(lambda who=who, draft=draft: publish(draft, who) for who in (first, second)))
        assert sorted(type(outcome).__name__ for outcome in published) == ["Charter", "NoDraft"]
        assert [entry.details["charter"] for entry in entries(Event.CHARTER_PUBLISHED)].count(draft.pk) == 1


@pytest.mark.django_db
class TestAcceptances:
    def test_are_counted_by_version_among_those_who_can_log_in(self, agent):
        assert publishing.still_to_accept(Charter.objects.in_force()).percent == 0
        first, people = Charter.objects.in_force(), [active_account() for _ in range(3)]
        locked_account()
        pending_account()
        active_account(end_date=timezone.localdate() - timedelta(days=1))
        charter = publish(start(agent), agent)
        accept_charter(account=people[0], charter=charter)
        assert publishing.acceptances_by_version() == {first.pk: 6, charter.pk: 1}
        waiting = publishing.still_to_accept(charter)
        assert (waiting.active, waiting.waiting, waiting.percent) == (4, 3, 75)

    def test_of_the_last_seven_days_are_counted(self, agent):
        people = [active_account() for _ in range(3)]
        charter = publish(start(agent), agent)
        for person, days in zip(people, (0, 6, 8), strict=True):
            at = timezone.now() - timedelta(days=days)
            CharterAcceptance.objects.create(
                account=person, charter=charter, language="fr", text_sha256="?", accepted_at=at
            )
        assert publishing.acceptances_of_the_week(charter) == 2

    def test_cost_the_same_queries_for_any_number_of_versions(self, agent, django_assert_num_queries):
        for number in range(3):
            publish(start(agent, version=f"2027-{number:02}"), agent)
        with django_assert_num_queries(3):
            publishing.acceptances_by_version()
            publishing.still_to_accept(Charter.objects.in_force())


class TestText:
    def test_has_canonical_line_breaks_and_nothing_invisible(self):
        """INP-02"""
        typed = "\ufeff## Un\r\n\r\ne\u0301te\u0301\u200b\r- a\n    - b  \nfin\u202e \x00\n\n"
        assert clean_charter_text(typed) == "## Un\n\nété\n- a\n    - b  \nfin"

    def test_that_is_too_long_is_refused(self):
        for typed in ["a" * (LONGEST_TEXT + 1), "a" * 10_001, "Z" + "\u0301\u0323" * 20_000]:
            with pytest.raises(InvalidText):
                clean_charter_text(typed)

    def test_of_a_long_charter_is_taken(self):
        assert clean_charter_text("Une phrase. \n\n" * 3_000)

    def test_cleaned_twice_is_cleaned_once(self):
        for name in [name for name in N if isinstance(N[name], str)]:
            try:
                once = clean_charter_text(N[name])
            except InvalidText:
                continue
            assert clean_charter_text(once) == once


class TestReview:
    def of(self, text: str, **more: str) -> object:
        return review_draft(Charter(version=NEXT, **{**TEXTS, "text_fr": text, **more})).french

    def test_names_the_links_that_will_not_work(self):
        for text, dead in [
            ("[a](https://exemple.fr) [b](mailto:a@exemple.fr) [c](/compte/) [d](#a)", []),
            ("[a](javascript:alert(1))", ["javascript:alert(1"]),
            ("[a](ftp://exemple.fr/f)", ["ftp://exemple.fr/f"]),
            ("[a](tel:+33467123456)", ["tel:+33467123456"]),
            ("<xmpp:a@exemple.fr>", ["xmpp:a@exemple.fr"]),
            ("[a][1]\n\n[1]: ftp://exemple.fr", ["ftp://exemple.fr"]),
            ("Rendez-vous\u00a0: 14 h, salle B", []),
        ]:
            assert self.of(text).dead_links == dead

    def test_sees_html(self):
        for text, has_html in [
            ("<b>gras</b>", True),
            ("a < b et c > d", False),
            ("<https://exemple.fr>", False),
            ("<!-- note -->", True),
        ]:
            assert self.of(text).has_html is has_html

    def test_sees_images(self):
        assert self.of("![logo](https://exemple.fr/logo.png)").has_images
        assert not self.of("Attention ! [lien](https://exemple.fr)").has_images

    def test_compares_the_languages(self):
        draft = Charter(version=NEXT, **{**TEXTS, "text_en": "## One\n\n## Two", "key_points_en": ""})
        found = review_draft(draft)
        assert (found.french.articles, found.english.articles, found.articles_differ) == (1, 2, True)
        assert (found.english.points, found.points_differ, found.is_complete) == (0, True, True)
        assert not review_draft(Charter(version=NEXT, **{**TEXTS, "text_en": ""})).is_complete

    def test_says_what_changed_by_paragraphs(self):
        found = difference("Un.\n\nDeux.\n\nTrois.", "Un.\n\nDeux et demi.\n\nTrois.\n\nQuatre.")
        assert [(change.removed, change.added) for change in found.changes] == [
            (["Deux."], ["Deux et demi."]),
            ([], ["Quatre."]),
        ]
        assert found.unchanged == 2

    def test_compares_points_line_by_line(self):
        found = difference("Un.\nDeux.", "Un.\nTrois.")
        assert [(change.removed, change.added) for change in found.changes] == [(["Deux."], ["Trois."])]

    def test_leaves_out_what_is_the_same(self):
        before, after = Charter(version=FIRST, **TEXTS), Charter(version=NEXT, **{**TEXTS, "text_en": "Other."})
        assert list(differences(before=before, after=after)) == ["text_en"]
        assert differences(before=before, after=Charter(version=NEXT, **TEXTS)) == {}

    def test_does_not_compare_for_seconds(self):
        many = "\n\n".join("ab" * (number % 7) for number in range(1, 2 * MOST_PARAGRAPHS))
        assert difference(many, "Un.").changes is None
