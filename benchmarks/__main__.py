"""`make bench`: runs every measurement, or those named, and prints a line or more for each."""

import os
import sys
from importlib import import_module

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LOG_LEVEL", "ERROR")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django first

from benchmarks import MEASUREMENTS  # noqa: E402


def main(names: list[str]) -> None:
    call_command("migrate", verbosity=0)
    for name in sorted(names or MEASUREMENTS, key=MEASUREMENTS.index):
        print(import_module(f"benchmarks.{name}").measure(), flush=True)


main(sys.argv[1:])
