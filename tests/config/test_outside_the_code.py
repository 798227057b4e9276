"""What holds because of a file beside the code, or because of what no file says."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_the_proxy_takes_short_forms_only():
    """INP-07: before the portal reads a byte; agents' files and charters have limits of their own."""
    proxy = (PROJECT / "deploy/Caddyfile").read_text()
    assert re.search(r"@forms not path /admin/\* /en/admin/\*\s+request_body @forms \{\s+max_size 64KB", proxy)
    assert "max_header_size 16KB" in proxy


def test_no_page_is_kept_for_the_next_visitor():
    """HDR-04: Django's caches of pages have given one person's page to another, more than once."""
    caching = re.compile(r"cache_page|UpdateCacheMiddleware|FetchFromCacheMiddleware|{%\s*cache\b")
    names = ("accounts", "activation", "assistance", "config", "directory", "mailrouting", "outbox", "templates")
    files = [path for name in names for path in (PROJECT / name).rglob("*.*") if path.suffix in (".py", ".html")]
    assert [str(path) for path in files if caching.search(path.read_text())] == []
