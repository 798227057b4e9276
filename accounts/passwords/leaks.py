"""Have I Been Pwned (HIBP_ENABLED), by k-anonymity: only the first five of the forty hex digits of a SHA-1 are sent."""

import hashlib
import logging
import time
from http.client import HTTPException, HTTPResponse
from urllib.request import Request, urlopen

logger = logging.getLogger(__name__)

RANGE_URL = "https://api.pwnedpasswords.com/range/"
PREFIX_LENGTH = 5
#: In total: the user is waiting for the page.
TIMEOUT_SECONDS = 2.0
MAX_RESPONSE_BYTES = 1_000_000
CHUNK_BYTES = 16_384


def is_leaked(password: str) -> bool:
    """False when the service fails or takes more than two seconds."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    try:
        suffixes = _leaked_suffixes(digest[:PREFIX_LENGTH])
    except (OSError, HTTPException, ValueError) as error:
        logger.warning("The leaked-password service did not answer (%s): password let through", type(error).__name__)
        return False
    return digest[PREFIX_LENGTH:] in suffixes


def _leaked_suffixes(prefix: str) -> set[str]:
    # Padding hides the length of the response from an observer of the network; padded lines have a count of 0.
    headers = {"Add-Padding": "true", "User-Agent": "portail-compte"}
    request = Request(RANGE_URL + prefix, headers=headers)  # noqa: S310 -- the scheme is in RANGE_URL
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 -- the same
        lines = _read_until(response, deadline).decode("ascii").split()
    return {suffix.upper() for suffix, _colon, count in (line.partition(":") for line in lines) if int(count) > 0}


def _read_until(response: HTTPResponse, deadline: float) -> bytes:
    """The socket's timeout alone would accept an endless slow response."""
    received = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        received += chunk
        if time.monotonic() > deadline or len(received) > MAX_RESPONSE_BYTES:
            raise TimeoutError("the response is too long or too slow")
    return bytes(received)
