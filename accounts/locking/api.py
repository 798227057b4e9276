"""The API with which the university's security systems lock accounts, and nothing else.

It uses no cookie, hence needs no CSRF token.
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
from accounts.locking.lock import LockOutcome
from accounts.locking.system_locks import CeilingReached, lock_for_system
from core.rate_limits import BAD_SECURITY_KEYS_PER_CLIENT, SECURITY_CALLS_PER_SYSTEM, RateLimitExceeded, current_client
from core.security_log import log_security_event
from core.text import has_forbidden_character

MOST_ACCOUNTS = 1_000
#: In bytes; also in docs/operations.md and the reverse proxy.
LARGEST_BODY = 64_000
LONGEST_COMMENT = 500
FIELDS = {"accounts", "reason", "comment"}


class InvalidApiCall(Exception):
    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


@dataclass(frozen=True, slots=True)
class LockRequest:
    names: list[str]
    reason: LockReason
    comment: str


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class LocksView(View):
    """`POST /api/blocages/` (docs/operations.md)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        if not settings.SECURITY_API_KEYS:
            raise Http404
        try:
            return self.answer(request)
        except InvalidApiCall as refused:
            return JsonResponse({"error": refused.error}, status=refused.status, headers=refused.headers)

    def answer(self, request: HttpRequest) -> JsonResponse:
        if request.method != "POST":
            raise InvalidApiCall(405, _("Seule la méthode POST est possible ici."), Allow="POST")
        system = authenticate(request)
        order = parse_order(parse_body(request))
        answers = lock_as(system, order)
        return JsonResponse({"accounts": [{"account": name, "answer": answer} for name, answer in answers]})


def authenticate(request: HttpRequest) -> str:
    """Raises InvalidApiCall for an unknown key or too many calls."""
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


def lock_as(system: str, order: LockRequest) -> list[tuple[str, LockOutcome]]:
    """Raises InvalidApiCall beyond the ceiling."""
    try:
        return lock_for_system(names=order.names, reason=order.reason, system=system, comment=order.comment)
    except CeilingReached as reached:
        error = _(
            "Ce système ne bloque que %(number)s comptes par heure. Le reste de la liste n’est pas bloqué. "
            "Renvoyez-la plus tard, ou bloquez ces comptes en ligne de commande."
        )
        wait = {"Retry-After": str(reached.retry_after)}
        raise InvalidApiCall(429, error % {"number": reached.ceiling}, **wait) from reached


def parse_body(request: HttpRequest) -> Any:
    """Raises InvalidApiCall."""
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
            raise _too_large()
        return json.loads(request.body)
    except UnreadablePostError as error:
        raise InvalidApiCall(400, _("La requête n’est pas arrivée entière.")) from error
    except (ValueError, RecursionError) as error:
        raise InvalidApiCall(400, _("Le corps de la requête n’est pas du JSON.")) from error


def parse_order(body: Any) -> LockRequest:
    """Raises InvalidApiCall."""
    if not isinstance(body, dict) or set(body) - FIELDS:
        raise _invalid(_("Envoyez un objet avec accounts, reason et, si besoin, comment."))
    return LockRequest(_names(body.get("accounts")), _reason(body.get("reason")), _comment(body.get("comment", "")))


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise _invalid(_("accounts est une liste d’adresses institutionnelles ou d’identifiants courts."))
    if len(value) > MOST_ACCOUNTS:
        raise _too_large()
    return value


def _reason(value: Any) -> LockReason:
    if not isinstance(value, str) or value not in LockReason.values:
        raise _invalid(_("reason vaut l’un de %(reasons)s.") % {"reasons": ", ".join(LockReason.values)})
    return LockReason(value)


def _comment(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_COMMENT or has_forbidden_character(value):
        raise _invalid(_("comment est une ligne de 500 caractères au plus."))
    return value


def _too_large() -> InvalidApiCall:
    return InvalidApiCall(413, _("Envoyez moins de comptes à la fois."))


def _invalid(error: str) -> InvalidApiCall:
    return InvalidApiCall(422, error)
