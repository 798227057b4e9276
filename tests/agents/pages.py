"""Every page of the agents' area in every state; in French only, so apart from `tests/pages.py`."""

from datetime import date, timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason, Proof
from accounts.locking.lock import lock_account, lock_as_agent
from accounts.models import Account, Lock
from accounts.recovery.changes import report_unauthorized_change
from accounts.recovery.corrections import cancel_replacement
from activation.charter.publishing import publish
from activation.models import Charter
from agents.journal.filters import PageCursor
from agents.roles import Role
from assistance.enums import CLOSED, CallOutcome, Fact, RequestState
from assistance.handling import TRIES, close_request, compare_fact, record_call, take_request
from assistance.models import AssistanceRequest
from assistance.services import create_request
from hr_feed.models import LEASE, MOST_ATTEMPTS, HrImport
from hr_feed.uploads import services as receiving
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery.correcting import approved, in_force, proposed, proposed_by_hr
from tests.agents.charter_drafts import (
    HOSTILE,
    a_draft,
    edit_page,
    no_draft,
    publish_page,
    published,
    saved_by_another,
    sent,
    the_draft,
)
from tests.agents.hr_imports import a_file, imported, people, previewed, received
from tests.agents.intruders import act_on, robbed_person
from tests.agents.signed_in import (
    an_agent,
    browser_of,
    code_of,
    enrolment_code_for,
    inside,
    with_application,
    wrong_code,
)
from tests.assistance.asking import a_request, written
from tests.factories import active_account, pending_account
from tests.hr_feed.hr_files import another
from tests.locking import locked_person, release, released_person
from tests.pages import Ask, Page

AGENT_PAGES: dict[str, Page] = {}
AGENT_REFUSALS: dict[str, Page] = {}


def page(function: Page) -> Page:
    AGENT_PAGES[function.__name__] = function
    return function


def refusal(function: Page) -> Page:
    AGENT_REFUSALS[function.__name__] = function
    return function


def signed_in_as(browser: Client, account: Account) -> None:
    """Take over the cookies of somebody's session."""
    browser.cookies = browser_of(account).cookies


def come_in(browser: Client, role: Role = Role.ASSISTANCE) -> Account:
    account, other = inside(role)
    browser.cookies = other.cookies
    return account


def standing_before_the_qr_code(browser: Client) -> Account:
    account = an_agent()
    signed_in_as(browser, account)
    browser.post(reverse("admin:enrolment"), {"code": enrolment_code_for_signed_in(account, browser)})
    return account


def enrolment_code_for_signed_in(account: Account, browser: Client) -> str:
    """A new code ends the sessions: sign in after it."""
    code = enrolment_code_for(account)
    signed_in_as(browser, account)
    return code


# The door


@page
def verification(browser: Client) -> Ask:
    account = an_agent()
    with_application(account)
    signed_in_as(browser, account)
    return Ask(f"{reverse('admin:verification')}?next=/admin/comptes/")


@page
def verification_on_paper(browser: Client) -> Ask:
    verification(browser)
    return Ask(f"{reverse('admin:verification')}?secours=1")


@refusal
def verification_refused(browser: Client) -> Ask:
    account = an_agent()
    device = with_application(account)
    signed_in_as(browser, account)
    return Ask(reverse("admin:verification"), {"code": wrong_code(device)})


@refusal
def verification_slowed_down(browser: Client) -> Ask:
    account = an_agent()
    device = with_application(account)
    device.throttling_failure_count, device.throttling_failure_timestamp = 10, timezone.now()
    device.save()
    signed_in_as(browser, account)
    return Ask(reverse("admin:verification"), {"code": code_of(device)}, 429)


@page
def enrolment(browser: Client) -> Ask:
    signed_in_as(browser, an_agent())
    return Ask(reverse("admin:enrolment"))


@refusal
def enrolment_without_a_code(browser: Client) -> Ask:
    signed_in_as(browser, an_agent())
    return Ask(reverse("admin:enrolment"), {"code": ""})


@page
def application(browser: Client) -> Ask:
    standing_before_the_qr_code(browser)
    return Ask(reverse("admin:application"))


@refusal
def application_with_a_wrong_code(browser: Client) -> Ask:
    account = standing_before_the_qr_code(browser)
    return Ask(reverse("admin:application"), {"code": wrong_code(account.totpdevice_set.get())})


