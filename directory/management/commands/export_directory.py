"""`manage.py export_directory [--output FILE]`: what the university's own directory is fed with."""

from accounts.management.base import ExportCommand
from directory.export import write_directory


class Command(ExportCommand):
    help = "Écrit les comptes actifs pour l’annuaire LDAP, avec leur choix de parution (supannListeRouge)."
    write_list = staticmethod(write_directory)
