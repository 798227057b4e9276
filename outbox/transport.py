"""Handing mails to the mail server or provider, and reading its answer."""

import re
import smtplib
from dataclasses import dataclass

from anymail.exceptions import AnymailInvalidAddress, AnymailRecipientsRefused, AnymailRequestsAPIError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

# RFC 5321 §4.2.1: 5yz is a permanent negative reply.
PERMANENT = range(500, 600)
# RFC 3463 §3.8, of a recipient: "relay access denied", "client host rejected". One wrong line in the configuration of a
# relay says so of thousands of good addresses.
ABOUT_US = re.compile(rb"\b5\.7\.\d")
# What providers answer over HTTP when it is this mail that they do not want; other errors are about us or about them.
MAIL_NOT_WANTED = {400, 413, 422}
LONGEST_ANSWER = 500


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the mail; `provider_id` is its name for it, when it gives one."""

    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """This mail will never be taken: trying again would annoy the server and help nobody."""

    answer: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """Not now. `server_is_down` when no other mail would get through either."""

    answer: str
    server_is_down: bool


Answer = Accepted | Refused | Postponed


class SMTPTransport:
    """One connection to the mail server, kept for a batch. Use it as a context manager."""

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
        """Give one mail to the server and say what it answered; never raises for what a server or an address can do."""
        try:
            self._connection.open()
            email.connection = self._connection
            email.send()
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            if ABOUT_US.search(text):
                return Postponed(_answer(code, text), server_is_down=False)
            return self._judged(code, text)
        except smtplib.SMTPDataError as error:
            return self._judged(error.smtp_code, error.smtp_error)
        except AnymailRequestsAPIError as error:
            wanted = error.status_code not in MAIL_NOT_WANTED
            return Postponed(_short(error), server_is_down=True) if wanted else Refused(_short(error))
        except (OSError, smtplib.SMTPException) as error:
            # A refused sender too: that is about us, so no other mail would get through, and none may be lost. Before
            # the next clause, because a certificate that does not hold is a ValueError as well.
            self._reconnect()
            return Postponed(_short(error), server_is_down=True)
        except (AnymailInvalidAddress, AnymailRecipientsRefused, ValueError) as error:
            return Refused(_short(error))
        status = getattr(email, "anymail_status", None)
        return Accepted(provider_id=(status and status.message_id) or "")

    def _judged(self, code: int, text: bytes | str) -> Answer:
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
    """What the column takes: PostgreSQL has no NUL in texts."""
    return text.replace("\0", "")[:LONGEST_ANSWER]
