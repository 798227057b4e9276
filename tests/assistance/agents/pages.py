"""Every page of the agents' area in every state; in French only, so apart from `tests/pages.py`."""

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.models import Account, Lock
from assistance.agents.roles import Role
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.assistance.agents.working import (
    an_agent,
    browser_of,
    code_of,
    enrolment_code_for,
    inside,
    with_application,
    wrong_code,
)
from tests.pages import Ask, Page
from tests.people import active_person, pending_person

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
    Lock.objects.create(account=pending_person(), reason=LockReason.PHISHING)
    return Ask(reverse("admin:index"))


# Accounts


@page
def accounts(browser: Client) -> Ask:
    come_in(browser)
    for given_name in ("Inès", "Sami", "Zoé"):
        pending_person(given_name=given_name, family_name="Lefèvre-Dumont", category=Category.STUDENT)
    Lock.objects.create(account=active_person(given_name="Paul"), reason=LockReason.PHISHING)
    return Ask(reverse("admin:accounts"))


@page
def accounts_with_several_pages(browser: Client) -> Ask:
    come_in(browser)
    for _number in range(60):
        pending_person()
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
    person = active_person(given_name="Inès", phone="+33467123456")
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
    return Ask(reverse("admin:account-address", args=[active_person().pk]), {})


@page
def account_of_an_agent(browser: Client) -> Ask:
    come_in(browser)
    return Ask(reverse("admin:account", args=[an_agent().pk]))


# Agents


@page
def agents(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    an_agent(Role.LECTURE)
    enrolment_code_for(an_agent())
    return Ask(reverse("admin:agents"))


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
