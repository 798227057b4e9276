"""What a permanent reply of a mail server is about: the reader's mailbox, or what the portal sends and from where.

RFC 3463 gives a status for it. Many servers have none, or one that says no more than "other"; then their words decide.
What cannot be told is about the portal: it only costs a delay, while a refusal ends a mail for good.
"""

import re

# RFC 5321 §4.2.1: 5yz is a permanent negative reply.
PERMANENT = range(500, 600)
# Also where qmail has it, at the end: (#5.1.1).
STATUS = re.compile(r"(?<![\d.])5\.\d{1,3}\.\d{1,3}(?!\.?\d)")
# Unknown, unknown domain, syntax, moved, null MX; disabled, full; 5.4.1 is Microsoft's word for unknown. Not 5.1.7 and
# 5.1.8, which are about the sender, nor 5.2.3, a mail that is too large.
MAILBOX_STATUS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.2.2", "5.4.1"}
VAGUE_STATUS = {"", "5.0.0", "5.1.0", "5.2.0", "5.5.0"}
ADDRESS = re.compile(r"<[^>]*>|\S+@\S+")
ABOUT_THE_MAILBOX = re.compile(
    r"(unknown|no such|invalid|inactive|disabled) (\w+ )?(user|recipient|mailbox|account|address)"
    r"|(user|recipient|mailbox|account|address)( \w+)?( is| was)? "
    r"(unknown|not found|unavailable|invalid|inactive|disabled|full|does not exist|doesn.t exist)"
    r"|recipient address rejected|no mailbox here|user not local|unrouteable address|over quota|utilisateur inconnu",
    re.IGNORECASE,
)
ABOUT_THE_PORTAL = re.compile(
    r"relay|sender|spf|dkim|dmarc|spam|virus|content|black ?list|block|policy|denied|authenti|reputation"
    r"|size|too (large|big|many)|helo|client host",
    re.IGNORECASE,
)


def is_about_the_mailbox(reply: str) -> bool:
    """Whether a 5yz reply refuses the reader's mailbox, so that no other attempt can succeed."""
    status = status_in(reply)
    if status not in VAGUE_STATUS:
        return status in MAILBOX_STATUS
    words = ADDRESS.sub("", reply)
    return bool(ABOUT_THE_MAILBOX.search(words)) and not ABOUT_THE_PORTAL.search(words)


def status_in(reply: str) -> str:
    found = STATUS.search(reply)
    return found[0] if found else ""
