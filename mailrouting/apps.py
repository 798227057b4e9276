from django.apps import AppConfig


class MailroutingConfig(AppConfig):
    name = "mailrouting"

    def ready(self) -> None:
        from accounts.signals import account_unlocked, accounts_updated
        from mailrouting.services import create_mailboxes_of_updated, remove_redirection_of_unlocked

        account_unlocked.connect(remove_redirection_of_unlocked, dispatch_uid="mailrouting.remove_redirection")
        accounts_updated.connect(create_mailboxes_of_updated, dispatch_uid="mailrouting.open_mailboxes")
