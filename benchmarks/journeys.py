"""Whole journeys: the activation against the same wizard in django-formtools, with and without the password hash.

The portal's journey has twelve requests and leaves every fact in tables of its own (charter, consent, redirection,
mailbox, journal, mail); that of formtools has seven, keeps the answers in the session and writes one row.
Environment: `BENCH_JOURNEYS`, for each round (32).
"""

import os
import sys
from contextlib import ExitStack
from subprocess import check_call

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from activation.models import Charter
from benchmarks.accounts import A_GOOD_PASSWORD, link_to, newcomers
from benchmarks.reference import WIZARD_ANSWERS
from benchmarks.serving import PROJECT, Measured, Request, Server, Visit, environment_of_servers, medians, portal
from benchmarks.timing import ROUNDS

JOURNEYS = int(os.environ.get("BENCH_JOURNEYS", "32"))
AT_ONCE = 8
TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
#: The cheapest that argon2 allows, a fifth of a millisecond: everything but the hash remains.
NO_HASH = {"ARGON2_MEMORY_KIB": "64"}
REFERENCE = "benchmarks.wizard_settings"


def measure() -> str:
    make_the_table_of_djangos_sessions()
    with ExitStack() as servers:
        sides = {
            "portal": (servers.enter_context(portal()), activations),
            "portal, no hash": (servers.enter_context(portal(**NO_HASH)), activations),
            "formtools": (servers.enter_context(portal(settings_module=REFERENCE)), wizards),
            "formtools, no hash": (servers.enter_context(portal(settings_module=REFERENCE, **NO_HASH)), wizards),
        }
        rounds = [{name: one_round(*side) for name, side in sides.items()} for _ in range(ROUNDS)]
        asking = medians([sides["portal"][0].measure(link_requests(), connections=1) for _ in range(ROUNDS)])
    measured = {name: medians([one[name] for one in rounds]) for name in sides}
    return "\n".join([*comparison(measured), hash_share(measured), link_request_cost(asking), queries()])


def make_the_table_of_djangos_sessions() -> None:
    migrate = [sys.executable, "manage.py", "migrate", "sessions", "-v", "0"]
    check_call(migrate, cwd=PROJECT, env=environment_of_servers(REFERENCE))


def one_round(server: Server, journeys) -> Measured:
    return server.measure(journeys(), connections=AT_ONCE)


def activations() -> list[Visit]:
    """From the link in the mail to the last page."""
    version = Charter.objects.in_force().version
    return [Visit(activation(link_to(account), version)) for account in newcomers(JOURNEYS)]


def activation(link: str, version: str) -> list[Request]:
    answers = {
        "activation": {},
        "activation-charter": {"version": version, "accepted": "on"},
        "activation-directory": {"listed": "no", "understood": "on"},
        "activation-mailbox": {},
        "activation-password": {"password": A_GOOD_PASSWORD},
    }
    steps = [(Request(reverse(name)), Request(reverse(name), answer, 302)) for name, answer in answers.items()]
    return [
        Request(link, expected=302),
        *(request for step in steps for request in step),
        Request(reverse("activation-done")),
    ]


def wizards() -> list[Visit]:
    return [Visit(wizard(account.pk)) for account in newcomers(JOURNEYS)]


def wizard(account_id: int) -> list[Request]:
    answers = {"welcome": {"account": str(account_id)}, **WIZARD_ANSWERS}
    return [Request("/wizard/"), *(Request("/wizard/", step_fields(step, answer)) for step, answer in answers.items())]


def step_fields(step: str, answer: dict[str, str]) -> dict[str, str]:
    return {"wizard-current_step": step, **{f"{step}-{name}": value for name, value in answer.items()}}


def link_requests() -> list[Visit]:
    """The page of « Première connexion », filled in."""
    page = reverse("first-connection")
    return [
        Visit([Request(page), Request(page, {"login": account.login, "website": ""}, 302)])
        for account in newcomers(JOURNEYS)
    ]


def comparison(measured: dict[str, Measured]) -> list[str]:
    """A line with the hash and one without: journeys, CPU of the web processes and of PostgreSQL, ratio."""
    lines = []
    for with_hash, suffix in (("without the hash", ", no hash"), ("with the hash", "")):
        ours, reference = (per_journey(measured[f"{name}{suffix}"]) for name in ("portal", "formtools"))
        lines.append(
            f"Activation {with_hash}, {AT_ONCE} at once: {describe(ours)}; formtools: {describe(reference)}; "
            f"CPU {sum(ours[1:]) / sum(reference[1:]):.2f} × that of formtools"
        )
    return lines


def per_journey(measured: Measured) -> tuple[float, float, float]:
    """Journeys a second, and milliseconds of CPU of one, web and PostgreSQL."""
    requests = measured.requests / JOURNEYS
    return JOURNEYS / measured.seconds, measured.cpu * requests, measured.database_cpu * requests


def describe(journey: tuple[float, float, float]) -> str:
    return f"{journey[0]:.1f}/s, {journey[1]:.0f} ms of CPU and {journey[2]:.0f} ms of PostgreSQL’s"


def hash_share(measured: dict[str, Measured]) -> str:
    whole, without = (sum(per_journey(measured[name])[1:]) for name in ("portal", "portal, no hash"))
    return f"The hash is {1 - without / whole:.0%} of the CPU of an activation"


def link_request_cost(measured: Measured) -> str:
    return (
        f"Asking for a link (GET and POST), one at a time: {2 * measured.cpu:.1f} ms of CPU and "
        f"{2 * measured.database_cpu:.1f} ms of PostgreSQL’s"
    )


def queries() -> str:
    """Counted where the statements can be seen: in this process."""
    [visit] = activations()[:1]
    browser, counts = Client(), []
    for request in visit.requests:
        with CaptureQueriesContext(connection) as captured:
            response = (
                browser.get(request.path) if request.fields is None else browser.post(request.path, request.fields)
            )
        assert response.status_code == request.expected, (request.path, response.status_code)
        counts.append((len([query for query in captured if not query["sql"].startswith(TRANSACTIONS)]), request))
    gets = [number for number, request in counts if request.fields is None]
    posts = [number for number, request in counts if request.fields is not None]
    return (
        f"An activation is {len(counts)} requests and {sum(gets) + sum(posts)} queries; "
        f"GETs: {', '.join(map(str, gets))}; POSTs: {', '.join(map(str, posts))}"
    )
