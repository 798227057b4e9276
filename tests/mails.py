"""One situation for each kind of mail, and its HTML as a mail program shows it."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from html import unescape
from typing import Any, NamedTuple

from django.utils import timezone, translation

from accounts.enums import LockReason
from accounts.expiry import send_closing_notices
from accounts.locking.lock import lock_account
from accounts.passwords.services import change_password
from accounts.recovery.corrections import correct_at_once
from activation.reminders.services import send_reminders
from agents.roles import Role
from agents.second_factor.services import confirm_device, start_enrolment
from agents.staff.services import grant_role
from assistance.services import create_request
from mailrouting.services import change_redirection, choose_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.services import queue_email
from tests.accounts.recovery.recovering import a_responsable, approved, change_to, wish
from tests.agents.signed_in import an_agent, code_of, enrolment_code_for
from tests.assistance.asking import request_data
from tests.factories import active_account, pending_account
from tests.locking import locked_account, unlocked_account

ELSEWHERE = "ailleurs@exemple.org"
ANCHOR = re.compile(r'(class="button"[^>]*>\s*)?<a\b[^>]*\bhref="([^"]+)"[^>]*>(.*?)</a>', re.DOTALL)


def queued(kind: Kind, make: Callable[..., Any] = active_account, **facts: Any) -> None:
    account = make(**facts)
    queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)


def recovery_corrected(**facts: Any) -> None:
    correct_at_once(account=pending_account(**facts), agent=a_responsable(), address=ELSEWHERE, reason="Erreur.")


def assistance_received(**facts: Any) -> None:
    account = pending_account(**facts)
    with translation.override(facts.get("language", "fr")):
        create_request(**request_data(login=account.login, ine="0123456789A", phone="06 11 22 33 44"))


def activation_reminder(**facts: Any) -> None:
    queued(Kind.ACTIVATION, pending_account, **facts)
    Message.objects.update(status=Status.SENT, deadline=timezone.now() - timedelta(days=1))
    send_reminders()


def account_closing(**facts: Any) -> None:
    active_account(end_date=timezone.localdate() + timedelta(days=20), **facts)
    send_closing_notices()


def second_factor_changed(**facts: Any) -> None:
    agent = an_agent(**facts)
    device = start_enrolment(account=agent, typed=enrolment_code_for(agent))
    confirm_device(account=agent, device_id=device.pk, typed=code_of(device), keep=None)


def agents_changed(**facts: Any) -> None:
    reader = an_agent(Role.RESPONSABLES, **facts)
    grant_role(account=active_account(), role=Role.LECTURE, actor=reader)


def redirection_verification(*, keep_copy: bool = True, **facts: Any) -> None:
    choose_redirection(account=active_account(**facts), target=ELSEWHERE, keep_copy=keep_copy)


SITUATIONS: dict[Kind, Callable[..., object]] = {
    Kind.ACTIVATION: partial(queued, Kind.ACTIVATION, pending_account),
    Kind.NEW_LINK: partial(queued, Kind.NEW_LINK, pending_account),
    Kind.ALREADY_ACTIVE: partial(queued, Kind.ALREADY_ACTIVE),
    Kind.LOCKED: partial(queued, Kind.LOCKED, locked_account),
    Kind.ACCOUNT_LOCKED: lambda **facts: lock_account(account=active_account(**facts), reason=LockReason.PHISHING),
    Kind.REACTIVATION: unlocked_account,
    Kind.ACCOUNT_ACTIVATED: partial(queued, Kind.ACCOUNT_ACTIVATED),
    Kind.ACTIVATION_REMINDER: activation_reminder,
    Kind.ACCOUNT_CLOSING: account_closing,
    Kind.ACCOUNT_REOPENED: partial(queued, Kind.ACCOUNT_REOPENED),
    Kind.ASSISTANCE_RECEIVED: assistance_received,
    Kind.REDIRECTION_VERIFICATION: redirection_verification,
    Kind.REDIRECTION_CHANGED: lambda **facts: change_redirection(
        account=active_account(**facts), target=ELSEWHERE, keep_copy=True
    ),
    Kind.PASSWORD_RESET: partial(queued, Kind.PASSWORD_RESET),
    Kind.PASSWORD_CHANGED: lambda **facts: change_password(
        account=active_account(**facts), password="une autre phrase"
    ),
    Kind.RECOVERY_VERIFICATION: lambda **facts: wish(active_account(**facts)),
    Kind.RECOVERY_CHANGED: lambda **facts: change_to(active_account(**facts)),
    Kind.RECOVERY_CORRECTED: recovery_corrected,
    Kind.RECOVERY_REPLACEMENT: lambda **facts: approved(active_account(**facts)),
    Kind.RECOVERY_ANNOUNCED: lambda **facts: approved(active_account(**facts)),
    Kind.SECOND_FACTOR_CHANGED: second_factor_changed,
    Kind.AGENTS_CHANGED: agents_changed,
    Kind.ROLE_CHANGED: lambda **facts: grant_role(account=active_account(**facts), role=Role.LECTURE),
}


class Anchor(NamedTuple):
    href: str
    text: str
    is_button: bool


class Reader:
    def __init__(self, html: str) -> None:
        self.html, body = html, re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
        self.tags = re.findall(r"<(\w+)", body)
        self.attributes = [
            (tag, name, unescape(value.strip('"')))
            for tag, attributes in re.findall(r"<(\w+)([^>]*)>", body)
            for name, value in re.findall(r'([\w-]+)=("[^"]*"|\S*)', attributes)
        ]
        self.anchors = [
            Anchor(unescape(href), text_in(inside), is_button=bool(button))
            for button, href, inside in ANCHOR.findall(body)
        ]
        self.text = text_in(body)
        hidden = re.search(r'<div style="display:none[^>]*>(.*?)</div>', html, re.DOTALL)
        assert hidden
        self.preheader = hidden[1].replace("&#8199;&#847;", "").strip()


def text_in(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))
