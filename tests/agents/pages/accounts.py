"""The dashboard, accounts, their recovery addresses and the actions on them."""

from datetime import date, timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason, Proof
from accounts.locking.lock import lock_as_agent
from accounts.models import Account, Lock
from accounts.recovery.corrections import cancel_replacement
from agents.roles import Role
from assistance.services import create_request
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import approved, proposed, proposed_by_hr
from tests.agents.account_actions import act_on, robbed_person
from tests.agents.pages.registry import INSIDE, come_in, page, plain_page, refusal
from tests.agents.signed_in import an_agent
from tests.assistance.asking import request_data
from tests.factories import active_account, pending_account
from tests.locking import locked_account, unlock, unlocked_account
from tests.pages import PageRequest

plain_page("home", INSIDE + 8, "admin:index", Role.RESPONSABLES)


@page(INSIDE + 2)
def accounts(browser: Client) -> PageRequest:
    come_in(browser)
    for given_name in ("Inès", "Sami", "Zoé"):
        pending_account(given_name=given_name, family_name="Lefèvre-Dumont", category=Category.STUDENT)
    Lock.objects.create(account=active_account(given_name="Paul"), reason=LockReason.PHISHING)
    return PageRequest(reverse("admin:accounts"))


@page(INSIDE + 3)
def accounts_with_several_pages(browser: Client) -> PageRequest:
    come_in(browser)
    for _number in range(60):
        pending_account()
    return PageRequest(f"{reverse('admin:accounts')}?q=camille&page=2")


@refusal(INSIDE)
def accounts_with_an_invisible_character(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(f"{reverse('admin:accounts')}?q=a%00b")


@page(INSIDE + 14)
def account_with_its_address(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(reverse("admin:account-address", args=[active_account().pk]), {})


@page(INSIDE + 3)
def addresses(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    for agent in (me, an_agent(Role.RESPONSABLES)):
        proposed(active_account(given_name="Inès"), agent)
    approved(active_account(given_name="Sami"))
    proposed_by_hr(active_account(given_name="Zoé"), "zoe@exemple.org")
    return PageRequest(reverse("admin:addresses"))


@page(INSIDE + 3)
def addresses_with_several_pages(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    for number in range(60):
        proposed_by_hr(active_account(recovery_address="" if number % 2 else "une@exemple.org"), "rh@exemple.org")
    return PageRequest(f"{reverse('admin:addresses')}?page=2")


@page(INSIDE + 3)
def address(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    correction = proposed(locked_account(phone="+33467123456"), an_agent(Role.RESPONSABLES), proof=Proof.CALL_BACK)
    return PageRequest(reverse("admin:address", args=[correction.pk]))


@page(INSIDE + 3)
def address_approved(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest(reverse("admin:address", args=[approved(active_account()).pk]))


@page(INSIDE + 3)
def address_given_up(browser: Client) -> PageRequest:
    me = come_in(browser, Role.RESPONSABLES)
    correction = approved(active_account())
    cancel_replacement(correction_id=correction.pk, agent=me, reason="La personne s’est trompée.")
    return PageRequest(reverse("admin:address", args=[correction.pk]))


@page(INSIDE + 2)
def address_give_up(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    correction = proposed(active_account(), an_agent(Role.RESPONSABLES))
    return PageRequest(reverse("admin:address-give-up", args=[correction.pk]))


@page(INSIDE + 1)
def address_dismiss(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    entry = proposed_by_hr(active_account(), "rh@exemple.org")
    return PageRequest(reverse("admin:address-dismiss", args=[entry.pk]))


@page(INSIDE + 4)
def address_correct(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    person = pending_account(recovery_address_disputed_at=timezone.now())
    return PageRequest(reverse("admin:account-correct", args=[person.pk]))


@page(INSIDE + 6)
def address_correct_with_a_proof(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    person = active_account(phone="+33467123456", recovery_address="")
    proposed_by_hr(person, "rh@exemple.org")
    return PageRequest(f"{reverse('admin:account-correct', args=[person.pk])}?proposition=rh")


@refusal(INSIDE + 3)
def address_correct_with_a_slip(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    slip = {"address": "camille@gmial.com", "reason": "Vue au guichet."}
    return PageRequest(reverse("admin:account-correct", args=[active_account().pk]), slip)


def page_of_act(name: str, browser: Client, person: Account, role: Role = Role.ASSISTANCE) -> PageRequest:
    come_in(browser, role)
    return PageRequest(act_on(name, person))


@page(INSIDE + 15)
def account_with_everything(browser: Client) -> PageRequest:
    agent = come_in(browser, Role.RESPONSABLES)
    person = robbed_person(hr_id="RH-77", start_date=date(2020, 9, 1))
    one = create_request(**request_data(login=person.login))
    unlock(person, agent=an_agent(Role.ASSISTANCE), proof=Proof.CALL_BACK, reference=one.reference, request=one.pk)
    lock_as_agent(account=person, agent=agent, reason=LockReason.OTHER, comment="Encore lui")
    proposed_by_hr(person, "rh@exemple.org")
    for status in set(Status) - {Status.SENDING}:
        Message.objects.create(
            kind=Kind.NEW_LINK, person=person, address="a@exemple.org", status=status, answer="550 a"
        )
    return PageRequest(f"{reverse('admin:account', args=[person.pk])}?sujet=tout&page=2")


@page(INSIDE + 4)
def account_lock(browser: Client) -> PageRequest:
    come_in(browser)
    person = active_account()
    one = create_request(**request_data(login=person.login))
    return PageRequest(f"{act_on('lock', person)}?demande={one.reference}")


@refusal(INSIDE + 2)
def account_lock_without_a_reason(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(act_on("lock", active_account()), {"comment": "x" * 501})


@page(INSIDE + 13)
def account_release(browser: Client) -> PageRequest:
    return page_of_act("release", browser, robbed_person())


@page(INSIDE + 8)
def account_release_to_nowhere(browser: Client) -> PageRequest:
    return page_of_act("release", browser, locked_account(recovery_address=""), Role.RESPONSABLES)


@refusal(INSIDE + 12)
def account_release_without_anything(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(act_on("release", robbed_person()), {})


@page(INSIDE + 12)
def account_put_back(browser: Client) -> PageRequest:
    return page_of_act("put-back", browser, robbed_person())


@refusal(INSIDE + 11)
def account_put_back_without_a_reason(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(act_on("put-back", robbed_person()), {"change": "1", "reason": "non"})


@page(INSIDE + 4)
def account_resend(browser: Client) -> PageRequest:
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


@page(INSIDE + 3)
def account_resend_when_active(browser: Client) -> PageRequest:
    return page_of_act("resend", browser, active_account())


@refusal(INSIDE + 7)
def account_resend_too_early(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(act_on("resend", unlocked_account()), {"reason": "lost"})
