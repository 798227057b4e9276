"""No secret in the repository, its history or an error page; no real address in tests (SUP-02)."""

import math
import os
import re
import subprocess
from collections import Counter
from hashlib import sha256

import pytest
from django.test import Client

from tests.project import PROJECT

#: As their issuers document them.
SHAPES = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16,}",
    "key of a cloud": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b",
    "token of a forge": r"\b(?:gh[pousr]_\w{36}|github_pat_\w{22,}|glpat-[\w-]{20})",
    "token of a mail or payment provider": r"\bSG\.[\w-]{22}\.[\w-]{43}|\bkey-[0-9a-f]{32}\b|\b[sr]k_live_\w{24}",
    "token of a chat": r"\bxox[abeprs]-[\w-]{10,}",
    "JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    # Not the examples of documents and tests.
    "password in an address": r"\b[a-z][a-z0-9+]*://[^\s/:@\"'`<>{}()]*:"
    r"(?!(?:password|secret|sec|in-a-file|p|p%40ss|s%40cret|p%3A%2F%40|\*+)@)[^\s@\"'`<>{}/$]+@[\w.-]+",
    "hexadecimal digits": r"(?<![\w:])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{32,}(?!\w)",
    "random letters and digits": r"(?<![\w/+=:-])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])"
    r"[\w+/-]{32,}={0,2}(?![\w/+-])",
}
#: Bits for each character; words and paths have less, generated tokens have more.
LEAST_ENTROPY = {"random letters and digits": 4.2, "hexadecimal digits": 3.0}
#: Reviewed: digits in a row, the script in a hostile address, the path of a backup, the example key of the specification
#: of Standard Webhooks.
REVIEWED = ("0123456789abcdef" * 2, "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "/srv/backups/portail-20261130T021700Z")
REVIEWED += ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)
#: Generated, full of digests; and the certificate of a deleted test.
EXCLUDED = (":!requirements*.txt", ":!tests/outbox/self_signed.pem")
EXAMPLES = re.compile(
    r"(?i)(?:.*\.)?(?:example|exemple|test|invalid|localhost|(?:example|exemple)\.[a-z]+|univ-exemple\.fr|univ-x\.fr)"
)
ADDRESS = re.compile(r"([\w.+'-]+)@((?:[\w-]+\.)+[a-z]{2,})\b", re.IGNORECASE)
# A first name alone, where a test is about domains.
FIRST_NAME = re.compile(r"[\w]{1,9}|quelqu\.un")


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, timeout=120)
    if done.returncode:
        pytest.skip(f"WITHOUT GIT THE HISTORY IS NOT SCANNED: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode("utf-8", "replace")


def entropy(text: str) -> float:
    counts = Counter(text)
    return -sum(times / len(text) * math.log2(times / len(text)) for times in counts.values())


def secrets_in(text: str) -> set[str]:
    """Kind and digest, not the secret: the report must not leak it."""
    return {
        f"{kind}, SHA-256 {sha256(match[0].encode()).hexdigest()[:16]}"
        for kind, shape in SHAPES.items()
        for match in re.finditer(shape, text)
        if match[0] not in REVIEWED and entropy(match[0]) >= LEAST_ENTROPY.get(kind, 0)
    }


@pytest.mark.processes
def test_no_file_holds_a_secret_or_the_address_of_a_real_person():
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", *EXCLUDED).split("\0")
    texts = {name: (PROJECT / name).read_text(errors="replace") for name in names if (PROJECT / name).is_file()}
    texts = {name: text for name, text in texts.items() if "\0" not in text}
    assert {name: found for name, text in texts.items() if (found := secrets_in(text))} == {}
    addresses = {(name, *address.groups()) for name, text in texts.items() for address in ADDRESS.finditer(text)}
    assert [each for each in addresses if not EXAMPLES.fullmatch(each[2]) and not FIRST_NAME.fullmatch(each[1])] == []


@pytest.mark.slow
@pytest.mark.processes
def test_no_commit_added_a_secret():
    options = ("--all", "--patch", "--unified=0", "--no-color", "--no-textconv", "--no-ext-diff")
    lines = git("log", *options, "--", ".", *EXCLUDED).split("\n")
    added = "\n".join(line[1:] for line in lines if line.startswith("+") and not line.startswith("+++"))
    assert secrets_in(added) == set()


@pytest.mark.django_db
def test_no_error_page_prints_a_setting(settings):
    """SUP-02: nor the environment of the process."""
    settings.ROOT_URLCONF = "tests.config.test_answers"
    hidden = {settings.SECRET_KEY, settings.DATABASES["default"]["PASSWORD"], settings.REDIS_URL, os.environ["PATH"]}
    browser = Client(raise_request_exception=False)
    for path, status in (("/panne/", 500), ("/interdit/", 403), ("/nulle-part/", 404)):
        answer = browser.get(path)
        assert (answer.status_code, [one for one in hidden if one in answer.content.decode()]) == (status, []), path
