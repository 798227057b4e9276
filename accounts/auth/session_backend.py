"""`SESSION_ENGINE`: sessions in the database, each row with its account, device and dates.

Not in Redis: a session that was ended during an outage of Redis would be valid again after it.
"""

from datetime import UTC, datetime
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from accounts.models import Account, Session
from core.compiled_query import CompiledQuery
from core.database_errors import is_outage
from core.request_context import current_request_context

SESSION_KEY_LENGTH = 32
SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"

CURRENT_SESSION = CompiledQuery(lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now))


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        session = CURRENT_SESSION.first(self.session_key, timezone.now())
        if session is None:
            self._session_key = None
        return session

    def _get_new_session_key(self) -> str:
        # Without Django's query for an existing key: `create` retries when the table refuses a duplicate.
        return get_random_string(SESSION_KEY_LENGTH, VALID_KEY_CHARS)

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = cast(Session, super().create_model_instance(data))
        if SESSION_KEY in data:
            origin = current_request_context()
            row.account_id = int(data[SESSION_KEY])
            row.device, row.client_address = origin.device, origin.client_address
            row.signed_in_at, row.last_seen_at = (
                _datetime_from(data.get(SIGNED_IN_AT)),
                _datetime_from(data.get(SEEN_AT)),
            )
        return row

    def save(self, must_create: bool = False) -> None:
        """Raises UpdateError when the session was ended elsewhere, and the database's own error when it fails: Django
        raises UpdateError for both, and the response would hide the failure.
        """
        try:
            super().save(must_create=must_create)
        except UpdateError as error:
            if error.__context__ and is_outage(error.__context__):
                raise error.__context__ from None
            raise

    def cycle_key(self) -> None:
        """Change the key without reviving a session of an account that was ended concurrently."""
        account_id, former_key = self.get(SESSION_KEY), self.session_key
        with transaction.atomic():
            if account_id:
                # `accounts.auth.sessions.end_sessions` takes the same lock.
                Account.objects.select_for_update(of=("self",)).get(pk=account_id)
            self.create()
            was_there = former_key is not None and self._remove(former_key)
        if account_id and not was_there:
            self.flush()

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self._remove(key)

    def _remove(self, key: str) -> bool:
        removed, _by_model = self.model.objects.filter(session_key=key).delete()
        return bool(removed)


def _datetime_from(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
