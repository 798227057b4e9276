from django.apps import AppConfig


class MailroutingConfig(AppConfig):
    name = "mailrouting"

    def ready(self) -> None:
        from accounts.signals import account_unlocked, accounts_started_anew, accounts_updated
        from mailrouting.services import (
            create_mailboxes_of_updated,
            forget_redirections,
            remove_redirection_of_unlocked,
        )

        account_unlocked.connect(remove_redirection_of_unlocked, dispatch_uid="mailrouting.remove_redirection")
        accounts_updated.connect(create_mailboxes_of_updated, dispatch_uid="mailrouting.open_mailboxes")
        accounts_started_anew.connect(forget_redirections, dispatch_uid="mailrouting.forget_redirections")
