"""The security headers of a response."""

import re

from django.conf import settings
from django.http import HttpResponse

CSP = dict.fromkeys(("default-src", "frame-ancestors", "base-uri", "object-src"), "'none'")
CSP |= dict.fromkeys(("script-src", "style-src", "font-src", "connect-src", "form-action"), "'self'")
CSP["img-src"] = "'self' data:"
HEADERS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
HEADERS |= dict.fromkeys(("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"), "same-origin")
NOT_INDEXED = '<meta name="robots" content="noindex">'


def assert_headers(response: HttpResponse) -> None:
    """HDR-02, HDR-03, HDR-04, SES-06"""
    policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";") if part.strip())
    assert policy == CSP
    assert {name: response.get(name) for name in HEADERS} == HEADERS
    is_indexed = b"<html" in response.content and NOT_INDEXED.encode() not in response.content
    assert response["X-Robots-Tag"] == ("all" if is_indexed else "noindex, nofollow")
    assert response["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert all(f"{feature}=()" in response["Permissions-Policy"] for feature in ("camera", "microphone", "geolocation"))
    assert "no-store" in response["Cache-Control"]
    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-Id"])
    assert {"Server", "X-Powered-By"} & set(response.headers) == set()
    if response.content:
        assert "charset=utf-8" in response["Content-Type"] or response["Content-Type"] == "application/json"
    for cookie in response.cookies.values():
        assert cookie.key in {getattr(settings, f"{use}_COOKIE_NAME") for use in ("SESSION", "CSRF", "KNOWN_BROWSER")}
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")
        # Django omits it when it deletes a cookie.
        assert cookie["httponly"] or not cookie.value
        assert len(cookie.OutputString()) < 4096
