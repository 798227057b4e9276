"""`manage.py export_directory [--output FILE]`: what the university's own directory is fed with."""

from accounts.command_line import ExportCommand, Writable
from directory.export import write_directory


class Command(ExportCommand):
    """The list for the LDAP (PRV-02)."""

    help = "Écrit les comptes actifs pour l’annuaire LDAP, avec leur choix de parution (supannListeRouge)."

    def write_list(self, file: Writable) -> int:
        """Everybody whose account is active."""
        return write_directory(file)
