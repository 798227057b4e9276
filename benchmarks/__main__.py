"""`make bench`: runs every measurement on an empty database and prints a line for each."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LOG_LEVEL", "ERROR")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django first

from benchmarks import hr_feed, mails  # noqa: E402

MEASUREMENTS = {"hr_feed": hr_feed.measure, "mails": mails.measure}


def main(names: list[str]) -> None:
    call_command("migrate", verbosity=0)
    for name in names or MEASUREMENTS:
        print(MEASUREMENTS[name](), flush=True)


main(sys.argv[1:])
