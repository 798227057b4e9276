"""What logs must not say."""

import logging
import re

# The secret of a mailed link: no other word of a log line is that long (TOK-09, LOG-02).
LINK_SECRET = re.compile(r"[\w-]{40,}")


class WithoutLinkSecrets(logging.Filter):
    """Masks the secrets of links, which Django's own lines about a path would tell."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the line when it holds one; never drop it."""
        message = record.getMessage()
        if LINK_SECRET.search(message):
            record.msg, record.args = LINK_SECRET.sub("…", message), ()
        return True
