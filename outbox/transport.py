"""Hands mails to the mail server or provider and classifies the answer."""

import re
import smtplib
from dataclasses import dataclass

from anymail.exceptions import AnymailInvalidAddress, AnymailRecipientsRefused, AnymailRequestsAPIError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

# RFC 5321 §4.2.1: 5yz is a permanent negative reply.
PERMANENT = range(500, 600)
# RFC 3463 §3.8: "relay access denied", "client host rejected". A misconfigured relay answers so for thousands of good
# addresses: retry.
POLICY_REFUSAL = re.compile(rb"\b5\.7\.\d")
# HTTP statuses by which providers refuse one mail; others concern the account or the provider.
MAIL_REFUSED = {400, 413, 422}
LONGEST_ANSWER = 500


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server accepted the mail; `provider_id` identifies it at a provider."""

    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Permanent: not retried."""

    answer: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """Retry later. `server_is_down` when other mails would fail too."""

    answer: str
    server_is_down: bool


Answer = Accepted | Refused | Postponed


class SMTPTransport:
    """One connection to the mail server for a batch. A context manager."""

    def __init__(self) -> None:
        self._connection: BaseEmailBackend = get_connection()

    def __enter__(self) -> "SMTPTransport":
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._connection.close()
        except (OSError, smtplib.SMTPException):
            return

    def hand_over(self, email: EmailMultiAlternatives) -> Answer:
        """Send one mail; never raises for what a server or an address can cause."""
        try:
            self._connection.open()
            email.connection = self._connection
            email.send()
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            if POLICY_REFUSAL.search(text):
                return Postponed(_answer(code, text), server_is_down=False)
            return self._classify(code, text)
        except smtplib.SMTPDataError as error:
            return self._classify(error.smtp_code, error.smtp_error)
        except AnymailRequestsAPIError as error:
            if error.status_code in MAIL_REFUSED:
                return Refused(_short(error))
            return Postponed(_short(error), server_is_down=True)
        except (OSError, smtplib.SMTPException) as error:
            # A refused sender too, which concerns every mail. Before ValueError, which a bad certificate is as well.
            self._reconnect()
            return Postponed(_short(error), server_is_down=True)
        except (AnymailInvalidAddress, AnymailRecipientsRefused, ValueError) as error:
            return Refused(_short(error))
        status = getattr(email, "anymail_status", None)
        return Accepted(provider_id=(status and status.message_id) or "")

    def _classify(self, code: int, text: bytes | str) -> Answer:
        answer = _answer(code, text)
        if code in PERMANENT:
            return Refused(answer)
        self._reconnect()
        return Postponed(answer, server_is_down=False)

    def _reconnect(self) -> None:
        self.__exit__()
        self._connection = get_connection()


def _answer(code: int, text: bytes | str) -> str:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    return _storable(f"{code} {said}")


def _short(error: BaseException) -> str:
    return _storable(f"{type(error).__name__}: {error}")


def _storable(text: str) -> str:
    """PostgreSQL stores no NUL."""
    return text.replace("\0", "")[:LONGEST_ANSWER]
