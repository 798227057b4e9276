from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.auth.sessions import record_session_start

        user_logged_in.connect(record_session_start, dispatch_uid="accounts.record_session_start")
