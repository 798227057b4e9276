"""Rules of the proxy's file and of caches in templates."""

import re

from tests.project import PACKAGES, PROJECT

FRAGMENTS = {
    *("None charter LANGUAGE_CODE form.charter.pk", "None charter_form LANGUAGE_CODE form.charter.pk"),
    *("None directory_form LANGUAGE_CODE", "None password_form LANGUAGE_CODE"),
    *('None steps_bar LANGUAGE_CODE steps|join:" "', 'None steps_rail LANGUAGE_CODE steps|join:" "'),
}


def test_the_proxy_takes_short_forms_only():
    """INP-07: before the portal reads a byte; longer forms are in `tests/faults/test_slow_uploads.py`."""
    proxy = (PROJECT / "deploy/Caddyfile").read_text()
    assert re.search(r"handle \{[^@]*@large [^\n]*\s+error @large 413\s+request_body \{\s+max_size 64KB", proxy)
    assert "max_header_size 16KB" in proxy


def test_no_page_is_cached_for_the_next_visitor():
    """HDR-04: the keys of cached fragments are not personal; a new one must be reviewed."""
    python = [path for name in PACKAGES for path in (PROJECT / name).rglob("*.py")]
    caching = re.compile(r"cache_page|UpdateCacheMiddleware|FetchFromCacheMiddleware")
    assert [str(path) for path in python if caching.search(path.read_text())] == []
    templates = "".join(path.read_text() for path in (PROJECT / "templates").rglob("*.*"))
    assert set(re.findall(r"{%\s*cache\s+([^%]+?)\s*%}", templates)) == FRAGMENTS