@page
def backup_codes(browser: Client) -> Ask:
    account = standing_before_the_qr_code(browser)
    return Ask(reverse("admin:application"), {"code": code_of(account.totpdevice_set.get())})


# One's own application


@page
def device(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:device"))


@page
def device_replacement(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:device-replacement"))


@page
def device_backup_codes(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:backup-codes"))


@page
def device_removal(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:device-removal"))


@refusal
def device_removal_refused(browser: Client) -> Ask:
    account = come_in(browser)
    return Ask(reverse("admin:device-removal"), {"code": wrong_code(account.totpdevice_set.get())})


# What waits


@page
def home(browser: Client) -> Ask:
    come_in(browser, Role.LECTURE)
    Lock.objects.create(account=pending_account(), reason=LockReason.PHISHING)
    return Ask(reverse("admin:index"))


@page
def home_of_a_responsable(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:index"))


# Accounts


@page
def accounts(browser: Client) -> Ask:
    come_in(browser)
    for given_name in ("Inès", "Sami", "Zoé"):
        pending_account(given_name=given_name, family_name="Lefèvre-Dumont", category=Category.STUDENT)
    Lock.objects.create(account=active_account(given_name="Paul"), reason=LockReason.PHISHING)
    return Ask(reverse("admin:accounts"))


@page
def accounts_with_several_pages(browser: Client) -> Ask:
    come_in(browser)
    for _number in range(60):
        pending_account()
    return Ask(f"{reverse('admin:accounts')}?q=camille&page=2")


@page
def accounts_with_nobody(browser: Client) -> Ask:
    come_in(browser)
    return Ask(f"{reverse('admin:accounts')}?q=introuvable&etat=locked")


@refusal
def accounts_with_an_invisible_character(browser: Client) -> Ask:
    come_in(browser)
    return Ask(f"{reverse('admin:accounts')}?q=a%00b")


@page
def account(browser: Client) -> Ask:
    come_in(browser)
    person = active_account(given_name="Inès", phone="+33467123456")
    Lock.objects.create(account=person, reason=LockReason.PHISHING)
    Message.objects.create(
        kind=Kind.ACTIVATION,
        person=person,
        address=person.recovery_address,
        status=Status.BOUNCED,
        answer="550 5.1.1 mailbox unavailable",
    )
    return Ask(reverse("admin:account", args=[person.pk]))


@page
def account_with_its_address(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:account-address", args=[active_account().pk]), {})


@page
def account_of_an_agent(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:account", args=[an_agent().pk]))


# Recovery addresses


@page
def addresses(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    for agent in (me, an_agent(Role.RESPONSABLES)):
        proposed(active_account(given_name="Inès"), agent)
    approved(active_account(given_name="Sami"))
    proposed_by_hr(active_account(given_name="Zoé"), "zoe@exemple.org")
    return Ask(reverse("admin:addresses"))


@page
def addresses_with_several_pages(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    for number in range(60):
        proposed_by_hr(active_account(recovery_address="" if number % 2 else "une@exemple.org"), "rh@exemple.org")
    return Ask(f"{reverse('admin:addresses')}?page=2")


@page
def addresses_with_none(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:addresses"))


@page
def address(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    correction = proposed(locked_person(phone="+33467123456"), an_agent(Role.RESPONSABLES), proof=Proof.CALL_BACK)
    return Ask(reverse("admin:address", args=[correction.pk]))


@page
def address_of_ones_own_proposal(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:address", args=[proposed(active_account(), me).pk]))


@page
def address_approved(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:address", args=[approved(active_account()).pk]))


@page
def address_outdated(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    correction = proposed(person, an_agent(Role.RESPONSABLES))
    Account.objects.filter(pk=person.pk).update(recovery_address="choisie@exemple.org")
    return Ask(reverse("admin:address", args=[correction.pk]))


@page
def address_in_force(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:address", args=[in_force(active_account()).pk]))


@page
def address_undone(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    correction = in_force(active_account())
    report_unauthorized_change(entry=correction.account.journal.get(event=Event.RECOVERY_ADDRESS_CHANGED))
    return Ask(reverse("admin:address", args=[correction.pk]))


@page
def address_given_up(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    correction = approved(active_account())
    cancel_replacement(correction_id=correction.pk, agent=me, reason="La personne s’est trompée.")
    return Ask(reverse("admin:address", args=[correction.pk]))


@page
def address_give_up(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    correction = proposed(active_account(), an_agent(Role.RESPONSABLES))
    return Ask(reverse("admin:address-give-up", args=[correction.pk]))


@refusal
def address_give_up_without_a_reason(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:address-give-up", args=[approved(active_account()).pk]), {"reason": ""})


@page
def address_dismiss(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    entry = proposed_by_hr(active_account(), "rh@exemple.org")
    return Ask(reverse("admin:address-dismiss", args=[entry.pk]))


@page
def address_correct(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = pending_account(recovery_address_disputed_at=timezone.now())
    return Ask(reverse("admin:account-correct", args=[person.pk]))


@page
def address_correct_with_a_proof(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = active_account(phone="+33467123456", recovery_address="")
    proposed_by_hr(person, "rh@exemple.org")
    return Ask(f"{reverse('admin:account-correct', args=[person.pk])}?proposition=rh")


@page
def address_correct_when_one_is_open(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:account-correct", args=[approved(active_account()).account_id]))


@page
def address_correct_when_closed(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    gone = active_account(end_date=timezone.localdate() - timedelta(days=1))
    return Ask(reverse("admin:account-correct", args=[gone.pk]))


@refusal
def address_correct_with_a_slip(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    slip = {"address": "camille@gmial.com", "reason": "Vue au guichet."}
    return Ask(reverse("admin:account-correct", args=[active_account().pk]), slip)


@refusal
def address_correct_proposed_meanwhile(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    proposed(person, an_agent(Role.RESPONSABLES))
    typed = {"address": "autre@exemple.org", "proof": Proof.VIDEO, "reason": "Vue en visio."}
    return Ask(reverse("admin:account-correct", args=[person.pk]), typed)


# Acts on an account


def page_of_act(name: str, browser: Client, person: Account, role: Role = Role.ASSISTANCE) -> Ask:
    come_in(browser, role)
    return Ask(act_on(name, person))


@page
def account_with_everything(browser: Client) -> Ask:
    agent = come_in(browser, Role.RESPONSABLES)
    person = robbed_person(hr_id="RH-77", start_date=date(2020, 9, 1))
    one = create_request(**written(login=person.login))
    release(person, agent=an_agent(Role.ASSISTANCE), proof=Proof.CALL_BACK, reference=one.reference, request=one.pk)
    lock_as_agent(account=person, agent=agent, reason=LockReason.OTHER, comment="Encore lui")
    proposed_by_hr(person, "rh@exemple.org")
    for status in set(Status) - {Status.SENDING}:
        Message.objects.create(
            kind=Kind.NEW_LINK, person=person, address="a@exemple.org", status=status, answer="550 a"
        )
    return Ask(f"{reverse('admin:account', args=[person.pk])}?sujet=tout&page=2")


@page
def account_of_nobody_any_more(browser: Client) -> Ask:
    come_in(browser)
    person = active_account()
    erase_person(account=person)
    return Ask(reverse("admin:account", args=[person.pk]))


@page
def account_lock(browser: Client) -> Ask:
    come_in(browser)
    person = active_account()
    one = create_request(**written(login=person.login))
    return Ask(f"{act_on('lock', person)}?demande={one.reference}")


@page
def account_lock_of_somebody_unreachable(browser: Client) -> Ask:
    return page_of_act("lock", browser, active_account(recovery_address=""))


@page
def account_lock_when_locked(browser: Client) -> Ask:
    return page_of_act("lock", browser, locked_person())


@page
def account_lock_when_erased(browser: Client) -> Ask:
    person = active_account()
    erase_person(account=person)
    return page_of_act("lock", browser, person)


@refusal
def account_lock_without_a_reason(browser: Client) -> Ask:
    come_in(browser)
    return Ask(act_on("lock", active_account()), {"comment": "x" * 501})


@refusal
def account_lock_too_late(browser: Client) -> Ask:
    come_in(browser)
    return Ask(act_on("lock", locked_person()), {"reason": "phishing", "comment": "Vu avec elle"})


@page
def account_release(browser: Client) -> Ask:
    return page_of_act("release", browser, robbed_person())


@page
def account_release_with_little_to_say(browser: Client) -> Ask:
    person = pending_account(language="en")
    lock_account(account=person, reason=LockReason.AT_REQUEST)
    return page_of_act("release", browser, person)


@page
def account_release_while_an_address_waits(browser: Client) -> Ask:
    person = locked_person()
    approved(person)
    return page_of_act("release", browser, person)


@page
def account_release_to_nowhere(browser: Client) -> Ask:
    return page_of_act("release", browser, locked_person(recovery_address=""), Role.RESPONSABLES)


@page
def account_release_when_not_locked(browser: Client) -> Ask:
    return page_of_act("release", browser, active_account())


@page
def account_release_when_closed(browser: Client) -> Ask:
    return page_of_act("release", browser, locked_person(end_date=timezone.localdate() - timedelta(days=1)))


@refusal
def account_release_without_anything(browser: Client) -> Ask:
    come_in(browser)
    return Ask(act_on("release", robbed_person()), {})


@refusal
def account_release_too_late(browser: Client) -> Ask:
    come_in(browser)
    person = locked_person()
    release(person)
    typed = {"reason": "phishing-over", "proof": "in-person", "report": "Carte vue au guichet."}
    return Ask(act_on("release", person), typed)


@page
def account_put_back(browser: Client) -> Ask:
    return page_of_act("put-back", browser, robbed_person())


@page
def account_put_back_nothing(browser: Client) -> Ask:
    return page_of_act("put-back", browser, locked_person())


@page
def account_put_back_when_not_locked(browser: Client) -> Ask:
    return page_of_act("put-back", browser, active_account())


@refusal
def account_put_back_without_a_reason(browser: Client) -> Ask:
    come_in(browser)
    return Ask(act_on("put-back", robbed_person()), {"change": "1", "reason": "non"})


@page
def account_resend(browser: Client) -> Ask:
    person = pending_account()
    Message.objects.create(
        kind=Kind.ACTIVATION,
        person=person,
        address=person.recovery_address,
        status=Status.BOUNCED,
        answer="550 5.1.1 mailbox unavailable",
        created_at=timezone.now() - timedelta(days=2),
    )
    return page_of_act("resend", browser, person)


@page
def account_resend_after_a_release(browser: Client) -> Ask:
    return page_of_act("resend", browser, released_person())


@page
def account_resend_when_active(browser: Client) -> Ask:
    return page_of_act("resend", browser, active_account())


@page
def account_resend_when_locked(browser: Client) -> Ask:
    return page_of_act("resend", browser, locked_person())


@page
def account_resend_when_closed(browser: Client) -> Ask:
    return page_of_act("resend", browser, pending_account(end_date=timezone.localdate() - timedelta(days=1)))


@page
def account_resend_to_nowhere(browser: Client) -> Ask:
    return page_of_act("resend", browser, pending_account(recovery_address=""))


@page
def account_resend_to_a_stranger(browser: Client) -> Ask:
    return page_of_act(
        "resend", browser, pending_account(recovery_address_disputed_at=timezone.now()), Role.RESPONSABLES
    )


@refusal
def account_resend_too_early(browser: Client) -> Ask:
    come_in(browser)
    return Ask(act_on("resend", released_person()), {"reason": "lost"})


# Agents


@page
def agents(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    an_agent(Role.LECTURE)
    enrolment_code_for(an_agent())
    return Ask(reverse("admin:agents"))


@page
def agent_new(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:agent-new"))


@refusal
def agent_new_of_a_locked_account(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    Lock.objects.create(account=person, reason=LockReason.PHISHING)
    return Ask(reverse("admin:agent-new"), {"login": person.login, "role": "Lecture", "reason": "stagiaire"})


@page
def agent_appointed(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    facts = {"login": person.login, "role": "Lecture", "reason": "Rejoint l’équipe."}
    browser.post(reverse("admin:agent-new"), facts)
    return Ask(reverse("admin:agent-code", args=[person.pk]))


@page
def agent_role(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:agent-role", args=[an_agent().pk]))


@refusal
def agent_role_without_a_change(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    facts = {"role": "Assistance", "reason": "Change de service."}
    return Ask(reverse("admin:agent-role", args=[an_agent().pk]), facts)


@page
def agent_withdrawal(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:agent-withdrawal", args=[an_agent().pk]))


@refusal
def agent_withdrawal_without_a_reason(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:agent-withdrawal", args=[an_agent().pk]), {"reason": ""})


@page
def agent_code(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    other = an_agent()
    with_application(other)
    return Ask(reverse("admin:agent-code", args=[other.pk]))


@refusal
def agent_code_without_a_reason(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:agent-code", args=[an_agent().pk]), {"reason": "perdu"})


@page
def agent_code_given(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:agent-code", args=[an_agent().pk]), {"reason": "Téléphone perdu, vue en personne."})


# The charter


@page
def charters(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    published(me)
    active_account()
    a_draft(me, version="2027-01")
    return Ask(reverse("admin:charters"))


@page
def charters_for_readers(browser: Client) -> Ask:
    come_in(browser, Role.LECTURE)
    the_draft()
    return Ask(reverse("admin:charters"))


@page
def charters_without_a_draft(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    no_draft()
    return Ask(reverse("admin:charters"))


@page
def charter_of_a_version(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:charter", args=[published(me).pk]))


@page
def charter_preview(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:charter-preview", args=[a_draft(me).pk]))


@page
def charter_preview_with_gaps(browser: Client) -> Ask:
    reader = come_in(browser, Role.LECTURE)
    draft = a_draft(reader, key_points_fr="", text_en="", key_points_en="")
    return Ask(reverse("admin:charter-preview", args=[draft.pk]))


@page
def charter_preview_of_the_same(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    in_force = Charter.objects.in_force()
    same = {name: getattr(in_force, name) for name in Charter.TEXTS}
    return Ask(reverse("admin:charter-preview", args=[a_draft(me, **same).pk]))


@page
def charter_preview_of_hostile_texts(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    hostile = a_draft(me, text_fr=HOSTILE, key_points_fr=HOSTILE, text_en="\n".join(HOSTILE.split("\n\n")))
    return Ask(reverse("admin:charter-preview", args=[hostile.pk]))


@page
def charter_of_hostile_texts(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:charter", args=[published(me, text_fr=HOSTILE, key_points_fr=HOSTILE).pk]))


@page
def charter_new(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    no_draft()
    return Ask(reverse("admin:charter-new"))


@refusal
def charter_new_without_a_name(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:charter-new"), sent(None, version=""))


@refusal
def charter_new_beside_a_draft(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    a_draft(me)
    return Ask(reverse("admin:charter-new"), sent(None, version="2027-01"))


@page
def charter_edit(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(edit_page(a_draft(me)))


@refusal
def charter_edit_saved_by_another_meanwhile(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    draft = a_draft(me)
    mine = sent(draft, text_fr=HOSTILE)
    saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre texte.", key_points_fr="", version="2027-01")
    return Ask(edit_page(draft), mine)


@page
def charter_edit_published_meanwhile(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    draft = a_draft(me)
    mine = sent(draft, text_fr="Ma phrase.")
    publish(charter_id=draft.pk, read=draft.fingerprint, summary="Le conseil l’a voté.", actor=an_agent())
    return Ask(edit_page(draft), mine)


@page
def charter_publish(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(publish_page(a_draft(me)))


@refusal
def charter_publish_without_a_summary(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    draft = a_draft(me)
    return Ask(publish_page(draft), {"read": draft.fingerprint, "summary": ""})


@refusal
def charter_publish_changed_meanwhile(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    draft = a_draft(me)
    what_was_read = {"read": draft.fingerprint, "summary": "Nouvel article sur l’IA."}
    saved_by_another(draft, an_agent(Role.RESPONSABLES), text_fr="Autre texte.")
    return Ask(reverse("admin:charter-publish", args=[draft.pk]), what_was_read)


@page
def charter_deletion(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:charter-deletion", args=[a_draft(me).pk]))


# The journal, and lists to take away


@page
def journal(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = active_account(given_name="Inès")
    lock_account(account=person, reason=LockReason.PHISHING)
    record_event(account=None, event=Event.DATA_PURGED, gone={"journal": 12}, failed=[])
    record_event(account=person, actor=person, event=Event.RECOVERY_CHANGE_REQUESTED, address="ines@exemple.org")
    return Ask(reverse("admin:journal"))


@page
def journal_of_an_account(browser: Client) -> Ask:
    come_in(browser)
    person = active_account()
    for _number in range(120):
        record_event(account=person, actor=person, event=Event.SIGNED_IN)
    middle = person.journal.order_by("pk")[60]
    return Ask(f"{reverse('admin:journal')}?compte={person.login}&avant={PageCursor(middle.at, middle.pk)}")


@page
def journal_without_entries(browser: Client) -> Ask:
    come_in(browser, Role.LECTURE)
    return Ask(f"{reverse('admin:journal')}?evenement={Event.USER_ERASED}&par=agents&du=2026-01-01")


@refusal
def journal_of_nobody(browser: Client) -> Ask:
    come_in(browser)
    return Ask(f"{reverse('admin:journal')}?evenement=autre&par=0&compte=personne&du=9999-99-99&au=12/13/2026")


@page
def export_of_the_journal(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    person = active_account()
    return Ask(f"{reverse('admin:export-journal')}?compte={person.login}&par=personne&du=2026-01-01")


@refusal
def export_without_a_reason(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:export-journal"), {"reason": ""})


@page
def export_of_accounts(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(f"{reverse('admin:export-accounts')}?q=durand&etat=locked")


@page
def export_of_requests(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:export-requests"))


# The HR file


@page
def imports(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    imported(*people(3), agent=me)
    receiving.abandon(pk=previewed(*people(2, ine="?"), agent=me).pk, agent=me)
    long_name = f"Extraction SIHAM & scolarité du 20 novembre {'x' * 90}.csv"
    previewed(*people(4, employer="CNRS"), agent=me, name=long_name)
    HrImport.objects.filter(pk=received(*people(5), agent=me).pk).update(attempts=MOST_ATTEMPTS)
    received(*people(6), agent=me)
    return Ask(reverse("admin:imports"))


@page
def imports_with_none(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:imports"))


@refusal
def imports_without_a_file(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:imports"), {})


@refusal
def imports_of_a_file_without_our_columns(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask(reverse("admin:imports"), {"file": a_file(columns=("nom", "prenom"))})


def page_of(hr_import: HrImport) -> str:
    return reverse("admin:import", args=[hr_import.pk])


@page
def import_received(browser: Client) -> Ask:
    return Ask(page_of(received(*people(3), agent=come_in(browser, Role.RESPONSABLES))))


@page
def import_running(browser: Client) -> Ask:
    hr_import = previewed(*people(3), agent=come_in(browser, Role.RESPONSABLES))
    receiving.approve(pk=hr_import.pk, agent=hr_import.uploaded_by)
    facts = {"lines_done": 15_001, "lines_total": 42_000, "leased_until": timezone.now() + LEASE}
    HrImport.objects.filter(pk=hr_import.pk).update(**facts)
    return Ask(page_of(hr_import))


@page
def import_stopped(browser: Client) -> Ask:
    hr_import = received(*people(3), agent=come_in(browser, Role.RESPONSABLES))
    HrImport.objects.filter(pk=hr_import.pk).update(attempts=MOST_ATTEMPTS, lines_done=5_001, lines_total=42_000)
    return Ask(page_of(hr_import))


@page
def import_previewed(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    imported(*people(3), agent=me)
    changed = {
        "family_name": "Lefèvre-Dumont",
        "employer": "CNRS",
        "birth_date": "1990-01-31",
        "end_date": "2030-08-31",
    }
    rows = [another(1, **changed), another(2, recovery_address="p2@gmial.com"), another(4), another(5, ine="?")]
    return Ask(page_of(previewed(*rows, agent=me)))


@page
def import_out_of_the_ordinary(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    rows = [*people(30), *(another(number, ine="?") for number in range(31, 45))]
    imported(*rows, agent=me)
    Account.objects.filter(hr_id__in=[f"HR{number}" for number in range(1, 29)]).update(employer="Inria")
    return Ask(page_of(previewed(*rows, agent=me)))


@page
def import_of_nothing_new(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    imported(*people(3), agent=me)
    return Ask(page_of(previewed(*people(2), agent=me)))


@refusal
def import_not_confirmed_twice(browser: Client) -> Ask:
    path = import_out_of_the_ordinary(browser).path
    return Ask(f"{path}confirmer/", {})


@page
def import_done(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    return Ask(page_of(imported(*people(3), another(4, ine="?"), another(5, hr_id="HR1"), agent=me)))


@page
def import_abandoned(browser: Client) -> Ask:
    me = come_in(browser, Role.RESPONSABLES)
    hr_import = previewed(*people(3), agent=me)
    receiving.abandon(pk=hr_import.pk, agent=me)
    return Ask(page_of(hr_import))


# Requests for assistance


def a_taken_request(agent: Account, **changed: Any) -> AssistanceRequest:
    taken = a_request(**changed)
    take_request(request=taken, actor=agent)
    return taken


@page
def requests(browser: Client) -> Ask:
    agent = come_in(browser)
    person = active_account(phone="+33467123456")
    for number in range(3):
        a_request(login=person.login, contact_address=f"adresse{number}@exemple.net")
    a_request(login="personne@univ-exemple.fr", ine="0123456789A", contact_address="un@exemple.net")
    late = a_request(login=pending_account().login, contact_address="deux@exemple.net")
    AssistanceRequest.objects.filter(pk=late.pk).update(asked_at=timezone.now() - timedelta(days=10))
    tried = a_taken_request(agent, login=active_account().login, reason="recovery-lost")
    record_call(request=tried, actor=agent, outcome=CallOutcome.NO_ANSWER)
    return Ask(reverse("admin:requests"))


@page
def requests_of_every_state(browser: Client) -> Ask:
    agent = come_in(browser)
    for outcome in CLOSED:
        done = a_taken_request(agent, login=active_account().login)
        close_request(request=done, actor=agent, outcome=outcome)
    return Ask(f"{reverse('admin:requests')}?etat=all")


@page
def requests_of_one_person(browser: Client) -> Ask:
    come_in(browser, Role.LECTURE)
    first, _second = a_request(), a_request()
    return Ask(f"{reverse('admin:requests')}?personne={first.reference}")


@page
def requests_with_several_pages(browser: Client) -> Ask:
    come_in(browser)
    for number in range(30):
        a_request(login=f"personne{number}@univ-exemple.fr", contact_address=f"p{number}@exemple.net")
    return Ask(f"{reverse('admin:requests')}?page=2")


@page
def requests_that_there_are_none_of(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:requests"))


@refusal
def requests_with_an_invisible_character(browser: Client) -> Ask:
    come_in(browser)
    return Ask(f"{reverse('admin:requests')}?q=a%00b")


@page
def request(browser: Client) -> Ask:
    come_in(browser)
    person = active_account(phone="+33467123456")
    Lock.objects.create(account=person, reason=LockReason.PHISHING)
    a_request(login=person.login)
    return Ask(reverse("admin:request", args=[a_request(login=person.login).reference]))


@page
def request_of_nobody(browser: Client) -> Ask:
    come_in(browser, Role.LECTURE)
    return Ask(reverse("admin:request", args=[a_request(login="personne@univ-exemple.fr").reference]))


@page
def request_of_one_s_own(browser: Client) -> Ask:
    agent = come_in(browser)
    return Ask(reverse("admin:request", args=[a_request(login=agent.login).reference]))


@page
def request_in_hand(browser: Client) -> Ask:
    agent = come_in(browser, Role.RESPONSABLES)
    taken = a_taken_request(agent, login=active_account(birth_date=None).login)
    record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER, note="Répondeur.\nRappeler demain.")
    return Ask(reverse("admin:request", args=[taken.reference]))


@page
def request_in_a_colleague_s_hand(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:request", args=[a_taken_request(an_agent()).reference]))


@page
def request_that_a_colleague_has_taken_meanwhile(browser: Client) -> Ask:
    come_in(browser)
    taken = a_taken_request(an_agent())
    return Ask(
        reverse("admin:request-call", args=[taken.reference]), {"outcome": "reached", "note": "Tout est dit."}, 409
    )


@page
def request_after_three_wrong_answers(browser: Client) -> Ask:
    agent = come_in(browser)
    taken = a_taken_request(agent, login=active_account().login)
    for _ in range(TRIES):
        compare_fact(request=taken, actor=agent, fact=Fact.BIRTH_DATE, answer=date(1990, 1, 1))
    return Ask(reverse("admin:request", args=[taken.reference]))


@page
def request_with_its_identity(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:request-identity", args=[a_request(login=active_account().login).reference]), {})


@page
def request_closed(browser: Client) -> Ask:
    agent = come_in(browser)
    done = a_taken_request(agent, login=active_account().login)
    close_request(request=done, actor=agent, outcome=RequestState.REFUSED, note="Numéro faux, personne ne répond.")
    return Ask(reverse("admin:request", args=[done.reference]))


@refusal
def request_closed_without_a_reason(browser: Client) -> Ask:
    agent = come_in(browser)
    taken = a_taken_request(agent, login=active_account().login)
    return Ask(reverse("admin:request-close", args=[taken.reference]), {"outcome": "refused", "note": ""})


@refusal
def request_attached_to_nobody(browser: Client) -> Ask:
    agent = come_in(browser)
    taken = a_taken_request(agent, login="personne@univ-exemple.fr")
    return Ask(reverse("admin:request-attach", args=[taken.reference]), {"name": "introuvable"})
