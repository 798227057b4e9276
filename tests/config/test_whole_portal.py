"""Every scheduled task and the commands of the whole portal run, in this process."""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection

from accounts.enums import State
from accounts.models import Account
from config.celery import app
from monitoring.checks import check_former_keys, check_time_limits, last_day_of_links
from tests.outbox.messages import invitation
from tests.project import PROJECT

pytestmark = pytest.mark.django_db


def test_each_scheduled_task_does_its_work(mail_server):
    app.loader.import_default_modules()
    message = invitation()
    for entry in app.conf.beat_schedule.values():
        app.tasks[entry["task"]].apply(throw=True)
    assert message.address in [mail["To"] for mail in mail_server.messages]


def test_the_demonstration_imports_activates_and_locks_once(settings):
    settings.DEVELOPMENT = True
    for _ in range(2):
        call_command("load_demo")
    states = Counter(account.state for account in Account.objects.filter(hr_id__startswith="DEMO"))
    assert (states[State.ACTIVE], states[State.LOCKED], bool(states[State.PENDING])) == (2, 1, True)


def test_a_connection_without_time_limits_is_warned_of():
    """AVL-06"""
    assert check_time_limits(databases=["default"]) == check_time_limits(databases=None) == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
    assert [warning.id for warning in check_time_limits(databases=["default"])] == ["monitoring.W001"]


def test_former_keys_stay_as_long_as_a_link_that_they_signed(settings):
    """The longest link, of reminders, is valid for ninety days and more; the documentation said two."""
    changed = date(2026, 11, 30)
    days = (last_day_of_links(changed) - changed).days + 1
    assert f"after {days} days" in (PROJECT / "docs/operations.md").read_text()
    found = []
    for keys, day, now in (
        *(([], None, changed), (["k" * 50], None, changed)),
        *((["k" * 50], changed, changed + timedelta(days=late)) for late in (0, days - 1, days)),
    ):
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY_CHANGED_ON = keys, day
        with time_machine.travel(datetime(now.year, now.month, now.day, 12)):
            found.append("".join(message.id.removeprefix("monitoring.") for message in check_former_keys()))
    assert found == ["", "W002", "I001", "I001", "W003"]
