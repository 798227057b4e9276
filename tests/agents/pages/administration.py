"""Agents, the charter, the journal, exports and HR imports."""

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock
from activation.charter.publishing import publish
from agents.journal.filters import PageCursor
from agents.roles import Role
from hr_feed.models import LEASE, MOST_ATTEMPTS, HrImport
from hr_feed.uploads import services as receiving
from journal.events import Event
from journal.services import record_event
from tests.agents.charter_drafts import (
    HOSTILE,
    a_draft,
    edit_page,
    no_draft,
    publish_page,
    published,
    saved_by_another,
    sent,
)
from tests.agents.hr_imports import imported, people, previewed, received
from tests.agents.pages.registry import INSIDE, come_in, page, plain_page, refusal
from tests.agents.signed_in import (
    an_agent,
    enrol_device,
    enrolment_code_for,
)
from tests.factories import active_account
from tests.hr_feed.hr_files import another
from tests.pages import PageRequest


@page(INSIDE + 2)
def agents(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    an_agent(Role.LECTURE)
    enrolment_code_for(an_agent())
    return PageRequest(reverse("admin:agents"))


plain_page("agent_new", INSIDE, "admin:agent-new", Role.RESPONSABLES)


@refusal(INSIDE + 1)
def agent_new_of_a_locked_account(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    Lock.objects.create(account=person, reason=LockReason.PHISHING)
    return PageRequest(reverse("admin:agent-new"), {"login": person.login, "role": "Lecture", "reason": "stagiaire"})


@page(INSIDE + 4)
def agent_appointed(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    facts = {"login": person.login, "role": "Lecture", "reason": "Rejoint l’équipe."}
    browser.post(reverse("admin:agent-new"), facts)
    return PageRequest(reverse("admin:agent-code", args=[person.pk]))


@page(INSIDE + 2)
def agent_role(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:agent-role", args=[an_agent().pk]))


@page(INSIDE + 1)
def agent_withdrawal(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:agent-withdrawal", args=[an_agent().pk]))


@page(INSIDE + 2)
def agent_code(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    other = an_agent()
    enrol_device(other)
    return PageRequest(reverse("admin:agent-code", args=[other.pk]))


@page(INSIDE + 9)
def agent_code_given(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest(
        reverse("admin:agent-code", args=[an_agent().pk]), {"reason": "Téléphone perdu, vue en personne."}
    )


@page(INSIDE + 4)
def charters(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    published(me)
    active_account()
    a_draft(me, version="2027-01")
    return PageRequest(reverse("admin:charters"))


@page(INSIDE + 3)
def charter_of_a_version(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:charter", args=[published(me).pk]))


@page(INSIDE + 2)
def charter_preview(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:charter-preview", args=[a_draft(me).pk]))


@page(INSIDE + 2)
def charter_preview_with_gaps(browser: Client) -> PageRequest:
    reader = come_in(browser, Role.LECTURE)
    draft = a_draft(reader, key_points_fr="", text_en="", key_points_en="")
    return PageRequest(reverse("admin:charter-preview", args=[draft.pk]))


@page(INSIDE + 4)
def charter_new(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    no_draft()
    return PageRequest(reverse("admin:charter-new"))


@refusal(INSIDE)
def charter_new_without_a_name(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:charter-new"), sent(None, version=""))


@page(INSIDE + 2)
def charter_edit(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    return PageRequest(edit_page(a_draft(me)))


@refusal(INSIDE + 3)
def charter_edit_saved_by_another_meanwhile(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    draft = a_draft(me)
    mine = sent(draft, text_fr=HOSTILE)
    saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre texte.", key_points_fr="", version="2027-01")
    return PageRequest(edit_page(draft), mine)


@page(INSIDE + 3)
def charter_edit_published_meanwhile(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    draft = a_draft(me)
    mine = sent(draft, text_fr="Ma phrase.")
    publish(charter_id=draft.pk, read=draft.fingerprint, summary="Le conseil l’a voté.", actor=an_agent())
    return PageRequest(edit_page(draft), mine)


@page(INSIDE + 2)
def charter_publish(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    return PageRequest(publish_page(a_draft(me)))


@refusal(INSIDE + 5)
def charter_publish_changed_meanwhile(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    draft = a_draft(me)
    what_was_read = {"read": draft.fingerprint, "summary": "Nouvel article sur l’IA."}
    saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre texte.")
    return PageRequest(reverse("admin:charter-publish", args=[draft.pk]), what_was_read)


@page(INSIDE + 1)
def charter_deletion(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:charter-deletion", args=[a_draft(me).pk]))


@page(INSIDE + 2)
def journal(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    person = active_account(given_name="Inès")
    lock_account(account=person, reason=LockReason.PHISHING)
    record_event(account=None, event=Event.DATA_PURGED, gone={"journal": 12}, failed=[])
    record_event(account=person, actor=person, event=Event.RECOVERY_CHANGE_REQUESTED, address="ines@exemple.org")
    return PageRequest(reverse("admin:journal"))


@page(INSIDE + 4)
def journal_of_an_account(browser: Client) -> PageRequest:
    come_in(browser)
    person = active_account()
    for _number in range(120):
        record_event(account=person, actor=person, event=Event.SIGNED_IN)
    middle = person.journal.order_by("pk")[60]
    return PageRequest(f"{reverse('admin:journal')}?compte={person.login}&avant={PageCursor(middle.at, middle.pk)}")


@page(INSIDE + 2)
def journal_without_entries(browser: Client) -> PageRequest:
    come_in(browser, Role.LECTURE)
    return PageRequest(f"{reverse('admin:journal')}?evenement={Event.USER_ERASED}&par=agents&du=2026-01-01")


@refusal(INSIDE + 2)
def journal_of_nobody(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(f"{reverse('admin:journal')}?evenement=autre&par=0&compte=personne&du=9999-99-99&au=12/13/2026")


@page(INSIDE + 3)
def export_of_the_journal(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    return PageRequest(f"{reverse('admin:export-journal')}?compte={person.login}&par=personne&du=2026-01-01")


@refusal(INSIDE + 2)
def export_without_a_reason(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:export-journal"), {"reason": ""})


@page(INSIDE + 1)
def imports(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    imported(*people(3), agent=me)
    receiving.abandon(pk=previewed(*people(2, ine="?"), agent=me).pk, agent=me)
    long_name = f"Extraction SIHAM & scolarité du 20 novembre {'x' * 90}.csv"
    previewed(*people(4, employer="CNRS"), agent=me, name=long_name)
    HrImport.objects.filter(pk=received(*people(5), agent=me).pk).update(attempts=MOST_ATTEMPTS)
    received(*people(6), agent=me)
    return PageRequest(reverse("admin:imports"))


@refusal(INSIDE + 1)
def imports_without_a_file(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:imports"), {})


def page_of(hr_import: HrImport) -> str:
    return reverse("admin:import", args=[hr_import.pk])


@page(INSIDE + 1)
def import_running(browser: Client) -> PageRequest:
    hr_import = previewed(*people(3), agent=come_in(browser, Role.RESPONSABLES))
    receiving.approve(pk=hr_import.pk, agent=hr_import.uploaded_by)
    facts = {"lines_done": 15_001, "lines_total": 42_000, "leased_until": timezone.now() + LEASE}
    HrImport.objects.filter(pk=hr_import.pk).update(**facts)
    return PageRequest(page_of(hr_import))


@page(INSIDE + 2)
def import_previewed(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    imported(*people(3), agent=me)
    changed = {
        "family_name": "Lefèvre-Dumont",
        "employer": "CNRS",
        "birth_date": "1990-01-31",
        "end_date": "2030-08-31",
    }
    rows = [another(1, **changed), another(2, recovery_address="p2@gmial.com"), another(4), another(5, ine="?")]
    return PageRequest(page_of(previewed(*rows, agent=me)))


@page(INSIDE + 2)
def import_out_of_the_ordinary(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    rows = [*people(30), *(another(number, ine="?") for number in range(31, 45))]
    imported(*rows, agent=me)
    Account.objects.filter(hr_id__in=[f"HR{number}" for number in range(1, 29)]).update(employer="Inria")
    return PageRequest(page_of(previewed(*rows, agent=me)))


@refusal(INSIDE + 4)
def import_not_confirmed_twice(browser: Client) -> PageRequest:
    path = import_out_of_the_ordinary(browser).path
    return PageRequest(f"{path}confirmer/", {})


@page(INSIDE + 1)
def import_done(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    return PageRequest(page_of(imported(*people(3), another(4, ine="?"), another(5, hr_id="HR1"), agent=me)))
