"""A mail as it goes over SMTP, against Django's own way of writing it."""

import re

import pytest

from outbox.letters import Letter, Written

BOUNDARY = re.compile(rb"={15}\w+==")
DATE = re.compile(rb"\nDate: [^\r]+")
PLAIN = {"subject": "Bonjour", "text": "Bonjour.\n", "html": "<p>Bonjour.</p>\n"}
ODD = {
    "accents": {"subject": "Activez votre compte avant le 15 octobre, 23\u00a0h\u00a059", "text": "À bientôt,\n"},
    "other line ends": {"text": "un\r\ndeux\rtrois\n\nquatre\x0bcinq\x85six\u2028sept", "html": "<p>\r\n</p>"},
    "no end": {"text": "Bonjour", "html": "<p>"},
    "dots": {"text": ".\n..\n. fin\n", "html": "\n.\n"},
    "what looks like a header": {"text": "\nBcc: tous@exemple.net\n\n--frontière\n", "html": "From moi\n"},
    "long subject": {"subject": "é" * 200},
    "long ASCII subject": {"subject": "mot " * 40},
    "long lines": {"text": "é" * 600, "html": "<p>" + "x" * 999},
    "address to be encoded": {"to": "Zoé <zoé@münchen.example>"},
    "emoji": {"subject": "🎓", "html": "<p>🎓</p>"},
}


def letter(*, subject: str, text: str, html: str, to: str = "p@exemple.net") -> Letter:
    headers = {"Message-ID": "<1@exemple.net>", "Auto-Submitted": "auto-generated", "Content-Language": "fr"}
    made = Letter(subject=subject, body=text, to=[to], reply_to=["aide@exemple.net"], headers=headers)
    made.attach_alternative(html, "text/html")
    return made


def bytes_of(message: object) -> bytes:
    """Without what is random, or the hour."""
    return DATE.sub(b"\nDate:", BOUNDARY.sub(b"===", message.as_bytes(linesep="\r\n")))


def test_it_is_byte_for_byte_what_django_writes():
    """EML-01, EML-03: twice, since headers are kept."""
    different = []
    for name, facts in ODD.items():
        for _ in range(2):
            made = letter(**{**PLAIN, **facts})
            if bytes_of(made.message()) != bytes_of(super(Letter, made).message()):
                different.append(name)
    assert different == []
    assert isinstance(letter(**PLAIN).message(), Written)


@pytest.mark.parametrize("header", ["subject", "to"])
def test_a_header_of_two_lines_is_refused(header):
    """EML-03"""
    for end in ("\n", "\r", "\r\n"):
        with pytest.raises(ValueError, match="newlines"):
            letter(**{**PLAIN, header: f"x{end}Bcc: victime@example.org"}).message()
