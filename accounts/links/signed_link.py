"""Links in mails: signed, bound to one account and one purpose, good until an instant, killed by what they were for.

A token is base64url(payload) followed by its 43-character signature, so that its alphabet is [A-Za-z0-9_-] and mail
software leaves it whole (TOK-11). Nothing of it is stored: the worker makes it again from the row (TOK-01).
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
    """The link does not open anything now; its subclasses say why."""


class InvalidLink(LinkRefused):
    """Truncated, made up, of another purpose, of somebody who left: one same page for all (TOK-10)."""


class LinkRevoked(InvalidLink):
    """Well signed, but what it was bound to has changed since; nobody is told that it ever was good."""

    def __init__(self, account_id: int) -> None:
        super().__init__()
        self.account_id = account_id


class LinkExpired(LinkRefused):
    """Well signed, but its deadline has passed, or its account is locked, which nobody is told here."""

    def __init__(self, deadline: datetime, account_id: int) -> None:
        super().__init__()
        self.deadline = deadline
        self.account_id = account_id


class LinkUsed(LinkRefused):
    """What the link was for is done."""

    def __init__(self, account_id: int) -> None:
        super().__init__()
        self.account_id = account_id


class TokenPayload(NamedTuple):
    """What a well signed token says. Unlike the token, a session may keep it: nobody can make a link of it (TOK-01)."""

    account_id: int
    deadline: int
    subject_id: int
    fingerprint: str

    def has_same_subject(self, other: "TokenPayload") -> bool:
        """Whether both name one person and one thing; a newer link for an older one may."""
        return (self.account_id, self.subject_id) == (other.account_id, other.subject_id)


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A good link: whose, about what, until when, and the fingerprint that must go on holding."""

    account: Account
    subject_id: int
    deadline: datetime
    fingerprint: str


class SignedLink:
    """A link of one purpose. A subclass names the purpose, the page, the state that must hold, what "done" means."""

    purpose: ClassVar[str]
    url_name: ClassVar[str]
    #: Whether it goes on opening while the account is locked, as only what protects an account may.
    opens_when_locked: ClassVar[bool] = False

    def deadline(self, now: datetime) -> datetime:
        """Until when a link built at `now` is good; the same instant for every attempt of one Paris day (D8)."""
        return end_of_next_day(now)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """The facts that must still hold; changing one kills the link. Raises LinkNotValid when there are none."""
        raise NotImplementedError

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether what the link was for has been done."""
        raise NotImplementedError

    def url(self, account: Account, deadline: datetime, subject_id: int = 0) -> str:
        """The whole address to mail. The host is the setting's, never the request's (TOK-08)."""
        token = self.token(account, deadline, subject_id)
        log_security_event("authn_token_created", outcome="success", account=account.pk, purpose=self.purpose)
        return f"{settings.PORTAL_URL}{reverse(self.url_name, args=[token])}"

    def token(self, account: Account, deadline: datetime, subject_id: int = 0) -> str:
        """The signed token; the same for the same account, deadline, subject and state."""
        digest = self._digest(account, subject_id)
        payload = _encoded(PAYLOAD.pack(account.pk, int(deadline.timestamp()), subject_id, digest))
        return f"{payload}{self._signer.signature(payload)}"

    def open(self, token: str, now: datetime | None = None) -> OpenedLink:
        """What a good token opens; changes nothing, however often it is called (TOK-06).

        Raises LinkNotValid, LinkExpired or LinkUsed.
        """
        return self.check(self.read(token), now)

    def read(self, token: str) -> TokenPayload:
        """What the token says, when we have signed it for this purpose; otherwise raises LinkNotValid."""
        if len(token) != PAYLOAD_LENGTH + SIGNATURE_LENGTH:
            raise InvalidLink
        try:
            signed = f"{token[:PAYLOAD_LENGTH]}:{token[PAYLOAD_LENGTH:]}"
            account_id, deadline, subject_id, digest = PAYLOAD.unpack(_decoded(self._signer.unsign(signed)))
        except (BadSignature, binascii.Error, ValueError, struct.error) as error:
            raise InvalidLink from error
        return TokenPayload(account_id, deadline, subject_id, digest.hex())

    def check(self, claims: TokenPayload, now: datetime | None = None) -> OpenedLink:
        """What the claims open now. Raises LinkNotValid, LinkExpired or LinkUsed."""
        now = now or timezone.now()
        deadline = datetime.fromtimestamp(claims.deadline, tz=UTC)
        account = Account.objects.with_lock().filter(pk=claims.account_id).first()
        if account is None or account.state == State.CLOSED or deadline > self.deadline(now + CLOCK_DRIFT):
            raise InvalidLink
        if account.state == State.LOCKED and not self.opens_when_locked:
            raise LinkExpired(min(deadline, now), account.pk)
        if self.is_done(account, claims.subject_id):
            raise LinkUsed(account.pk)
        if not self._is_alive(account, claims):
            raise LinkRevoked(account.pk)
        if has_passed(deadline, now):
            raise LinkExpired(deadline, account.pk)
        return OpenedLink(account, claims.subject_id, deadline, claims.fingerprint)

    def matches_fingerprint(self, account: Account, fingerprint: str, subject_id: int = 0) -> bool:
        """Whether the state that a link was opened on is still the account's."""
        return self._digest(account, subject_id).hex() == fingerprint

    def log_reuse(self, refused: LinkRefused) -> None:
        """Note in the log when somebody opens a link that was used, or killed (LOG-01)."""
        if isinstance(refused, LinkUsed | LinkRevoked):
            why = "used" if isinstance(refused, LinkUsed) else "killed"
            log_security_event(
                "authn_token_reuse", outcome="failure", account=refused.account_id, purpose=self.purpose, why=why
            )

    def _is_alive(self, account: Account, claims: TokenPayload) -> bool:
        try:
            return self.matches_fingerprint(account, claims.fingerprint, claims.subject_id)
        except InvalidLink:
            return False

    @property
    def _signer(self) -> Signer:
        return Signer(salt=f"portal.link.{self.purpose}")

    def _digest(self, account: Account, subject_id: int) -> bytes:
        facts = "\x1f".join(map(str, (self.purpose, account.pk, *self.state(account, subject_id))))
        return hashlib.sha256(facts.encode()).digest()[:16]


def _encoded(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
