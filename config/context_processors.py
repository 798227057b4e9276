from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse, reverse_lazy
from django.utils import translation

from accounts.auth.sessions import idle_seconds
from agents.announcement import current_announcement
from outbox.rendering import shared_context

OTHER_LANGUAGE = {"fr": "en", "en": "fr"}
# Lazy: resolved in the language of the page.
ASSISTANCE_URL, IDLE_URL = reverse_lazy("assistance"), reverse_lazy("account-keep-alive")


def portal(request: HttpRequest) -> dict[str, object]:
    """Context of every page; runs no query of its own, but that of the announcement every few seconds."""
    signed_in = SESSION_KEY in request.session if hasattr(request, "session") else False
    language = translation.get_language() or "fr"
    other_language = OTHER_LANGUAGE[language]
    return {
        **shared_context(),
        "privacy_officer_address": settings.PRIVACY_OFFICER_ADDRESS,
        "announcement": current_announcement(language),
        "assistance_url": ASSISTANCE_URL,
        "other_language": other_language,
        "other_language_url": _in_language(request, other_language),
        "signed_in": signed_in,
        "idle_seconds": idle_seconds(request.session) if signed_in else None,
        "idle_url": IDLE_URL,
    }


def _in_language(request: HttpRequest, language: str) -> str:
    """The URL of this page in that language, or its own when it has only one."""
    page = request.resolver_match
    if page is None:
        return request.path
    with translation.override(language):
        try:
            return reverse(page.view_name, args=page.args, kwargs=page.kwargs)
        except NoReverseMatch:
            return request.path
