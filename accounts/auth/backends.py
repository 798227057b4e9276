"""Django's door to accounts: the state is read again on each request, so that a lock ends sessions at once (SES-05)."""

from django.contrib.auth.backends import ModelBackend

from accounts.models import Account
from core.compiled_query import CompiledQuery

WITH_LOCK = CompiledQuery(lambda pk: Account.objects.with_lock().filter(pk=pk))


class AccountBackend(ModelBackend):
    """Accounts sign in through `accounts.auth.login`; here they are only found again."""

    def authenticate(self, *args: object, **kwargs: object) -> None:
        """Nobody signs in behind the back of `accounts.auth.login`, its limits and its journal."""

    def get_user(self, user_id: int) -> Account | None:
        """The account of a session, while it may be signed in."""
        account = WITH_LOCK.first(user_id)
        return account if account is not None and account.is_active else None
