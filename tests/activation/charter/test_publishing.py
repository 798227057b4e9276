"""Writing the charter and publishing it: one draft, read before it is published, never changed afterwards (PRV-01)."""

import hashlib
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
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
from tests.concurrency import together
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


def told(event: Event) -> list[JournalEntry]:
    return list(JournalEntry.objects.filter(event=event).order_by("pk"))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.django_db
class TestTheDraft:
    def test_is_in_force_for_nobody(self, agent):
        draft = start(agent)
        assert Charter.objects.in_force().version == FIRST
        assert not Charter.objects.is_due_from(agent)
        assert (draft.saved_by, draft.is_draft) == (agent, True)

    def test_is_one_at_a_time(self, agent):
        first = start(agent)
        with pytest.raises(DraftExists) as refused:
            start(agent, version="2027-01")
        assert refused.value.draft == first
        with pytest.raises(IntegrityError), transaction.atomic():
            Charter.objects.create(version="2027-02", **TEXTS)

    def test_has_a_name_of_its_own(self, agent):
        with pytest.raises(VersionTaken):
            start(agent, version=FIRST)
        draft = start(agent)
        with pytest.raises(VersionTaken):
            save(draft, agent, version=FIRST)
        assert [charter.version for charter in Charter.objects.newest_first()] == [NEXT, FIRST]

    def test_may_have_gaps(self, agent):
        draft = start(agent, **dict.fromkeys(TEXTS, ""))
        assert save(draft, agent, text_en="").text_en == ""

    def test_is_saved_over_what_was_seen_only(self, agent):
        other = active_account(is_staff=True)
        draft = start(agent)
        theirs = save(draft, other, text_fr="Leur texte.")
        with pytest.raises(DraftChanged) as refused:
            save(draft, agent, text_fr="Mon texte.")
        assert (refused.value.draft, refused.value.draft.saved_by) == (theirs, other)
        assert Charter.objects.get(pk=draft.pk).text_fr == "Leur texte."
        assert save(theirs, agent, text_fr="Mon texte.").saved_by == agent

    def test_may_be_sent_twice(self, agent):
        """A double click finds its own words there."""
        draft = start(agent)
        save(draft, agent, text_fr="Mon texte.")
        assert save(draft, agent, text_fr="Mon texte.").text_fr == "Mon texte."

    def test_that_is_published_or_gone_is_none(self, agent):
        draft = start(agent)
        publish(draft, agent)
        for act in (lambda: save(draft, agent), lambda: publish(draft, agent)):
            with pytest.raises(NoDraft):
                act()
        with pytest.raises(NoDraft):
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=agent)
        with pytest.raises(NoDraft):
            publishing.publish(charter_id=10**9, read="", summary=SUMMARY, actor=agent)

    def test_is_thrown_away_as_it_was_seen(self, agent):
        draft = start(agent)
        changed = save(draft, agent, text_fr="Autre.")
        with pytest.raises(DraftChanged):
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=agent)
        publishing.delete_draft(charter_id=draft.pk, seen=changed.fingerprint, actor=agent)
        assert [charter.version for charter in Charter.objects.all()] == [FIRST]
        [entry] = told(Event.CHARTER_DRAFT_DELETED)
        assert (entry.actor, entry.details["version"]) == (agent, NEXT)
        assert entry.details["charter"] == draft.pk

    def test_each_save_is_in_the_journal(self, agent):
        draft = start(agent)
        save(draft, agent, text_fr="Autre.")
        first, second = told(Event.CHARTER_DRAFT_SAVED)
        assert first.details["sha256_fr"] == sha256(TEXTS["text_fr"])
        assert second.details["sha256_fr"] == sha256("Autre.")
        assert {first.actor, second.actor} == {agent}
        assert "Autre" not in str(second.details)

    def test_fingerprints_tell_any_two_apart(self, agent):
        draft = start(agent)
        seen = {draft.fingerprint}
        for name in ("version", *Charter.TEXTS):
            other = Charter(version=NEXT, **TEXTS)
            assert other.fingerprint == draft.fingerprint
            setattr(other, name, f"{getattr(other, name)}.")
            seen.add(other.fingerprint)
        moved = Charter(version=NEXT, **{**TEXTS, "key_points_fr": "", "text_fr": "ab"})
        seen |= {
            moved.fingerprint,
            Charter(version=NEXT, **{**TEXTS, "key_points_fr": "a", "text_fr": "b"}).fingerprint,
        }
        assert len(seen) == 8


