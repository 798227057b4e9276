"""`manage.py end_locks_of_system SYSTEM --since … --report …`: the way back after a system's key was stolen."""

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.locking.system_locks import LeftLocked, end_lock_of_system, locks_of_system, why_left_locked
from accounts.locking.unlock import SHORTEST_REPORT

LEFT: Final = {
    LeftLocked.NO_ADDRESS: "sans adresse de secours",
    LeftLocked.ADDRESS_CHANGED: "adresse de secours changée depuis moins de 30 jours avant le blocage",
}


class Command(BaseCommand):
    """One transaction for each account: a run that was interrupted is run again. Names the accounts left to agents."""

    help = (
        "Débloque les comptes qu’un système de sécurité a bloqués\N{NO-BREAK SPACE}; "
        "un lien pour les réactiver part aux personnes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("system", metavar="SYSTÈME", help="son nom dans SECURITY_API_KEYS")
        parser.add_argument("--since", required=True, metavar="DATE", help="2026-11-30T14:00, heure de Paris")
        parser.add_argument("--report", required=True, help="ce qui s’est passé, pour les agents")
        parser.add_argument("--dry-run", action="store_true", help="compte, et ne change rien")

    def handle(self, *args: Any, system: str, since: str, report: str, dry_run: bool, **options: Any) -> None:
        if len(report.strip()) < SHORTEST_REPORT:
            raise CommandError("Écrivez ce qui s’est passé, en 10 caractères au moins.")
        counts: Counter[bool] = Counter()
        locks = locks_of_system(system=system, since=_moment(since)).select_related("account").order_by("pk")
        for lock in locks:
            left = why_left_locked(lock) if dry_run else end_lock_of_system(lock_id=lock.pk, report=report.strip())
            counts[left is None] += 1
            if left is not None:
                self.stdout.write(f"{lock.account.login}\t{LEFT[left]}")
        done = "à débloquer" if dry_run else "débloqués"
        self.stdout.write(f"Comptes {done}\N{NO-BREAK SPACE}: {counts[True]}")
        self.stdout.write(f"Laissés aux agents\N{NO-BREAK SPACE}: {counts[False]}")


def _moment(typed: str) -> datetime:
    """In Paris time unless it has an offset."""
    try:
        moment = parse_datetime(typed)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError("Écrivez le moment ainsi\N{NO-BREAK SPACE}: 2026-11-30T14:00")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
