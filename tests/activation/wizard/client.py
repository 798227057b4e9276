"""Answers to the steps of the wizard, without waiting for a mail."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from accounts.models import Account
from activation.links import activation_link
from activation.models import Charter
from activation.services import accept_charter
from directory.services import record_directory_consent
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import decline_redirection
from tests.factories import A_GOOD_PASSWORD

Answers = dict[str, Any]

CHARTER, DIRECTORY, MAILBOX = "activation-charter", "activation-directory", "activation-mailbox"
VERIFICATION, PASSWORD = "activation-verification", "activation-password"
USUAL = {DIRECTORY: {"listed": "no", "understood": "on"}, PASSWORD: {"password": A_GOOD_PASSWORD}}
STEPS = (CHARTER, DIRECTORY, MAILBOX, VERIFICATION, PASSWORD)


def link_to(person: Account, *, built_at: datetime | None = None) -> str:
    """The path of a link as a mail built at that moment would hold it."""
    deadline = activation_link.deadline(built_at or timezone.now())
    return reverse("activation-link", args=[activation_link.token(person, deadline)])


def charter_answer() -> Answers:
    return {"version": Charter.objects.in_force().version, "accepted": "on"}


def begin(client: Client, person: Account) -> None:
    """Open the link and press the button of the first page."""
    client.get(link_to(person))
    client.post(reverse("activation"))


def good_answer(step: str) -> Answers:
    """What most people answer: yes to the charter, no to the rest."""
    return charter_answer() if step == CHARTER else USUAL.get(step, {})


def answer(client: Client, step: str, answers: Answers | None = None) -> HttpResponse:
    return client.post(reverse(step), good_answer(step) if answers is None else answers)


def begun_until(client: Client, person: Account, step: str) -> None:
    """Stand before `step`, everything earlier answered."""
    begin(client, person)
    for earlier in STEPS[: STEPS.index(step)]:
        if earlier != VERIFICATION:
            answer(client, earlier)


def activate(person: Account) -> None:
    """In a browser of its own."""
    browser = Client()
    begun_until(browser, person, PASSWORD)
    answer(browser, PASSWORD)


def answered_until(person: Account, step: str, *, but: str = "") -> None:
    """Everything before `step` answered, or all of it but one step, without a browser."""
    before = {each for each in STEPS[: STEPS.index(step)] if each != but}
    if CHARTER in before:
        accept_charter(account=person, charter=Charter.objects.in_force())
    if DIRECTORY in before:
        record_directory_consent(account=person, listed=False, wording="?")
    if MAILBOX in before:
        decline_redirection(account=person)


def accepted_by(person: Account) -> list[str]:
    """The versions of the charter, in order."""
    return list(person.charter_acceptances.order_by("pk").values_list("charter__version", flat=True))


def forward_to(target: str, *, keep_copy: bool = True) -> Answers:
    return {"forward": "on", "target": target, **({"keep_copy": "on"} if keep_copy else {})}


def everything_about(person: Account) -> dict[str, Any]:
    """Every row that the activation could have written for the person."""
    related = ("charter_acceptances", "directory_consents", "journal", "messages", "locks")
    rows = {name: list(getattr(person, name).order_by("pk").values()) for name in related}
    rows |= {model.__name__: list(model.objects.filter(account=person).values()) for model in (Redirection, Mailbox)}
    return {"account": Account.objects.filter(pk=person.pk).values().get(), **rows}


def everything_stored() -> str:
    """Every row of every table, and every string in Redis."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')
            found += [row[0] for row in cursor.fetchall()]
    with Redis.from_url(settings.REDIS_URL) as redis:
        found += [str(key) for key in redis.scan_iter("*")]
        found += [redis.get(key).decode("utf-8", "replace") for key in redis.scan_iter("*", _type="string")]
    return "\n".join(found)


def csrf_of(page: str) -> str:
    return page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
