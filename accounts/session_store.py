"""Sessions in the database (`SESSION_ENGINE`), each row saying whose it is, on which device, since when.

Not in Redis: a session that was ended while Redis did not answer would come back with it (SES-05).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from accounts.models import Session
from accounts.origin import current_origin

SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"


class SessionStore(DatabaseStore):
    """Django's database sessions in a table of our own."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Where sessions are kept."""
        return Session

    def create_model_instance(self, data: Mapping[str, Any]) -> Session:
        """The row to save; an anonymous visit names nobody."""
        row: Session = super().create_model_instance(data)
        if SESSION_KEY in data:
            origin = current_origin()
            row.account_id = int(data[SESSION_KEY])
            row.device, row.client_address = origin.device, origin.client_address
            row.signed_in_at, row.last_seen_at = _moment(data.get(SIGNED_IN_AT)), _moment(data.get(SEEN_AT))
        return row


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
