"""What was there before an agent opened the page, and which page."""

from datetime import date, timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason, Proof
from accounts.locking.lock import lock_as_agent
from accounts.models import Account, Lock
from agents.journal.filters import PageCursor
from agents.roles import Role
from assistance.enums import CallOutcome, RequestState
from assistance.handling import close_request, record_call, take_request
from assistance.models import AssistanceRequest
from hr_feed.models import LEASE, HrImport
from hr_feed.uploads import services as uploads
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import approved, proposed, proposed_by_hr
from tests.agents import charter_drafts as drafts
from tests.agents.account_actions import robbed_person
from tests.agents.hr_imports import imported, people, previewed, received
from tests.agents.pages.registry import AGENT_PAGES, AGENT_REFUSALS, assisting, declare_inside, managing, reading
from tests.agents.signed_in import an_agent, code_of, enrol_device, enrolment_code_for, wrong_code
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account
from tests.hr_feed.hr_files import another
from tests.locking import locked_account, unlock, unlocked_account
from tests.pages import PageRequest
from tests.pages.registry import State
from tests.signing_in import log_in

PHONE = "+33467123456"
HR_ADDRESS = "rh@exemple.org"
WRONG_FILTERS = "journal?evenement=autre&par=0&compte=personne&du=9999-99-99&au=12/13/2026"
EXPORT = "export-journal?compte={}&par=personne&du=2026-01-01"


def some_accounts(me: Account) -> None:
    for given_name in ("Inès", "Sami", "Zoé"):
        pending_account(given_name=given_name, family_name="Lefèvre-Dumont", category=Category.STUDENT)
    Lock.objects.create(account=active_account(given_name="Paul"), reason=LockReason.PHISHING)


def much_happened(me: Account) -> object:
    person = robbed_person(hr_id="RH-77", start_date=date(2020, 9, 1))
    request = assistance_request(login=person.login)
    facts = {"proof": Proof.CALL_BACK, "reference": request.reference, "request": request.pk}
    unlock(person, agent=an_agent(Role.ASSISTANCE), **facts)
    lock_as_agent(account=person, agent=me, reason=LockReason.OTHER, comment="Encore lui")
    proposed_by_hr(person, HR_ADDRESS)
    for status in set(Status) - {Status.SENDING}:
        Message.objects.create(kind=Kind.NEW_LINK, person=person, address="a@exemple.org", status=status, answer="550")
    return person


def first_mail_bounced(me: Account) -> object:
    person = pending_account()
    facts = {"status": Status.BOUNCED, "answer": "550", "created_at": timezone.now() - timedelta(days=2)}
    Message.objects.create(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, **facts)
    return person


def addresses_wait(me: Account) -> None:
    for agent in (me, an_agent(Role.RESPONSABLES)):
        proposed(active_account(given_name="Inès"), agent)
    approved(active_account(given_name="Sami"))
    proposed_by_hr(active_account(given_name="Zoé"), "zoe@exemple.org")


def address_without_recovery(me: Account) -> object:
    person = active_account(phone=PHONE, recovery_address="")
    proposed_by_hr(person, HR_ADDRESS)
    return person


def sixty_accounts(me: Account) -> None:
    for _ in range(60):
        proposed_by_hr(active_account(), HR_ADDRESS)


def request_of_a_person(me: Account) -> AssistanceRequest:
    return assistance_request(login=locked_account(phone=PHONE).login)


def taken_request(agent: Account, **changed: object) -> AssistanceRequest:
    taken = assistance_request(**{"login": active_account(birth_date=None).login, **changed})
    take_request(request=taken, actor=agent)
    return taken


def taken_by_a_colleague(me: Account) -> AssistanceRequest:
    return taken_request(an_agent(), login="?")


def some_requests(me: Account) -> None:
    person = active_account(phone=PHONE)
    for contact_address in ("un@exemple.net", "deux@exemple.net"):
        assistance_request(login=person.login, contact_address=contact_address)
    assistance_request(login="personne@univ-exemple.fr", ine="0123456789A", contact_address="trois@exemple.net")
    AssistanceRequest.objects.update(asked_at=timezone.now() - timedelta(days=10))
    record_call(request=taken_request(me, reason="recovery-lost"), actor=me, outcome=CallOutcome.NO_ANSWER)


def request_in_hand(me: Account) -> object:
    taken = taken_request(me)
    record_call(request=taken, actor=me, outcome=CallOutcome.NO_ANSWER, note="Répondeur.\nRappeler demain.")
    return taken


def closed_request(me: Account) -> object:
    done = taken_request(me)
    close_request(request=done, actor=me, outcome=RequestState.REFUSED, note="Numéro faux, personne ne répond.")
    return done


