"""Carries accounts to the services outside, compares them, looks whether all that is needed is there."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.locking.lock import accounts_by_name
from provisioning.apply import mark, write_due
from provisioning.comparison import Drift, differences_of, record_drift
from provisioning.connector import Connector, TargetDown
from provisioning.enums import Urgency
from provisioning.models import Replica, Target
from provisioning.targets import connectors, synchronise_targets

DRIFT, COULD_NOT_LOOK = 1, 2
SIGNS = {True: "ok     ", False: "WRONG  ", None: "warning"}


class Command(BaseCommand):
    help = "Write waiting accounts to the linked services; --check compares, --probe looks whether all is there."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--all", action="store_true", help="write every account again")
        scope.add_argument("--account", metavar="LOGIN", help="write this account again: login or short name")
        scope.add_argument("--check", action="store_true", help="name what differs; exit 1 when there is any")
        scope.add_argument("--probe", action="store_true", help="look whether all that is needed is there")
        parser.add_argument("--target", choices=[*connectors()], help="only this service")
        parser.add_argument("--dry-run", action="store_true", help="name what would be written")
        parser.add_argument("--repair", action="store_true", help="with --check: write what differs")
        parser.add_argument("--report", type=Path, metavar="FILE", help="with --check: also as CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {name: one for name, one in connectors().items() if options["target"] in (None, name)}
        if not chosen:
            raise CommandError("No service is linked (docs/provisioning.md).")
        if (options["repair"] or options["report"]) and not options["check"]:
            raise CommandError("--repair and --report go with --check.")
        synchronise_targets()
        try:
            if options["probe"]:
                self.probe(chosen)
            elif options["check"]:
                self.check_targets(chosen, repair=options["repair"], report=options["report"])
            else:
                self.write(chosen, **options)
        except TargetDown as failure:
            raise CommandError(f"The service cannot be looked at: {failure}", returncode=COULD_NOT_LOOK) from failure

    def probe(self, chosen: dict[str, type[Connector]]) -> None:
        """Raises CommandError when one thing is wrong."""
        all_right = True
        for name, connector in chosen.items():
            with connector() as opened:
                for finding in opened.probe():
                    self.stdout.write(f"{name}: {SIGNS[finding.is_right]} {finding.text}")
                    all_right = all_right and finding.is_right is not False
        if not all_right:
            raise CommandError("Not all is there.")

    def check_targets(self, chosen: dict[str, type[Connector]], *, repair: bool, report: Path | None) -> None:
        """Raises CommandError on drift."""
        found = [(name, drift) for name, connector in chosen.items() for drift in self.compare(name, connector)]
        if report:
            with report.open("w", encoding="utf-8", newline="") as file:
                write_report(file, found)
        if repair and found:
            for name, connector in chosen.items():
                self.write_again(name, connector, [drift.account_id for target, drift in found if target == name])
            found = [(name, drift) for name, connector in chosen.items() for drift in self.compare(name, connector)]
        if found:
            raise CommandError(f"{len(found)} differ.", returncode=DRIFT)

    def compare(self, name: str, connector: type[Connector]) -> list[Drift]:
        found = record_drift(target_name=name, connector=connector)
        self.stdout.writelines(f"{name}: {drift.uid}: {', '.join(drift.names)}\n" for drift in found)
        return found

    def write(self, chosen: dict[str, type[Connector]], **options: Any) -> None:
        for name, connector in chosen.items():
            ids = self.accounts(name, **options)
            if options["dry_run"]:
                for drift in differences_of(target_name=name, connector=connector, ids=ids):
                    self.stdout.write(f"{name}: {drift.uid}: {', '.join(drift.names)}")
            else:
                self.write_again(name, connector, ids if options["all"] or options["account"] else [])

    def accounts(self, name: str, **options: Any) -> list[int]:
        """Raises CommandError for an unknown account."""
        if options["account"]:
            found = accounts_by_name([options["account"]])
            if not found:
                raise CommandError(f"No account is called {options['account']}.")
            return [account.pk for account in found.values()]
        replicas = Replica.objects.filter(target=name)
        waiting = replicas if options["all"] else replicas.waiting()
        return list(waiting.values_list("account_id", flat=True))

    def write_again(self, name: str, connector: type[Connector], ids: Iterable[int | None]) -> None:
        mark([pk for pk in ids if pk is not None], urgency=Urgency.PERSON)
        while write_due(target_name=name, connector=connector):
            pass
        target = Target.objects.get(name=name)
        if target.down_since:
            raise TargetDown(target.answer)
        left = Replica.objects.filter(target=name).exclude(status="done").count()
        self.stdout.write(f"{name}: {left} left to write.")


def write_report(file: TextIO, found: list[tuple[str, Drift]]) -> None:
    writer = csv.writer(file)
    writer.writerow(["target", "uid", "what differs"])
    writer.writerows([name, drift.uid, " ".join(drift.names)] for name, drift in found)
