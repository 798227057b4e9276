"""What the code never does, or only where somebody has looked at it; a new place fails here until it was looked at, too."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "activation", "assistance", "config", "directory", "mailrouting", "outbox")
#: What no line may hold: the name of a rule, and why.
NEVER = {
    "the host of a request in an address (TOK-08)": r"build_absolute_uri|get_current_site|get_host\(|HTTP_HOST",
    "a cache of pages (HDR-04)": r"cache_page|UpdateCacheMiddleware|FetchFromCacheMiddleware",
    "parameters of a request as a query (INP-06)": r"(?:filter|exclude|get|create|update)\(\*\*\s*\w*(?:request|POST|GET|cleaned)",
    "SQL made of words (INP-06)": r"\.extra\(|\.raw\(|\.execute\(\s*f?[\"'][^\"']*[\"']\s*(?:%|\.format)",
    "another program (INP-08)": r"\bsubprocess\b|os\.system|os\.popen|os\.exec",
    "code that was made of words (INP-08)": r"(?<![\w.])(?:eval|exec)\(|\bpickle\b|yaml\.load\b",
}
#: The canonical spelling is made by `accounts.addresses`. These compare, without regard to case, what it has made.
ADDRESSES_COMPARED = {
    "accounts/addresses.py",
    "accounts/locks.py",
    "accounts/models.py",
    "accounts/single_sign_on/services.py",
    "assistance/agents/queue.py",
    "assistance/models.py",
    "mailrouting/domains.py",
}


def lines() -> Iterator[tuple[str, int, str]]:
    """Every line of the code that runs in production, but those of migrations."""
    for app in APPS:
        for path in sorted((PROJECT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                for number, line in enumerate(path.read_text().splitlines(), start=1):
                    yield str(path.relative_to(PROJECT)), number, line


@pytest.mark.parametrize("rule", NEVER)
def test_no_line_holds(rule):
    """TOK-08, HDR-04, INP-06, INP-08"""
    assert [f"{name}:{number}" for name, number, line in lines() if re.search(NEVER[rule], line)] == []


def test_one_function_spells_addresses():
    """INP-03"""
    folding = re.compile(r"__iexact|\.lower\(\)|\.casefold\(\)|Lower\(")
    about_addresses = re.compile(r"address|login|mailbox", re.IGNORECASE)
    places = {name for name, _, line in lines() if folding.search(line) and about_addresses.search(line)}
    assert places == ADDRESSES_COMPARED


def test_the_proxy_takes_short_forms_only():
    """INP-07: before the portal reads a byte; agents' files and charters have their own limits."""
    proxy = (PROJECT / "deploy/Caddyfile").read_text()
    assert re.search(r"@forms not path /admin/\* /en/admin/\*\s+request_body @forms \{\s+max_size 64KB", proxy)
    assert "max_header_size 16KB" in proxy
