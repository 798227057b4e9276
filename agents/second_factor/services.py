"""The second factor of agents: enrolment, verification, replacement and removal of the TOTP device.

An agent has one device at most. Services lock the row of the device, or of the account while there is none, so that a
code sent twice at the same time is accepted once. A refusal commits: throttling counters and journal entries are kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Account, Session
from accounts.notifications import notify_change
from agents.models import BackupCode, EnrolmentCode
from agents.second_factor.codes import canonical_code, is_totp_token, random_code, split_prefix
from agents.staff.notices import tell_responsables
from agents.staff.tenure import start_tenure
from core.rate_limits import ENROLMENT_CODES_PER_ACCOUNT
from core.security_log import log_security_event
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind

#: Wrong codes before the first wait.
TYPING_ERRORS = 3
ENROLMENT_CODE_LIFETIME = timedelta(hours=24)
BACKUP_CODES = 10


class CodeRefused(Exception):
    """Wrong, expired or already used: the agent is not told which."""


class CodeThrottled(Exception):
    """No code is checked before `until`; each wrong code beyond the first ones doubles the wait."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"until {until:%H:%M:%S}")
        self.until = until


class EnrolmentNotStarted(Exception):
    """This session has no device to confirm: none was started, another replaced it, or the enrolment code expired."""


@dataclass(frozen=True, slots=True)
class EnrolledDevice:
    """A confirmed device and its backup codes, in clear for the only time."""

    device: TOTPDevice
    backup_codes: list[str]


def device_of(account: Account) -> TOTPDevice | None:
    """The confirmed device of the agent."""
    device: TOTPDevice | None = _devices(account).filter(confirmed=True).first()
    return device


def verify(*, account: Account, typed: str) -> TOTPDevice:
    """Verify and use up a TOTP token or a backup code. Raises CodeRefused, CodeThrottled."""
    device = _verify(account, canonical_code(typed))
    if device is None:
        raise CodeRefused
    return device


def start_enrolment(*, account: Account, typed: str) -> TOTPDevice:
    """Create an unconfirmed device for a valid enrolment code, which `confirm_device` uses up.

    Raises CodeRefused, RateLimitExceeded.
    """
    ENROLMENT_CODES_PER_ACCOUNT.hit(str(account.pk))
    device = _start_enrolment(account, canonical_code(typed))
    if device is None:
        raise CodeRefused
    return device


def start_replacement(*, account: Account, typed: str) -> TOTPDevice:
    """Create an unconfirmed device for a code of the present one, which stays valid until the new one is confirmed.

    Raises CodeRefused, CodeThrottled.
    """
    verify(account=account, typed=typed)
    return _create_unconfirmed_device(account)


def unconfirmed_device(*, account: Account, device_id: int | None) -> TOTPDevice:
    """The device that this session may confirm. Raises EnrolmentNotStarted."""
    device: TOTPDevice | None = _devices(account).filter(pk=device_id, confirmed=False).first()
    if device is None or not _may_enrol(account):
        raise EnrolmentNotStarted
    return device


def confirm_device(*, account: Account, device_id: int | None, typed: str, keep: str | None) -> EnrolledDevice:
    """Confirm the device with its first token. Delete other devices, and all sessions but the one with the key `keep`.

    Raises EnrolmentNotStarted, CodeRefused, CodeThrottled.
    """
    enrolled = _confirm_device(account, device_id, canonical_code(typed), keep)
    if enrolled is None:
        raise CodeRefused
    return enrolled


@transaction.atomic
def issue_enrolment_code(*, account: Account, actor: Account | None = None, reason: str = "") -> str:
    """An enrolment code, valid for 24 hours; it replaces an earlier one.

    The present device and all sessions are deleted: the agent has lost the device, or is new. The agent and all
    Responsables are told.
    """
    start_tenure(Account.objects.lock(account.pk), actor=actor)
    _devices(account).delete()
    Session.objects.filter(account=account).delete()
    code, now = random_code(), timezone.now()
    EnrolmentCode.objects.update_or_create(
        account=account,
        defaults={
            "digest": make_password(canonical_code(code)),
            "given_at": now,
            "expires_at": now + ENROLMENT_CODE_LIFETIME,
        },
    )
    entry = record_event(account=account, actor=actor, event=Event.ENROLMENT_CODE_GIVEN, reason=reason)
    notify_change(kind=Kind.SECOND_FACTOR_CHANGED, entry=entry)
    tell_responsables(entry)
    ENROLMENT_CODES_PER_ACCOUNT.reset(str(account.pk))
    return code


def renew_backup_codes(*, account: Account, typed: str) -> list[str]:
    """Replace the backup codes by ten new ones. Raises CodeRefused, CodeThrottled."""
    device = verify(account=account, typed=typed)
    return _renew_backup_codes(account, device)


def remove_device(*, account: Account, typed: str) -> None:
    """Delete the agent's own device and its backup codes. Raises CodeRefused, CodeThrottled."""
    device = verify(account=account, typed=typed)
    _remove_device(account, device)


