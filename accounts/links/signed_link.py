"""Links in mails: signed, bound to one account, one purpose and the state they were made for, valid until a deadline.

A token is base64url(payload) followed by its 43-character signature: the alphabet [A-Za-z0-9_-] survives mail software.
Tokens are stored nowhere: the worker builds them from the rows when it sends the mail.
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, NamedTuple

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils import timezone

from accounts.enums import State
from accounts.models import Account
from core.security_log import log_security_event
from outbox.deadlines import end_of_next_day, has_passed

PAYLOAD = struct.Struct(">QQQ16s")
PAYLOAD_LENGTH = 54
SIGNATURE_LENGTH = 43
CLOCK_DRIFT = timedelta(minutes=5)


class LinkRefused(Exception):
    """Base class; the subclasses say why."""


class InvalidLink(LinkRefused):
    """Truncated, forged, of another purpose or of a departed account: one page for all, which reveals nothing."""


class LinkRevoked(InvalidLink):
    """Well signed, but the state it was bound to has changed. Shown as invalid."""

    def __init__(self, account_id: int) -> None:
        super().__init__()
        self.account_id = account_id


class LinkExpired(LinkRefused):
    """Its deadline has passed; or its account is locked, which the page must not reveal."""

    def __init__(self, deadline: datetime, account_id: int) -> None:
        super().__init__()
        self.deadline = deadline
        self.account_id = account_id


class LinkUsed(LinkRefused):
    def __init__(self, account_id: int) -> None:
        super().__init__()
        self.account_id = account_id


class TokenPayload(NamedTuple):
    """The content of a token. A session may hold it, unlike the token: without the signature it is no link."""

    account_id: int
    deadline: int
    subject_id: int
    fingerprint: str

    def has_same_subject(self, other: "TokenPayload") -> bool:
        return (self.account_id, self.subject_id) == (other.account_id, other.subject_id)


@dataclass(frozen=True, slots=True)
class OpenedLink:
    account: Account
    subject_id: int
    deadline: datetime
    fingerprint: str


class SignedLink:
    """A link of one purpose. A subclass defines the purpose, the page, `state` and `is_done`."""

    purpose: ClassVar[str]
    url_name: ClassVar[str]
    #: True only for a link that protects the account.
    opens_when_locked: ClassVar[bool] = False

    def deadline(self, now: datetime) -> datetime:
        """The instant when a link built at `now` expires: 23:59:59 of the next day, unless a subclass differs.

        Every attempt to send a mail on one day (Paris time) builds the same link.
        """
        return end_of_next_day(now)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """The facts in the fingerprint; a change of one revokes the link. Raises InvalidLink when there are none."""
        raise NotImplementedError

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether the action of the link has been carried out."""
        raise NotImplementedError

    def url(self, account: Account, deadline: datetime, subject_id: int = 0) -> str:
        """The absolute URL to mail. The host is that of the settings, never of a request."""
        token = self.token(account, deadline, subject_id)
        log_security_event("authn_token_created", outcome="success", account=account.pk, purpose=self.purpose)
        return f"{settings.PORTAL_URL}{reverse(self.url_name, args=[token])}"

    def token(self, account: Account, deadline: datetime, subject_id: int = 0) -> str:
        """Deterministic: the same for the same account, deadline, subject and state."""
        digest = self._digest(account, subject_id)
        encoded = _encode(PAYLOAD.pack(account.pk, int(deadline.timestamp()), subject_id, digest))
        return f"{encoded}{self._signer.signature(encoded)}"

    def open(self, token: str, now: datetime | None = None) -> OpenedLink:
        """Read and check a token without writing. Raises InvalidLink, LinkExpired or LinkUsed."""
        return self.check(self.read(token), now)

    def read(self, token: str) -> TokenPayload:
        """Verify the signature for this purpose. Raises InvalidLink."""
        if len(token) != PAYLOAD_LENGTH + SIGNATURE_LENGTH:
            raise InvalidLink
        try:
            signed = f"{token[:PAYLOAD_LENGTH]}:{token[PAYLOAD_LENGTH:]}"
            account_id, deadline, subject_id, digest = PAYLOAD.unpack(_decode(self._signer.unsign(signed)))
        except (BadSignature, binascii.Error, ValueError, struct.error) as error:
            raise InvalidLink from error
        return TokenPayload(account_id, deadline, subject_id, digest.hex())

    def check(self, payload: TokenPayload, now: datetime | None = None) -> OpenedLink:
        """Check a payload against the account as it is now. Raises InvalidLink, LinkExpired or LinkUsed."""
        now = now or timezone.now()
        deadline = datetime.fromtimestamp(payload.deadline, tz=UTC)
        account = Account.objects.with_lock().filter(pk=payload.account_id).first()
        if account is None or account.state == State.CLOSED or deadline > self.deadline(now + CLOCK_DRIFT):
            raise InvalidLink
        if account.state == State.LOCKED and not self.opens_when_locked:
            raise LinkExpired(min(deadline, now), account.pk)
        if self.is_done(account, payload.subject_id):
            raise LinkUsed(account.pk)
        if not self._is_unchanged(account, payload):
            raise LinkRevoked(account.pk)
        if has_passed(deadline, now):
            raise LinkExpired(deadline, account.pk)
        return OpenedLink(account, payload.subject_id, deadline, payload.fingerprint)

    def matches_fingerprint(self, account: Account, fingerprint: str, subject_id: int = 0) -> bool:
        return self._digest(account, subject_id).hex() == fingerprint

    def log_reuse(self, refused: LinkRefused) -> None:
        """Log that a used or revoked link was opened."""
        if isinstance(refused, LinkUsed | LinkRevoked):
            why = "used" if isinstance(refused, LinkUsed) else "killed"
            log_security_event(
                "authn_token_reuse", outcome="failure", account=refused.account_id, purpose=self.purpose, why=why
            )

    def _is_unchanged(self, account: Account, payload: TokenPayload) -> bool:
        try:
            return self.matches_fingerprint(account, payload.fingerprint, payload.subject_id)
        except InvalidLink:
            return False

    @property
    def _signer(self) -> Signer:
        return Signer(salt=f"portal.link.{self.purpose}")

    def _digest(self, account: Account, subject_id: int) -> bytes:
        facts = "\x1f".join(map(str, (self.purpose, account.pk, *self.state(account, subject_id))))
        return hashlib.sha256(facts.encode()).digest()[:16]


def _encode(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
