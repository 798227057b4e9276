"""The pages of the second factor."""

from django.test import Client
from django.urls import reverse

from accounts.models import Account
from tests.agents.pages.registry import INSIDE, OUTSIDE, page, plain_page, refusal, signed_in_as
from tests.agents.signed_in import (
    an_agent,
    code_of,
    enrol_device,
    enrolment_code_for,
    wrong_code,
)
from tests.pages import PageRequest


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


@page(OUTSIDE + 1)
def verification(browser: Client) -> PageRequest:
    account = an_agent()
    enrol_device(account)
    signed_in_as(browser, account)
    return PageRequest(f"{reverse('admin:verification')}?next=/admin/comptes/")


@refusal(OUTSIDE + 6)
def verification_refused(browser: Client) -> PageRequest:
    account = an_agent()
    device = enrol_device(account)
    signed_in_as(browser, account)
    return PageRequest(reverse("admin:verification"), {"code": wrong_code(device)})


@page(OUTSIDE + 1)
def enrolment(browser: Client) -> PageRequest:
    signed_in_as(browser, an_agent())
    return PageRequest(reverse("admin:enrolment"))


@page(OUTSIDE + 2)
def application(browser: Client) -> PageRequest:
    standing_before_the_qr_code(browser)
    return PageRequest(reverse("admin:application"))


@page(OUTSIDE + 40)
def backup_codes(browser: Client) -> PageRequest:
    account = standing_before_the_qr_code(browser)
    return PageRequest(reverse("admin:application"), {"code": code_of(account.totpdevice_set.get())})


plain_page("device", INSIDE + 3, "admin:device")
plain_page("device_replacement", INSIDE, "admin:device-replacement")
plain_page("device_backup_codes", INSIDE, "admin:backup-codes")
plain_page("device_removal", INSIDE, "admin:device-removal")