@pytest.mark.django_db
class TestThePublication:
    def test_puts_the_version_in_force_and_asks_everyone(self, agent):
        """PRV-01"""
        person = active_account()
        before = timezone.now()
        charter = publish(start(agent), agent)
        assert Charter.objects.in_force() == charter
        assert before <= charter.published_at <= timezone.now()
        assert (charter.published_by, charter.summary) == (agent, SUMMARY)
        assert Charter.objects.is_due_from(person)
        assert person.charter_acceptances.get().charter.version == FIRST

    def test_is_of_what_was_read(self, agent):
        draft = start(agent)
        save(draft, active_account(is_staff=True), text_en="Something else.")
        with pytest.raises(DraftChanged):
            publish(draft, agent)
        assert Charter.objects.in_force().version == FIRST
        assert told(Event.CHARTER_PUBLISHED) == []

    @pytest.mark.parametrize("name", ["text_fr", "text_en"])
    def test_needs_a_text_in_both_languages(self, agent, name):
        """Nobody accepts an empty page."""
        draft = start(agent, **{name: ""})
        with pytest.raises(TextMissing):
            publish(draft, agent)
        assert Charter.objects.get(pk=draft.pk).is_draft

    def test_is_in_the_journal_with_what_was_published(self, agent):
        charter = publish(start(agent), agent)
        [entry] = told(Event.CHARTER_PUBLISHED)
        assert (entry.actor, entry.account) == (agent, None)
        assert entry.details == {
            "version": NEXT,
            "charter": charter.pk,
            "fingerprint": charter.fingerprint,
            "sha256_fr": sha256(TEXTS["text_fr"]),
            "sha256_en": sha256(TEXTS["text_en"]),
            "summary": SUMMARY,
        }

    def test_is_the_text_that_the_proof_is_of(self, agent):
        """PRV-01: the digest of the journal and those of the acceptances are the same."""
        charter = publish(start(agent), agent)
        proof = accept_charter(account=active_account(), charter=charter)
        [entry] = told(Event.CHARTER_PUBLISHED)
        assert proof.text_sha256 == entry.details["sha256_fr"]

    def test_is_for_good(self, agent):
        """PRV-01: the database refuses, whoever asks."""
        charter = publish(start(agent), agent)
        for column in [*Charter.TEXTS, "version", "summary"]:
            with pytest.raises(DatabaseError), transaction.atomic():
                Charter.objects.filter(pk=charter.pk).update(**{column: "autre"})
            with pytest.raises(DatabaseError), transaction.atomic():
                Charter.objects.filter(pk=charter.pk).update(published_at=None)
            with pytest.raises(DatabaseError), transaction.atomic():
                Charter.objects.filter(pk=charter.pk).delete()
            assert Charter.objects.get(pk=charter.pk).fingerprint == charter.fingerprint

    def test_leaves_room_for_the_next_draft(self, agent):
        publish(start(agent), agent)
        assert start(agent, version="2027-01").is_draft


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    ROUNDS = 6

    def test_two_agents_publish_once(self):
        for round_ in range(self.ROUNDS):
            first, second = active_account(is_staff=True), active_account(is_staff=True)
            draft = start(first, version=f"2030-{round_:02}")

            def by(agent: Account, draft: Charter = draft) -> object:
                try:
                    return publish(draft, agent)
                except NoDraft as refused:
                    return refused

            outcomes = together(lambda by=by, who=first: by(who), lambda by=by, who=second: by(who))
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Charter", "NoDraft"]
            assert len([entry for entry in told(Event.CHARTER_PUBLISHED) if entry.details["charter"] == draft.pk]) == 1

    def test_a_save_and_a_publication_leave_what_was_read_or_a_draft(self):
        for round_ in range(self.ROUNDS):
            first, second = active_account(is_staff=True), active_account(is_staff=True)
            draft = start(first, version=f"2031-{round_:02}")

            def attempt(act: object) -> object:
                try:
                    return act()  # type: ignore[operator]
                except (NoDraft, DraftChanged) as refused:
                    return refused

            together(
                lambda attempt=attempt, draft=draft, who=first: attempt(lambda: publish(draft, who)),
                lambda attempt=attempt, draft=draft, who=second, name=draft.version: attempt(
                    lambda: save(draft, who, version=name, text_fr="Glissé au dernier moment.")
                ),
            )
            now = Charter.objects.get(pk=draft.pk)
            assert now.is_draft == (now.text_fr == "Glissé au dernier moment.")
            if now.is_draft:
                publishing.delete_draft(charter_id=now.pk, seen=now.fingerprint, actor=first)

    def test_two_agents_begin_one_draft(self):
        for round_ in range(self.ROUNDS):
            agents = [active_account(is_staff=True) for _ in range(2)]

            def begin(agent: Account, name: str) -> object:
                try:
                    return start(agent, version=name)
                except DraftExists as refused:
                    return refused

            outcomes = together(
                lambda begin=begin, who=agents[0], name=f"2032-{round_}a": begin(who, name),
                lambda begin=begin, who=agents[1], name=f"2032-{round_}b": begin(who, name),
            )
            [draft] = Charter.objects.filter(published_at__isnull=True)
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Charter", "DraftExists"]
            publishing.delete_draft(charter_id=draft.pk, seen=draft.fingerprint, actor=agents[0])


