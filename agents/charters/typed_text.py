"""What an agent has typed into a long form is not lost when something stands between them and the page.

A session that ended, a code to be given again, a sign-in in another tab since the form was opened: each is answered
before the page is asked. The form carries a permit, signed, that says whose it is; with it what was typed is kept for
that agent alone, and the same address, asked for again, leads through the sign-in and back to it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import Account

GetResponse = Callable[[HttpRequest], HttpResponse]

SALT = "agents.keeping"
#: A page that was open over a long weekend.
PERMIT_LASTS = timedelta(days=7)
TOO_LARGE = 413


class KeepsTypedText:
    """For a view with a long form: says what to keep, and notes when it has answered itself."""

    request: HttpRequest

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer; from then on nothing needs to be kept."""
        response: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[misc]
        request.typed_is_answered = True  # type: ignore[attr-defined]
        return response

    @classmethod
    def keep(cls, author: Account, typed: dict[str, str], **address: Any) -> None:
        """Keep what `author` had sent to the page of that address."""
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The permit, for the form to carry."""
        return super().get_context_data(permit=permit_for(self.request.user), **kwargs)  # type: ignore[misc, arg-type, no-any-return]


class KeepTypedTextMiddleware:
    """Keeps what was typed into a form of a `KeepsTyped` view that the view was never asked about."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer; or the way back to the form, which shows what was typed."""
        response = self.get_response(request)
        if request.method != "POST" or not _is_about_a_form(request) or hasattr(request, "typed_is_answered"):
            return response
        author = _author(request)
        if author is None:
            return response
        match: Any = request.resolver_match
        match.func.view_class.keep(author, _typed(request), **match.kwargs)
        # Whoever has to sign in is on the way already.
        return redirect(request.path) if request.user.is_authenticated else response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Say kindly what Django would say harshly: that the form is larger than any that is read."""
        if request.user.is_authenticated and _is_about_a_form(request) and _is_too_large(request):
            request.typed_is_answered = True  # type: ignore[attr-defined]
            return render(request, "agents/too_long.html", status=TOO_LARGE)
        return None


def permit_for(author: Account) -> str:
    """What a form carries, so that it is known later whose it was."""
    return signing.dumps(author.pk, salt=SALT)


def _is_about_a_form(request: HttpRequest) -> bool:
    view = getattr(request.resolver_match, "func", None)
    return issubclass(getattr(view, "view_class", object), KeepsTypedText)


def _is_too_large(request: HttpRequest) -> bool:
    length = request.META.get("CONTENT_LENGTH") or ""
    return length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _author(request: HttpRequest) -> Account | None:
    """Whose form it was; nobody when the permit is none, or when somebody else is here now."""
    try:
        pk = signing.loads(request.POST.get("permit", ""), salt=SALT, max_age=PERMIT_LASTS)
    except signing.BadSignature:
        return None
    if request.user.is_authenticated and request.user.pk != pk:
        return None
    author: Account | None = Account.objects.filter(pk=pk, is_staff=True).first()
    return author


def _typed(request: HttpRequest) -> dict[str, str]:
    """What was sent, but for what belongs to the form itself; PostgreSQL keeps no null character."""
    names = [name for name in request.POST if name.isidentifier() and name not in ("csrfmiddlewaretoken", "permit")]
    return {name: str(request.POST[name]).replace("\x00", "") for name in names}
