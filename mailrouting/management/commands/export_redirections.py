"""`manage.py export_redirections [--output FILE]`: what the mail server is fed with."""

from accounts.management.base import ExportCommand
from mailrouting.export import write_redirections


class Command(ExportCommand):
    help = "Écrit les boîtes universitaires pour le serveur de messagerie, avec les redirections en vigueur."
    write_list = staticmethod(write_redirections)