@pytest.mark.django_db
class TestWhoAccepted:
    def test_is_counted_for_each_version(self, agent):
        people = [active_account() for _ in range(3)]
        charter = publish(start(agent), agent)
        accept_charter(account=people[0], charter=charter)
        first = Charter.objects.get(version=FIRST)
        assert publishing.acceptances_by_version() == {first.pk: 4, charter.pk: 1}

    def test_those_who_cannot_sign_in_are_waited_for_by_nobody(self, agent):
        people = [active_account() for _ in range(3)]
        locked_account()
        pending_account()
        active_account(end_date=timezone.localdate() - timedelta(days=1))
        charter = publish(start(agent), agent)
        accept_charter(account=people[0], charter=charter)
        waiting = publishing.still_to_accept(charter)
        assert (waiting.active, waiting.waiting, waiting.percent) == (4, 3, 75)

    def test_with_nobody_there_is_no_share(self):
        assert publishing.still_to_accept(Charter.objects.in_force()).percent == 0

    def test_of_the_last_seven_days(self, agent):
        people = [active_account() for _ in range(3)]
        charter = publish(start(agent), agent)
        for person, days in zip(people, (0, 6, 8), strict=True):
            CharterAcceptance.objects.create(
                account=person,
                charter=charter,
                language="fr",
                text_sha256="?",
                accepted_at=timezone.now() - timedelta(days=days),
            )
        assert publishing.acceptances_of_the_week(charter) == 2

    def test_costs_the_same_for_any_number_of_versions(self, agent):
        for number in range(3):
            publish(start(agent, version=f"2027-{number:02}"), agent)
        with CaptureQueriesContext(connection) as captured:
            publishing.acceptances_by_version()
            publishing.still_to_accept(Charter.objects.in_force())
        assert len(captured) == 3


class TestTheText:
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


class TestTheReview:
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
