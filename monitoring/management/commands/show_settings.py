from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Print each environment variable that the portal reads, with the value in force; secrets are masked."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        for name, value in sorted(settings.VARIABLES_IN_FORCE.items()):
            self.stdout.write(f"{name}={value}")
