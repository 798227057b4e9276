"""What an agent gives besides the password (ADM-02 to ADM-04): enrolled by a code, verified, replaced, removed.

An agent has one application at most. All acts hold its row, or the account's while there is none, so that a code is
spent once however often it is sent at the same time. A refusal is kept: counters and journal are not rolled back.
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
from agents.second_factor.codes import canonical_code, is_of_an_application, random_code, split_label
from core.rate_limits import ENROLMENT_CODES_PER_ACCOUNT
from core.security_log import log_security_event
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind

ENROLMENT_CODE_LASTS = timedelta(hours=24)
BACKUP_CODES = 10


class CodeRefused(Exception):
    """Wrong, of another time, or used before: nobody is told which."""


class TooManyCodes(Exception):
    """After wrong codes, the next one is looked at from `until` on; each wrong one doubles the wait."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"until {until:%H:%M:%S}")
        self.until = until


class EnrolmentNotStarted(Exception):
    """The enrolment that this session began is none any more: done elsewhere, replaced, or its code is over."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new application, and the backup codes, which exist here and on the agent's paper only."""

    device: TOTPDevice
    backup_codes: list[str]


def device_of(account: Account) -> TOTPDevice | None:
    """The application that the agent has enrolled."""
    device: TOTPDevice | None = _devices(account).filter(confirmed=True).first()
    return device


def verify(*, account: Account, typed: str) -> TOTPDevice:
    """The agent's device, once a code of the application, or a backup code, has been given and spent.

    Raises CodeRefused, TooManyCodes.
    """
    device = _verified_device(account, canonical_code(typed))
    if device is None:
        raise CodeRefused
    return device


def begin_enrolment(*, account: Account, typed: str) -> TOTPDevice:
    """An application to be, for whoever has the enrolment code; the code is spent by `finish_enrolment`.

    Raises CodeRefused, LimitReached.
    """
    ENROLMENT_CODES_PER_ACCOUNT.hit(str(account.pk))
    device = _device_for_code(account, canonical_code(typed))
    if device is None:
        raise CodeRefused
    return device


def begin_replacement(*, account: Account, typed: str) -> TOTPDevice:
    """An application to be, for whoever has a code of the present one, which works until the end of the enrolment.

    Raises CodeRefused, TooManyCodes.
    """
    verify(account=account, typed=typed)
    return _new_device(account)


def device_to_enrol(*, account: Account, device_id: int | None) -> TOTPDevice:
    """The application that this session was allowed to enrol. Raises EnrolmentLost."""
    device: TOTPDevice | None = _devices(account).filter(pk=device_id, confirmed=False).first()
    if device is None or not _may_enrol(account):
        raise EnrolmentNotStarted
    return device


def finish_enrolment(*, account: Account, device_id: int | None, typed: str, keep: str | None) -> Enrolled:
    """Take the application into use, once it has shown a right code: the one before goes, and so does every session but
    the one with the key `keep`. Raises EnrolmentLost, CodeRefused, TooManyCodes.
    """
    enrolled = _finish_enrolment(account, device_id, canonical_code(typed), keep)
    if enrolled is None:
        raise CodeRefused
    return enrolled


@transaction.atomic
def give_enrolment_code(*, account: Account, actor: Account | None = None, reason: str = "") -> str:
    """The code with which `account` may enrol an application within 24 hours; any older one is good no more.

    A present application goes at once, and so do the sessions: whoever asks has lost it, or has changed.
    """
    _hold(account)
    removed, _by_model = _devices(account).delete()
    Session.objects.filter(account=account).delete()
    code, now = random_code(), timezone.now()
    EnrolmentCode.objects.update_or_create(
        account=account,
        defaults={
            "digest": make_password(canonical_code(code)),
            "given_at": now,
            "expires_at": now + ENROLMENT_CODE_LASTS,
        },
    )
    entry = record_event(account=account, actor=actor, event=Event.ENROLMENT_CODE_GIVEN, reason=reason)
    if removed:
        notify_change(kind=Kind.SECOND_FACTOR_CHANGED, entry=entry)
    ENROLMENT_CODES_PER_ACCOUNT.forget(str(account.pk))
    return code


def renew_backup_codes(*, account: Account, typed: str) -> list[str]:
    """Ten new backup codes; the older ones are good no more. Raises CodeRefused, TooManyCodes."""
    device = verify(account=account, typed=typed)
    return _renew_backup_codes(account, device)


def remove_device(*, account: Account, typed: str) -> None:
    """Forget the application and its backup codes. Raises CodeRefused, TooManyCodes."""
    device = verify(account=account, typed=typed)
    _remove_device(account, device)


