"""Machines whose clocks differ, and the two nights when the clock of Paris is set (AVL-07)."""

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab
from django.utils import timezone

from config.celery import app
from tests.factories import pending_account
from tests.faults.machine import NEEDS_MACHINE, Machine
from tests.mail_delivery import text_of
from tests.stack import wait_until

PARIS = ZoneInfo("Europe/Paris")
ANOTHER_TIME = Path(__file__).with_name("shifted_clock")
APART = timedelta(seconds=180)


def clock(offset: timedelta) -> dict[str, str]:
    return {"PYTHONPATH": str(ANOTHER_TIME), "CLOCK_OFFSET": str(offset.total_seconds())}


def next_midnight() -> datetime:
    tomorrow = timezone.localdate(timezone=PARIS) + timedelta(days=1)
    return datetime.combine(tomorrow, time(), tzinfo=PARIS)


class TestApart:
    pytestmark = NEEDS_MACHINE

    def test_a_link_made_on_one_machine_opens_on_the_other(self, machine: Machine):
        """AVL-07: the worker's clock is 180 s behind that of the web, then as far ahead, where the next day has begun."""
        shortly_before_midnight = next_midnight() - timezone.now() - APART / 2
        machine.stop("web")
        machine.overrides = clock(shortly_before_midnight)
        machine.start_web()
        wait_until(machine.web_is_ready, machine.log("web"))
        for worker_ahead in (-APART, APART):
            machine.stop("worker")
            machine.overrides = clock(shortly_before_midnight + worker_ahead)
            machine.restart_worker()
            browser, link = machine.browser(), mailed_link(machine)
            opened = browser.ask(link)
            assert opened.status == 302, worker_ahead
            assert browser.ask(opened.location).status == 200, worker_ahead


def mailed_link(machine: Machine) -> str:
    person, before = pending_account(), len(machine.catcher.messages)
    assert machine.browser().ask("/premiere-connexion/", {"login": person.login}).status == 302
    mail = machine.catcher.wait_for(before + 1, timeout=30)[-1]
    found = re.search(r"(/activation/[\w-]{97}/)\s*$", text_of(mail), re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_every_job_of_the_night_runs_exactly_once(day, time_machine):
    """AVL-07: also one at 02:30, an hour that is not there in March and is there twice in October."""
    ours = {name: entry["schedule"] for name, entry in app.conf.beat_schedule.items()}
    jobs = {name: schedule for name, schedule in ours.items() if isinstance(schedule, crontab)}
    jobs["at-half-past-two"] = crontab(hour="2", minute="30", app=app)
    assert len(jobs) >= 4
    noon_before = datetime.combine(datetime.fromisoformat(day) - timedelta(days=1), time(12), tzinfo=PARIS)
    time_machine.move_to(noon_before, tick=False)
    last_run = {name: app.now() for name in jobs}
    runs: dict[str, list[str]] = {name: [] for name in jobs}
    for minute in range(24 * 60):
        time_machine.move_to(noon_before.astimezone(UTC) + timedelta(minutes=minute), tick=False)
        for name, job in jobs.items():
            if job.is_due(last_run[name]).is_due:
                last_run[name] = app.now()
                runs[name].append(f"{app.now():%H:%M}")

    assert {name: len(times) for name, times in runs.items()} == dict.fromkeys(jobs, 1)
    assert runs["purge"] == ["03:17"]
