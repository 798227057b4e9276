"""The cookie of a browser from which accounts have signed in: it is throttled apart from those that share its address.

Only a right password gives it (OWASP, "Slow down online guessing attacks with device cookies"). It opens nothing.
"""

from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from accounts.models import Account
from core.request_context import current_request_context

PERIOD = timedelta(days=30)
#: The accounts of one browser that are remembered.
MOST_ACCOUNTS = 4
SALT = "portal.known-browser"


def remember_browser(response: HttpResponse, account: Account) -> None:
    """After a sign-in."""
    digest = _digest(account.login)
    digests = [digest, *(other for other in current_request_context().known_to if other != digest)]
    response.set_cookie(
        settings.KNOWN_BROWSER_COOKIE_NAME,
        TimestampSigner(salt=SALT).sign("-".join(digests[:MOST_ACCOUNTS])),
        max_age=PERIOD,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def accounts_known_to(request: HttpRequest) -> tuple[str, ...]:
    """Digests of the logins in the cookie, for the request context."""
    cookie = request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE_NAME, "")
    try:
        return tuple(TimestampSigner(salt=SALT).unsign(cookie, max_age=PERIOD).split("-"))
    except BadSignature:
        return ()


def is_known_browser(login: str) -> bool:
    return _digest(login) in current_request_context().known_to


def _digest(login: str) -> str:
    return salted_hmac(SALT, login, algorithm="sha256").hexdigest()[:16]
