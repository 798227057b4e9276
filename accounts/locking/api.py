"""The door of the university's security systems: they may lock accounts, and nothing else (HLP-01).

It answers JSON, needs no cookie and makes none, which is why no CSRF token is asked for.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View

from accounts.enums import LockReason
from accounts.locking.api_keys import system_with_key
from accounts.locking.lock import lock_accounts_by_name
from core.rate_limits import BAD_SECURITY_KEYS_PER_CLIENT, SECURITY_CALLS_PER_SYSTEM, RateLimitExceeded, current_client
from core.security_log import log_security_event
from core.text import has_forbidden_character

MOST_ACCOUNTS = 1_000
#: In bytes; docs/operations.md and the reverse proxy have the same figure.
LARGEST_BODY = 64_000
LONGEST_COMMENT = 500
FIELDS = {"accounts", "reason", "comment"}


class InvalidApiCall(Exception):
    """The answer to a call that was not carried out."""

    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


@dataclass(frozen=True, slots=True)
class LockRequest:
    """What a system asks for, checked."""

    names: list[str]
    reason: LockReason
    comment: str


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class LocksView(View):
    """`POST /api/blocages/`: lock one account or a phishing wave (docs/operations.md)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        """Answer every call in JSON. Without any key in the settings there is no such address."""
        if not settings.SECURITY_API_KEYS:
            raise Http404
        try:
            return self.answer(request)
        except InvalidApiCall as refused:
            return JsonResponse({"error": refused.error}, status=refused.status, headers=refused.headers)

    def answer(self, request: HttpRequest) -> JsonResponse:
        """Lock, and say what became of each account, in the order of the list."""
        if request.method != "POST":
            raise InvalidApiCall(405, _("Seule la méthode POST est possible ici."), Allow="POST")
        system = calling_system(request)
        order = order_in(body_of(request))
        answers = lock_accounts_by_name(names=order.names, reason=order.reason, system=system, comment=order.comment)
        return JsonResponse({"accounts": [{"account": name, "answer": answer} for name, answer in answers]})


def calling_system(request: HttpRequest) -> str:
    """The name of the system that calls, while it does not call too often. Raises CallRefused."""
    scheme, _space, key = request.headers.get("Authorization", "").partition(" ")
    system = system_with_key(key.strip()) if scheme.lower() == "bearer" else None
    try:
        if system is None:
            BAD_SECURITY_KEYS_PER_CLIENT.hit(current_client())
            log_security_event("authz_fail", outcome="failure")
            raise InvalidApiCall(401, _("Clé absente ou inconnue."), **{"WWW-Authenticate": "Bearer"})
        SECURITY_CALLS_PER_SYSTEM.hit(system)
    except RateLimitExceeded as reached:
        wait = {"Retry-After": str(reached.retry_after)}
        raise InvalidApiCall(429, _("Trop d’appels. Réessayez plus tard."), **wait) from reached
    return system


def body_of(request: HttpRequest) -> Any:
    """What was sent, read as JSON. Raises CallRefused."""
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
            raise _too_much()
        return json.loads(request.body)
    except UnreadablePostError as error:
        raise InvalidApiCall(400, _("La requête n’est pas arrivée entière.")) from error
    except (ValueError, RecursionError) as error:
        raise InvalidApiCall(400, _("Le corps de la requête n’est pas du JSON.")) from error


def order_in(sent: Any) -> LockRequest:
    """The order that JSON holds. Raises CallRefused, which says what to correct."""
    if not isinstance(sent, dict) or set(sent) - FIELDS:
        raise _wrong(_("Envoyez un objet avec accounts, reason et, si besoin, comment."))
    return LockRequest(_names(sent.get("accounts")), _reason(sent.get("reason")), _comment(sent.get("comment", "")))


def _names(sent: Any) -> list[str]:
    if not isinstance(sent, list) or not sent or not all(isinstance(name, str) for name in sent):
        raise _wrong(_("accounts est une liste d’adresses institutionnelles ou d’identifiants courts."))
    if len(sent) > MOST_ACCOUNTS:
        raise _too_much()
    return sent


def _reason(sent: Any) -> LockReason:
    if not isinstance(sent, str) or sent not in LockReason.values:
        raise _wrong(_("reason vaut l’un de %(reasons)s.") % {"reasons": ", ".join(LockReason.values)})
    return LockReason(sent)


def _comment(sent: Any) -> str:
    if not isinstance(sent, str) or len(sent) > LONGEST_COMMENT or has_forbidden_character(sent):
        raise _wrong(_("comment est une ligne de 500 caractères au plus."))
    return sent


def _too_much() -> InvalidApiCall:
    return InvalidApiCall(413, _("Envoyez moins de comptes à la fois."))


def _wrong(error: str) -> InvalidApiCall:
    return InvalidApiCall(422, error)
