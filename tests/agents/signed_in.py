"""Agents to test with, their devices, their browsers, and what their pages show."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Account
from agents.roles import Role
from agents.second_factor import services as second_factor
from journal.events import Event
from journal.services import record_event
from tests.factories import active_account
from tests.signing_in import application_whose_code_was_given, log_in

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def an_agent(role: Role = Role.ASSISTANCE, **facts: Any) -> Account:
    """Appointed long ago, without a device: the rows of `grant_role`, without its mails."""
    person = active_account(**{"is_staff": True, "approves_from": LONG_AGO, **facts})
    Account.groups.through.objects.create(account=person, group=Group.objects.get(name=role.value))
    record_event(account=person, event=Event.ROLE_GIVEN, role=role.value, former="", reason="")
    return Account.objects.get(pk=person.pk)


def enrol_device(account: Account) -> TOTPDevice:
    """A device that has not given a token yet."""
    return TOTPDevice.objects.create(user=account, name="application")


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    """The token that the device shows now, or `steps` × 30 seconds later."""
    clock = TOTP(device.bin_key, drift=steps)
    clock.time = timezone.now().timestamp()
    return f"{clock.token():06}"


def wrong_code(device: TOTPDevice) -> str:
    """Six digits that the device shows at no time near now."""
    good = {code_of(device, steps=step) for step in range(-5, 6)}
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in good)


def submit_code(browser: Client, code: str, **more: str) -> HttpResponse:
    return browser.post(reverse("admin:verification"), {"code": code, **more})


def verified_agent(role: Role = Role.ASSISTANCE, **facts: Any) -> tuple[Account, Client]:
    """An agent of that role, and the browser of a verified session."""
    account = an_agent(role, **facts)
    return account, log_in(Client(), account, second_factor=application_whose_code_was_given(account))


def enrolment_code_for(account: Account) -> str:
    return second_factor.issue_enrolment_code(account=account)


def visible_text(answer: HttpResponse) -> str:
    """On one line; bold words are part of their sentence."""
    words = re.sub(r"<[^>]+>", " ", re.sub(r"</?b>", "", answer.content.decode()))
    return re.sub(r"\s+", " ", unescape(words))


def follow(browser: Client, answer: HttpResponse) -> HttpResponse:
    assert answer.status_code == 302, visible_text(answer)
    return browser.get(answer["Location"])
