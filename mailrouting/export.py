"""CSV of mailboxes and their forwarding, for the mail server."""

from collections.abc import Iterator

from django.db.models import OuterRef, Subquery

from core.csv import Writable, write_rows
from mailrouting.models import Mailbox, Redirection

#: Mailboxes held in memory at a time.
BATCH = 2_000
#: Names of the attributes they become (SupAnn); `keepCopy` is ours.
COLUMNS = ("uid", "mail", "mailForwardingAddress", "keepCopy")


def write_redirections(file: Writable) -> int:
    """Write every mailbox, ordered by address, as CSV with semicolons. Returns their number.

    `mailForwardingAddress` is empty unless the forwarding is in force: while the address waits, after a lock or the
    last day, or when the settings refuse it, mail stays in the mailbox. `keepCopy` is FALSE where none of it does.
    """
    return write_rows(file, COLUMNS, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    in_force = Redirection.objects.in_force().filter(account=OuterRef("account"))
    mailboxes = Mailbox.objects.annotate(
        target=Subquery(in_force.values("target")), is_copied=Subquery(in_force.values("keep_copy"))
    )
    rows = mailboxes.order_by("address").values_list("account__uid", "address", "target", "is_copied")
    for uid, address, target, is_copied in rows.iterator(chunk_size=BATCH):
        yield (uid, address, target or "", "FALSE" if is_copied is False else "TRUE")