@transaction.atomic
def remove_other_device(*, account: Account) -> None:
    """Leave nothing of the second factor of somebody who is no agent any more: application, backup codes, enrolment
    code. Whoever withdraws the role tells them."""
    _hold(account)
    _devices(account).delete()
    EnrolmentCode.objects.filter(account=account).delete()


@transaction.atomic
def _verified_device(account: Account, code: str) -> TOTPDevice | None:
    device = _devices(account).select_for_update().filter(confirmed=True).first()
    if device is None:
        return None
    _slow_down(device)
    if is_of_an_application(code):
        if device.verify_token(code):
            record_event(account=account, actor=account, event=Event.SECOND_FACTOR_GIVEN)
            return device
    elif _spend_backup_code(device, code):
        record_event(account=account, actor=account, event=Event.BACKUP_CODE_USED)
        return device
    record_event(account=account, event=Event.SECOND_FACTOR_REFUSED)
    return None


def _spend_backup_code(device: TOTPDevice, code: str) -> bool:
    label, secret = split_label(code)
    found = BackupCode.objects.unused().filter(device=device, label=label).first()
    if found is None or not check_password(secret, found.digest):
        device.throttle_increment()
        return False
    found.used_at = timezone.now()
    found.save(update_fields=["used_at"])
    device.throttle_reset()
    return True


def _slow_down(device: TOTPDevice) -> None:
    allowed, told = device.verify_is_allowed()
    if not allowed:
        log_security_event(
            "excess_rate_limit_exceeded", outcome="failure", limit="second-factor-codes", account=device.user_id
        )
        raise TooManyCodes(told["locked_until"])


@transaction.atomic
def _device_for_code(account: Account, code: str) -> TOTPDevice | None:
    _hold(account)
    enrolment = EnrolmentCode.objects.good_at(timezone.now()).filter(account=account).first()
    if enrolment is None or not check_password(code, enrolment.digest):
        record_event(account=account, event=Event.ENROLMENT_CODE_REFUSED)
        return None
    ENROLMENT_CODES_PER_ACCOUNT.forget(str(account.pk))
    return _new_device(account)


@transaction.atomic
def _new_device(account: Account) -> TOTPDevice:
    """One that waits for its first code; another that waited is given up."""
    _devices(account).filter(confirmed=False).delete()
    device: TOTPDevice = TOTPDevice.objects.create(user=account, name="application", confirmed=False)
    return device


@transaction.atomic
def _finish_enrolment(account: Account, device_id: int | None, code: str, keep: str | None) -> Enrolled | None:
    _hold(account)
    device = device_to_enrol(account=account, device_id=device_id)
    _slow_down(device)
    if not device.verify_token(code):
        record_event(account=account, event=Event.SECOND_FACTOR_REFUSED)
        return None
    _devices(account).exclude(pk=device.pk).delete()
    EnrolmentCode.objects.filter(account=account).delete()
    Session.objects.filter(account=account).exclude(session_key=keep).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    _record_and_tell(account, Event.SECOND_FACTOR_ENROLLED)
    return Enrolled(device, _new_backup_codes(device))


def _may_enrol(account: Account) -> bool:
    """Whether a first application is still allowed; another one is whenever there is one."""
    is_allowed = EnrolmentCode.objects.good_at(timezone.now()).filter(account=account).exists()
    return is_allowed or device_of(account) is not None


@transaction.atomic
def _renew_backup_codes(account: Account, device: TOTPDevice) -> list[str]:
    _record_and_tell(account, Event.BACKUP_CODES_RENEWED)
    return _new_backup_codes(device)


@transaction.atomic
def _remove_device(account: Account, device: TOTPDevice) -> None:
    device.delete()
    _record_and_tell(account, Event.SECOND_FACTOR_REMOVED)


def _new_backup_codes(device: TOTPDevice) -> list[str]:
    BackupCode.objects.filter(device=device).delete()
    codes: dict[str, str] = {}
    while len(codes) < BACKUP_CODES:
        code = random_code()
        codes.setdefault(split_label(canonical_code(code))[0], code)
    for label, code in codes.items():
        _label, secret = split_label(canonical_code(code))
        BackupCode.objects.create(device=device, label=label, digest=make_password(secret))
    return list(codes.values())


def _record_and_tell(account: Account, event: Event) -> None:
    entry = record_event(account=account, actor=account, event=event)
    notify_change(kind=Kind.SECOND_FACTOR_CHANGED, entry=entry)


def _devices(account: Account):  # type: ignore[no-untyped-def]
    """The library has no types."""
    return TOTPDevice.objects.filter(user=account)


def _hold(account: Account) -> None:
    """Let nothing else happen to the account until the end of the transaction."""
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