@transaction.atomic
def delete_second_factor(*, account: Account) -> None:
    """Delete device, backup codes and enrolment code of an account that loses its role. The caller notifies it."""
    Account.objects.lock(account.pk)
    _devices(account).delete()
    EnrolmentCode.objects.filter(account=account).delete()


@transaction.atomic
def _verify(account: Account, code: str) -> TOTPDevice | None:
    device = _devices(account).select_for_update().filter(confirmed=True).first()
    if device is None:
        return None
    _require_not_throttled(device)
    if is_totp_token(code):
        if device.verify_token(code):
            record_event(account=account, actor=account, event=Event.SECOND_FACTOR_GIVEN)
            return device
    elif _use_backup_code(device, code):
        record_event(account=account, actor=account, event=Event.BACKUP_CODE_USED)
        return device
    record_event(account=account, event=Event.SECOND_FACTOR_REFUSED)
    return None


def _use_backup_code(device: TOTPDevice, code: str) -> bool:
    label, secret = split_prefix(code)
    found = BackupCode.objects.unused().filter(device=device, label=label).first()
    if found is None or not check_password(secret, found.digest):
        device.throttle_increment()
        return False
    found.used_at = timezone.now()
    found.save(update_fields=["used_at"])
    device.throttle_reset()
    return True


def _require_not_throttled(device: TOTPDevice) -> None:
    if device.throttling_failure_count < TYPING_ERRORS:
        # django-otp makes wait from the first error on, for a second: a form sent twice would be "too many tries".
        device.throttling_failure_timestamp = None
    is_allowed, details = device.verify_is_allowed()
    if not is_allowed:
        log_security_event(
            "excess_rate_limit_exceeded", outcome="failure", limit="second-factor-codes", account=device.user_id
        )
        raise CodeThrottled(details["locked_until"])


@transaction.atomic
def _start_enrolment(account: Account, code: str) -> TOTPDevice | None:
    Account.objects.lock(account.pk)
    enrolment = EnrolmentCode.objects.valid_at(timezone.now()).filter(account=account).first()
    if enrolment is None or not check_password(code, enrolment.digest):
        record_event(account=account, event=Event.ENROLMENT_CODE_REFUSED)
        return None
    ENROLMENT_CODES_PER_ACCOUNT.reset(str(account.pk))
    return _create_unconfirmed_device(account)


@transaction.atomic
def _create_unconfirmed_device(account: Account) -> TOTPDevice:
    _devices(account).filter(confirmed=False).delete()
    device: TOTPDevice = TOTPDevice.objects.create(user=account, name="application", confirmed=False)
    return device


@transaction.atomic
def _confirm_device(account: Account, device_id: int | None, code: str, keep: str | None) -> EnrolledDevice | None:
    Account.objects.lock(account.pk)
    device = unconfirmed_device(account=account, device_id=device_id)
    _require_not_throttled(device)
    if not device.verify_token(code):
        record_event(account=account, event=Event.SECOND_FACTOR_REFUSED)
        return None
    _devices(account).exclude(pk=device.pk).delete()
    EnrolmentCode.objects.filter(account=account).delete()
    Session.objects.filter(account=account).exclude(session_key=keep).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    _record_and_notify(account, Event.SECOND_FACTOR_ENROLLED)
    return EnrolledDevice(device, _create_backup_codes(device))


def _may_enrol(account: Account) -> bool:
    """A first device needs a valid enrolment code; a replacement was allowed by a code of the present device."""
    has_code = EnrolmentCode.objects.valid_at(timezone.now()).filter(account=account).exists()
    return has_code or device_of(account) is not None


@transaction.atomic
def _renew_backup_codes(account: Account, device: TOTPDevice) -> list[str]:
    _record_and_notify(account, Event.BACKUP_CODES_RENEWED)
    return _create_backup_codes(device)


@transaction.atomic
def _remove_device(account: Account, device: TOTPDevice) -> None:
    device.delete()
    _record_and_notify(account, Event.SECOND_FACTOR_REMOVED)


def _create_backup_codes(device: TOTPDevice) -> list[str]:
    BackupCode.objects.filter(device=device).delete()
    codes: dict[str, str] = {}
    while len(codes) < BACKUP_CODES:
        code = random_code()
        codes.setdefault(split_prefix(canonical_code(code))[0], code)
    for label, code in codes.items():
        _label, secret = split_prefix(canonical_code(code))
        BackupCode.objects.create(device=device, label=label, digest=make_password(secret))
    return list(codes.values())


def _record_and_notify(account: Account, event: Event) -> None:
    entry = record_event(account=account, actor=account, event=event)
    notify_change(kind=Kind.SECOND_FACTOR_CHANGED, entry=entry)


def _devices(account: Account):  # type: ignore[no-untyped-def]
    # django-otp has no type hints.
    return TOTPDevice.objects.filter(user=account)
