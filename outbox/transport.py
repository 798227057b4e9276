"""Hands mails to the mail server or provider and classifies the answer."""

import smtplib
import ssl
from dataclasses import dataclass

from anymail.exceptions import AnymailRecipientsRefused, AnymailRequestsAPIError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from core.email_addresses import InvalidAddress, canonical_address
from outbox.replies import PERMANENT, is_about_the_mailbox, status_in

# HTTP statuses by which providers refuse one mail; others concern the account or the provider.
ONE_MAIL_REFUSED = {400, 413, 422}
# HTTP statuses after which a provider will say the same until the portal or its account there changes.
PROVIDER_REFUSES = {400, 401, 402, 403, 404, 413, 422}
LONGEST_ANSWER = 500


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server accepted the mail; `provider_id` identifies it at a provider."""

    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The reader's mailbox is refused: not retried."""

    answer: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """Retry later. `server_is_down` when other mails would fail too.

    `fault` names what has to be repaired at the portal or its relay; the same one for all mails that it postpones.
    `error` is the exception to be logged with it.
    """

    answer: str
    server_is_down: bool
    fault: str = ""
    error: Exception | None = None


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
            return self._classify(*next(iter(error.recipients.values())))
        except smtplib.SMTPDataError as error:
            return self._classify(error.smtp_code, error.smtp_error)
        except AnymailRequestsAPIError as error:
            fault = f"HTTP {error.status_code}" if error.status_code in PROVIDER_REFUSES else ""
            return Postponed(_short(error), error.status_code not in ONE_MAIL_REFUSED, fault)
        except smtplib.SMTPResponseException as error:
            # The sender, the password or this machine is refused, which concerns every mail.
            self._reconnect()
            answer = _answer(error.smtp_code, error.smtp_error)
            return Postponed(answer, server_is_down=True, fault=_fault(error.smtp_code, answer))
        except (OSError, smtplib.SMTPException) as error:
            # Before ValueError, which a bad certificate is as well.
            self._reconnect()
            is_ours = isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError)
            return Postponed(_short(error), server_is_down=True, fault=type(error).__name__ if is_ours else "")
        except AnymailRecipientsRefused as error:
            return Refused(_short(error))
        except ValueError as error:
            if not _is_canonical(email.to[0]):
                return Refused(_short(error))
            # The sender, for example.
            return Postponed(_short(error), server_is_down=False, fault=type(error).__name__)
        status = getattr(email, "anymail_status", None)
        return Accepted(provider_id=(status and status.message_id) or "")

    def _classify(self, code: int, text: bytes | str) -> Answer:
        answer = _answer(code, text)
        if code not in PERMANENT:
            self._reconnect()
        elif is_about_the_mailbox(answer):
            return Refused(answer)
        return Postponed(answer, server_is_down=False, fault=_fault(code, answer))

    def _reconnect(self) -> None:
        self.__exit__()
        self._connection = get_connection()


def _answer(code: int, text: bytes | str) -> str:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    return _storable(f"{code} {said}")


def _fault(code: int, answer: str) -> str:
    """Empty unless the reply is permanent. Without its words, which differ from one mail to the next."""
    return f"{code} {status_in(answer)}".rstrip() if code in PERMANENT else ""


def _is_canonical(address: str) -> bool:
    try:
        return canonical_address(address) == address
    except InvalidAddress:
        return False


def _short(error: BaseException) -> str:
    return _storable(f"{type(error).__name__}: {error}")


def _storable(text: str) -> str:
    """PostgreSQL stores no NUL."""
    return text.replace("\0", "")[:LONGEST_ANSWER]
