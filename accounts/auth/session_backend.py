"""Sessions in the database (`SESSION_ENGINE`), each row saying whose it is, on which device, since when.

Not in Redis: a session that was ended while Redis did not answer would come back with it (SES-05).
"""

from datetime import UTC, datetime
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from accounts.models import Account, Session
from core.compiled_query import CompiledQuery
from core.request_context import current_request_context

SESSION_KEY_LENGTH = 32
SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"


KEPT = CompiledQuery(lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now))


class SessionStore(DatabaseStore):
    """Django's database sessions in a table of our own."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Where sessions are kept."""
        return Session

    def _get_session_from_db(self) -> Session | None:
        session = KEPT.first(self.session_key, timezone.now())
        if session is None:
            self._session_key = None
        return session

    def _get_new_session_key(self) -> str:
        # Django asks first whether somebody has it; `create` tries another when the table refuses it.
        return get_random_string(SESSION_KEY_LENGTH, VALID_KEY_CHARS)

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row to save; an anonymous visit names nobody."""
        row = cast(Session, super().create_model_instance(data))
        if SESSION_KEY in data:
            origin = current_request_context()
            row.account_id = int(data[SESSION_KEY])
            row.device, row.client_address = origin.device, origin.client_address
            row.signed_in_at, row.last_seen_at = _moment(data.get(SIGNED_IN_AT)), _moment(data.get(SEEN_AT))
        return row

    def save(self, must_create: bool = False) -> None:
        """Write the row. Raises UpdateError when the session was ended elsewhere, OperationalError when the database
        fails, which Django would call the same: whoever asked would be told that all is well (AVL-06).
        """
        try:
            super().save(must_create=must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    def cycle_key(self) -> None:
        """Go on under a new key; it does not bring back somebody's session that was ended meanwhile (SES-05)."""
        account_id, former_key = self.get(SESSION_KEY), self.session_key
        with transaction.atomic():
            if account_id:
                # As whoever ends the sessions of an account does.
                Account.objects.select_for_update(of=("self",)).get(pk=account_id)
            self.create()
            was_there = former_key is not None and self._remove(former_key)
        if account_id and not was_there:
            self.flush()

    def delete(self, session_key: str | None = None) -> None:
        """End the session, without reading first what is deleted."""
        key = session_key or self.session_key
        if key is not None:
            self._remove(key)

    def _remove(self, key: str) -> bool:
        removed, _by_model = self.model.objects.filter(session_key=key).delete()
        return bool(removed)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
