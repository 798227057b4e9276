"""The online list of leaked passwords, for universities that switch it on (HIBP_ENABLED).

Only the first five of the forty figures of the password's SHA-1 leave the portal; some 800 leaked passwords share them.
"""

import hashlib
import logging
import time
from http.client import HTTPException, HTTPResponse
from urllib.request import Request, urlopen

logger = logging.getLogger(__name__)

RANGE_URL = "https://api.pwnedpasswords.com/range/"
PREFIX_LENGTH = 5
#: The person is waiting for the page.
TIMEOUT_SECONDS = 2.0
LONGEST_ANSWER = 1_000_000
CHUNK = 16_384


def is_leaked(password: str) -> bool:
    """Whether the service knows the password. A service that fails, or takes more than two seconds, knows nothing."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    try:
        suffixes = _leaked_suffixes(digest[:PREFIX_LENGTH])
    except (OSError, HTTPException, ValueError) as error:
        logger.warning("The leaked-password service did not answer (%s): password let through", type(error).__name__)
        return False
    return digest[PREFIX_LENGTH:] in suffixes


def _leaked_suffixes(prefix: str) -> set[str]:
    # Padding hides, from who watches the line, how many passwords share the prefix; padded lines count 0.
    headers = {"Add-Padding": "true", "User-Agent": "portail-compte"}
    request = Request(RANGE_URL + prefix, headers=headers)  # noqa: S310 -- the scheme is in RANGE_URL
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 -- the same
        lines = _read_until(answer, deadline).decode("ascii").split()
    return {suffix.upper() for suffix, _colon, count in (line.partition(":") for line in lines) if int(count) > 0}


def _read_until(answer: HTTPResponse, deadline: float) -> bytes:
    """The whole answer; the socket's own timeout would let a slow one drip for ever."""
    received = bytearray()
    while chunk := answer.read1(CHUNK):
        received += chunk
        if time.monotonic() > deadline or len(received) > LONGEST_ANSWER:
            raise TimeoutError("the answer is too long or too slow")
    return bytes(received)
