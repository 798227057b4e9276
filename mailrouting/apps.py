"""Wires mailboxes and their forwarding to what happens to accounts."""

from django.apps import AppConfig


class MailroutingConfig(AppConfig):
    """Mailboxes and their forwarding."""

    name = "mailrouting"

    def ready(self) -> None:
        """Stop the forwarding of whoever is released: an intruder may have set it (HLP-06). Open the mailbox of whoever
        becomes a member of staff after their activation."""
        from accounts.signals import account_unlocked, accounts_updated
        from mailrouting.services import create_mailboxes_of_updated, remove_redirection_of_unlocked

        account_unlocked.connect(remove_redirection_of_unlocked, dispatch_uid="mailrouting.remove_redirection")
        accounts_updated.connect(create_mailboxes_of_updated, dispatch_uid="mailrouting.open_mailboxes")