def with_the_password_alone(browser: Client) -> Account:
    account = an_agent()
    log_in(browser, account)
    return account


def with_a_device(browser: Client) -> None:
    enrol_device(with_the_password_alone(browser))


def before_the_qr_code(browser: Client) -> Account:
    account = an_agent()
    code = enrolment_code_for(account)
    log_in(browser, account).post(reverse("admin:enrolment"), {"code": code})
    return account


def first_code_given(browser: Client) -> PageRequest:
    account = before_the_qr_code(browser)
    return PageRequest(reverse("admin:application"), {"code": code_of(account.totpdevice_set.get())})


def verification_refused(browser: Client) -> PageRequest:
    device = enrol_device(with_the_password_alone(browser))
    return PageRequest(reverse("admin:verification"), {"code": wrong_code(device)})


def some_agents(me: Account) -> None:
    an_agent(Role.LECTURE)
    enrolment_code_for(an_agent())


def agent_of_a_locked_account(me: Account) -> PageRequest:
    appointment = {"login": locked_account().login, "role": "Lecture", "reason": "stagiaire"}
    return PageRequest(reverse("admin:agent-new"), appointment)


def two_versions_and_a_draft(me: Account) -> None:
    drafts.published(me)
    drafts.a_draft(me, version="2027-01")


def saved_meanwhile(me: Account) -> PageRequest:
    draft = drafts.a_draft(me)
    mine = drafts.sent(draft, text_fr=drafts.HOSTILE)
    theirs = {"text_fr": "Autre texte.", "key_points_fr": "", "version": "2027-01"}
    drafts.saved_by_another(draft, an_agent(Role.RESPONSABLES), **theirs)
    return PageRequest(drafts.edit_page(draft), mine)


def some_entries(me: Account) -> None:
    person = locked_account(given_name="Inès")
    record_event(account=None, event=Event.DATA_PURGED, gone={"journal": 12}, failed=[])
    record_event(account=person, actor=person, event=Event.RECOVERY_CHANGE_REQUESTED, address="ines@exemple.org")


def many_entries(me: Account) -> object:
    person = active_account()
    facts = {"account": person, "actor": person, "event": Event.SIGNED_IN, "source": "web"}
    middle = JournalEntry.objects.bulk_create(JournalEntry(**facts) for _ in range(120))[60]
    return f"compte={person.login}&avant={PageCursor(middle.at, middle.pk)}"


def some_imports(me: Account) -> None:
    unusual_import(me)
    received(*people(6), agent=me, name=f"Extraction SIHAM & scolarité {'x' * 90}.csv")


def running_import(me: Account) -> object:
    hr_import = previewed(*people(3), agent=me)
    uploads.approve(pk=hr_import.pk, agent=me)
    facts = {"lines_done": 15_001, "lines_total": 42_000, "leased_until": timezone.now() + LEASE}
    HrImport.objects.filter(pk=hr_import.pk).update(**facts)
    return hr_import


def import_of_all_kinds(me: Account) -> object:
    imported(*people(3), agent=me)
    facts = {"family_name": "Lefèvre-Dumont", "employer": "CNRS", "birth_date": "1990-01-31", "end_date": "2030-08-31"}
    rows = [another(1, **facts), another(2, recovery_address="p2@gmial.com"), another(4), another(5, category="?")]
    return previewed(*rows, agent=me)


def unusual_import(me: Account) -> object:
    rows = [*people(30), *(another(number, category="?") for number in range(31, 45))]
    imported(*rows, agent=me)
    Account.objects.filter(hr_id__in=[f"HR{number}" for number in range(1, 29)]).update(employer="Inria")
    return previewed(*rows, agent=me)


