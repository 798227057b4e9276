"""Keys of the security systems that may call the API."""

import hashlib
from hmac import compare_digest

from django.conf import settings

#: A shorter key could be guessed from its digest.
SHORTEST_KEY = 32


def system_with_key(key: str) -> str | None:
    """Compares with every key, each in constant time."""
    digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()
    named = [name for name, known in settings.SECURITY_API_KEYS if compare_digest(digest, known)]
    return named[0] if named and len(key) >= SHORTEST_KEY else None
