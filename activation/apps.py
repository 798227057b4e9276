from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class ActivationConfig(AppConfig):
    name = "activation"

    def ready(self) -> None:
        from activation.charter.gate import check_charter_at_login
        from activation.models import LinkRequest
        from privacy.export import register_source

        register_source("link_requests", lambda account: LinkRequest.objects.filter(login=account.login))
        user_logged_in.connect(check_charter_at_login, dispatch_uid="activation.charter.gate")