declare_inside(
    AGENT_PAGES,
    State("home", 13, managing(), "index"),
    State("accounts", 7, assisting(some_accounts), "accounts"),
    State("accounts_with_several_pages", 8, assisting(sixty_accounts), "accounts?q=camille&page=2"),
    State("account_with_its_address", 19, assisting(about=active_account), "account-address", {}),
    State("account_with_everything", 20, managing(much_happened), "account?sujet=tout&page=2"),
    State("account_lock", 9, assisting(about=active_account), "account-lock"),
    State("account_release", 19, assisting(about=robbed_person), "account-release"),
    State("account_put_back", 17, assisting(about=robbed_person), "account-put-back"),
    State("account_resend", 9, assisting(first_mail_bounced), "account-resend"),
    State("account_resend_when_active", 8, assisting(about=active_account), "account-resend"),
    State("addresses", 8, managing(addresses_wait), "addresses"),
    State("addresses_with_several_pages", 8, managing(sixty_accounts), "addresses?page=2"),
    State("address", 8, managing(lambda me: proposed(active_account(phone=PHONE), proof=Proof.CALL_BACK)), "address"),
    State("address_give_up", 7, managing(lambda me: proposed(active_account())), "address-give-up"),
    State("address_dismiss", 6, managing(lambda me: proposed_by_hr(active_account(), HR_ADDRESS)), "address-dismiss"),
    State("requests", 7, assisting(some_requests), "requests"),
    State("requests_of_one_person", 8, reading(about=assistance_request), "requests?personne={}"),
    State("request", 12, assisting(request_of_a_person), "request"),
    State("request_in_hand", 12, managing(request_in_hand), "request"),
    State("request_taken_meanwhile", 15, assisting(taken_by_a_colleague), "request-call", {"outcome": "reached"}, 409),
    State("request_with_its_identity", 13, assisting(request_of_a_person), "request-identity", {}),
    State("request_closed", 12, assisting(closed_request), "request"),
    State("verification", 4, with_a_device, "verification?next=/admin/comptes/"),
    State("enrolment", 4, with_the_password_alone, "enrolment"),
    State("application", 5, before_the_qr_code, "application"),
    State("device", 8, assisting(), "device"),
    State("device_replacement", 5, assisting(), "device-replacement"),
    State("device_backup_codes", 5, assisting(), "backup-codes"),
    State("device_removal", 5, assisting(), "device-removal"),
    State("agents", 7, managing(some_agents), "agents"),
    State("agent_new", 5, managing(), "agent-new"),
    State("agent_role", 7, managing(about=an_agent), "agent-role"),
    State("agent_withdrawal", 6, managing(about=an_agent), "agent-withdrawal"),
    State("agent_code", 7, managing(about=an_agent), "agent-code"),
    State("agent_code_given", 21, managing(about=an_agent), "agent-code", {"reason": "Vue en personne."}),
    State("charters", 9, managing(two_versions_and_a_draft), "charters"),
    State("charter_of_a_version", 8, managing(drafts.published), "charter"),
    State("charter_preview", 7, managing(drafts.a_draft), "charter-preview"),
    State("charter_new", 9, managing(about=drafts.no_draft), "charter-new"),
    State("charter_edit", 7, managing(drafts.a_draft), "charter-edit"),
    State("charter_deletion", 6, managing(drafts.a_draft), "charter-deletion"),
    State("journal", 7, managing(some_entries), "journal"),
    State("journal_of_an_account", 9, assisting(many_entries), "journal?{}"),
    State("journal_without_entries", 7, reading(), f"journal?evenement={Event.USER_ERASED}&par=agents&du=2026-01-01"),
    State("export_of_the_journal", 8, managing(lambda me: active_account().login), EXPORT),
    State("imports", 6, managing(some_imports), "imports"),
    State("import_running", 6, managing(running_import), "import"),
    State("import_previewed", 7, managing(import_of_all_kinds), "import"),
    State("import_out_of_the_ordinary", 7, managing(unusual_import), "import"),
    State("import_done", 6, managing(lambda me: imported(*people(3), another(4, category="?"), agent=me)), "import"),
    State("address_correct_with_a_proof", 11, managing(address_without_recovery), "account-correct?proposition=rh"),
    State("backup_codes", 43, first_code_given),
    State("charter_publish", 7, managing(lambda me: PageRequest(drafts.publish_page(drafts.a_draft(me))))),
)
declare_inside(
    AGENT_REFUSALS,
    State("accounts_with_an_invisible_character", 5, assisting(), "accounts?q=a%00b"),
    State("account_lock_without_a_reason", 7, assisting(about=active_account), "account-lock", {"comment": "x" * 501}),
    State("account_release_without_anything", 18, assisting(about=robbed_person), "account-release", {}),
    State("account_put_back_without_a_reason", 16, assisting(about=robbed_person), "account-put-back", {"change": "1"}),
    State("account_resend_too_early", 12, assisting(about=unlocked_account), "account-resend", {"reason": "lost"}),
    State("address_with_a_slip", 8, managing(about=active_account), "account-correct", {"address": "c@gmial.com"}),
    State("request_closed_without_a_reason", 12, assisting(taken_request), "request-close", {"outcome": "refused"}),
    State("charter_new_without_a_name", 5, managing(), "charter-new", drafts.sent(None, version="")),
    State("journal_with_wrong_filters", 7, assisting(), WRONG_FILTERS),
    State("export_without_a_reason", 7, managing(), "export-journal", {"reason": ""}),
    State("imports_without_a_file", 6, managing(), "imports", {}),
    State("import_not_confirmed_twice", 9, managing(unusual_import), "import-approval", {}),
    State("verification_refused", 9, verification_refused),
    State("agent_new_of_a_locked_account", 6, managing(agent_of_a_locked_account)),
    State("charter_edit_saved_by_another_meanwhile", 8, managing(saved_meanwhile)),
)
