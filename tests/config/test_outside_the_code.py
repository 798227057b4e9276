"""What holds because of a file beside the code, or because of what no file says."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
APPS = (
    *("accounts", "activation", "agents", "assistance", "config", "core", "directory", "hr_feed", "journal"),
    *("mailrouting", "monitoring", "outbox", "privacy"),
)
FRAGMENTS = {
    *("None charter LANGUAGE_CODE form.charter.pk", "None charter_form LANGUAGE_CODE form.charter.pk"),
    *("None directory_form LANGUAGE_CODE", "None password_form LANGUAGE_CODE"),
    *('None steps_bar LANGUAGE_CODE steps|join:" "', 'None steps_rail LANGUAGE_CODE steps|join:" "'),
}


def test_the_proxy_takes_short_forms_only():
    """INP-07: before the portal reads a byte; agents' files and charters have limits of their own."""
    proxy = (PROJECT / "deploy/Caddyfile").read_text()
    assert re.search(r"@forms not path /admin/\* /en/admin/\*\s+request_body @forms \{\s+max_size 64KB", proxy)
    assert "max_header_size 16KB" in proxy


def test_no_page_is_cached_for_the_next_visitor():
    """HDR-04: Django's caches of pages have given one person's page to another, more than once. Fragments are kept by what
    they are made of, none of which is about a person; one more has to be looked at."""
    python = [path for name in APPS for path in (PROJECT / name).rglob("*.py")]
    caching = re.compile(r"cache_page|UpdateCacheMiddleware|FetchFromCacheMiddleware")
    assert [str(path) for path in python if caching.search(path.read_text())] == []
    templates = "".join(path.read_text() for path in (PROJECT / "templates").rglob("*.*"))
    assert set(re.findall(r"{%\s*cache\s+([^%]+?)\s*%}", templates)) == FRAGMENTS
