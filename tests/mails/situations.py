"""For each kind of mail, the service calls that queue it."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone, translation

from accounts.enums import LockReason, Proof
from accounts.expiry import send_closing_notices
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.passwords.services import change_password
from accounts.recovery.corrections import approve_replacement, correct_at_once, propose_replacement
from activation.reminders.services import send_reminders
from agents.roles import Role
from agents.second_factor.services import confirm_device, issue_enrolment_code, start_enrolment
from agents.staff.services import grant_role
from assistance.services import create_request
from mailrouting.services import change_redirection, choose_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.services import queue_email
from tests.accounts.recovery.recovering import change_to, wish
from tests.agents.signed_in import an_agent, code_of
from tests.assistance.asking import request_data
from tests.factories import active_account, pending_account
from tests.locking import unlocked_account

ELSEWHERE = "ailleurs@exemple.org"


def queue(kind: Kind, account: Account) -> None:
    queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)


def locked(**facts) -> None:
    account = pending_account(**facts)
    lock_account(account=account, reason=LockReason.PHISHING)
    queue(Kind.LOCKED, account)


def approved_replacement(**facts) -> None:
    correction = propose_replacement(
        account=active_account(**facts),
        agent=an_agent(Role.RESPONSABLES),
        address=ELSEWHERE,
        proof=Proof.IN_PERSON,
        note="Vue au guichet.",
    )
    approve_replacement(correction_id=correction.pk, agent=an_agent(Role.RESPONSABLES))


def recovery_corrected(**facts) -> None:
    agent = an_agent(Role.RESPONSABLES)
    correct_at_once(account=pending_account(**facts), agent=agent, address=ELSEWHERE, reason="Faute de frappe.")


def assistance_received(**facts) -> None:
    account = pending_account(**facts)
    with translation.override(facts.get("language", "fr")):
        create_request(**request_data(login=account.login, ine="0123456789A", phone="06 11 22 33 44"))


def activation_reminder(**facts) -> None:
    account = pending_account(**facts)
    Message.objects.create(
        kind=Kind.ACTIVATION,
        person=account,
        address=account.recovery_address,
        status=Status.SENT,
        deadline=timezone.now() - timedelta(days=1),
    )
    send_reminders()


def account_closing(**facts) -> None:
    active_account(end_date=timezone.localdate() + timedelta(days=20), **facts)
    send_closing_notices()


def second_factor_changed(**facts) -> None:
    agent = an_agent(**facts)
    device = start_enrolment(account=agent, typed=issue_enrolment_code(account=agent))
    confirm_device(account=agent, device_id=device.pk, typed=code_of(device), keep=None)


def redirection_verification(*, keep_copy: bool = True, **facts) -> None:
    choose_redirection(account=active_account(**facts), target=ELSEWHERE, keep_copy=keep_copy)


SITUATIONS: dict[Kind, Callable[..., object]] = {
    Kind.ACTIVATION: lambda **facts: queue(Kind.ACTIVATION, pending_account(**facts)),
    Kind.NEW_LINK: lambda **facts: queue(Kind.NEW_LINK, pending_account(**facts)),
    Kind.ALREADY_ACTIVE: lambda **facts: queue(Kind.ALREADY_ACTIVE, active_account(**facts)),
    Kind.LOCKED: locked,
    Kind.ACCOUNT_LOCKED: lambda **facts: lock_account(account=active_account(**facts), reason=LockReason.PHISHING),
    Kind.REACTIVATION: unlocked_account,
    Kind.ACCOUNT_ACTIVATED: lambda **facts: queue(Kind.ACCOUNT_ACTIVATED, active_account(**facts)),
    Kind.ACTIVATION_REMINDER: activation_reminder,
    Kind.ACCOUNT_CLOSING: account_closing,
    Kind.ASSISTANCE_RECEIVED: assistance_received,
    Kind.REDIRECTION_VERIFICATION: redirection_verification,
    Kind.REDIRECTION_CHANGED: lambda **facts: change_redirection(
        account=active_account(**facts), target=ELSEWHERE, keep_copy=True
    ),
    Kind.PASSWORD_RESET: lambda **facts: queue(Kind.PASSWORD_RESET, active_account(**facts)),
    Kind.PASSWORD_CHANGED: lambda **facts: change_password(
        account=active_account(**facts), password="une autre phrase de passe"
    ),
    Kind.RECOVERY_VERIFICATION: lambda **facts: wish(active_account(**facts)),
    Kind.RECOVERY_CHANGED: lambda **facts: change_to(active_account(**facts)),
    Kind.RECOVERY_CORRECTED: recovery_corrected,
    Kind.RECOVERY_REPLACEMENT: approved_replacement,
    Kind.RECOVERY_ANNOUNCED: approved_replacement,
    Kind.SECOND_FACTOR_CHANGED: second_factor_changed,
    Kind.ROLE_CHANGED: lambda **facts: grant_role(account=active_account(**facts), role=Role.LECTURE),
}
