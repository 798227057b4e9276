from django.contrib.auth.backends import ModelBackend

from accounts.models import Account
from core.compiled_query import CompiledQuery

ACCOUNT_WITH_LOCK = CompiledQuery(lambda pk: Account.objects.with_lock().filter(pk=pk))


class AccountBackend(ModelBackend):
    """Loads the account of a session. Its state is read on each request, so that a lock ends sessions at once."""

    def authenticate(self, *args: object, **kwargs: object) -> None:
        """Always refuses: login goes through `accounts.auth.login`, its rate limits and its journal."""

    def get_user(self, user_id: int) -> Account | None:
        account = ACCOUNT_WITH_LOCK.first(user_id)
        return account if account is not None and account.is_active else None
