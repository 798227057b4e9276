"""Eight processes that run one task for the same rows at the same instants: `python -m tests.faults.concurrent_send 1 2 3`."""

import multiprocessing
import os
import sys
from multiprocessing.synchronize import Barrier

import django
from django.urls import reverse

PROCESSES = 8


def work(rows: list[int], together: Barrier) -> None:
    from outbox.tasks import send_message

    for row in rows:
        together.wait(30)
        send_message(row)


def main(*rows: str) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    reverse("alive")  # all addresses are read once, before there are eight
    context = multiprocessing.get_context("fork")
    together = context.Barrier(PROCESSES)
    processes = [context.Process(target=work, args=([int(row) for row in rows], together)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return int(any(process.exitcode for process in processes))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
