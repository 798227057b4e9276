"""Each page of the activation, and those around it, against the shortest page that Django can answer.

Two references: "hello" behind the middleware of the portal, and behind what no site could do without, eight that Django
itself offers and django-csp. Environment: `BENCH_REQUESTS`, for each page and round (200).
"""

import os

from django.urls import reverse

from benchmarks.accounts import (
    A_GOOD_PASSWORD,
    account_page,
    account_with,
    activation,
    charter,
    directory,
    mailbox,
    wizard_pages,
)
from benchmarks.serving import Measured, Request, Server, Visit, medians, portal, visits
from benchmarks.timing import ROUNDS

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "200"))
HELLO = "/hello/"

Page = tuple[str, dict[str, str]]


def measure() -> str:
    pages = {**wizard_pages(), **pages_around()}
    with portal() as ours, portal(settings_module="benchmarks.reference_settings") as reference:
        measured = measured_pages(ours, reference, pages)
        signing_in = medians([ours.measure(sign_ins(), connections=2) for _ in range(ROUNDS)])
    own, stock = measured.pop("own hello"), measured.pop("hello")
    hellos = f"“hello” with the nine of any site: {describe(stock)}; with the portal’s middleware: {describe(own)}"
    lines = [f"Pages, 16 connections, 2 web processes. {hellos}", *comparison(measured, own, stock)]
    return "\n".join(
        [*lines, f"sign-in, 2 connections: {describe(signing_in)}; PostgreSQL {signing_in.database_cpu:.1f} ms"]
    )


def comparison(measured: dict[str, Measured], own: Measured, stock: Measured) -> list[str]:
    """A line for each page."""
    return [
        f"{name}: {describe(page)}; {page.cpu / own.cpu:.1f} × hello with the same middleware, "
        f"{page.cpu / stock.cpu:.1f} × with the nine; p99 {page.p99 / page.p50:.1f} × p50"
        for name, page in measured.items()
    ]


def pages_around() -> dict[str, Page]:
    """What people see before and after the activation."""
    public = {name: (reverse(name), {}) for name in ("home", "first-connection", "login")}
    return {**public, "account": account_page()}


def sign_ins() -> list[Visit]:
    """With the right password, each from another address."""
    account = account_with(charter, directory, mailbox, activation)
    fields = {"login": account.institutional_address, "password": A_GOOD_PASSWORD}
    return [Visit([Request(reverse("login"), fields, expected=302)]) for _ in range(REQUESTS)]


def measured_pages(ours: Server, reference: Server, pages: dict[str, Page]) -> dict[str, Measured]:
    """Medians of rounds in which each page has its turn."""
    rounds = [one_round(ours, reference, pages) for _ in range(ROUNDS)]
    return {name: medians([one[name] for one in rounds]) for name in rounds[0]}


def one_round(ours: Server, reference: Server, pages: dict[str, Page]) -> dict[str, Measured]:
    hellos = {
        "hello": reference.measure(visits(HELLO, number=2 * REQUESTS)),
        "own hello": ours.measure(visits(HELLO, number=2 * REQUESTS)),
    }
    return hellos | {
        name: ours.measure(visits(path, number=REQUESTS, cookies=cookies)) for name, (path, cookies) in pages.items()
    }


def describe(page: Measured) -> str:
    return f"{page.cpu:.1f} ms of CPU ({page.requests_per_second:,.0f}/s, p50 {page.p50:.0f} ms)"
