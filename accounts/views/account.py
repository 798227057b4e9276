"""« Compte informatique »: what is set, what happened, what is held, and where one is signed in."""

from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.generic import FormView, TemplateView, View

from accounts import services
from accounts.auth import sessions
from accounts.auth.sso import providers as single_sign_on
from accounts.forms import LanguageForm
from accounts.history import Topic, history
from accounts.models import Account, RecoveryAddressChange
from core.compiled_query import CompiledQuery
from journal.events import Event

LATEST_ACTIVITIES = 5
EVENTS_ON_A_PAGE = 20
WITH_EVERYTHING = CompiledQuery(
    lambda pk: Account.objects.with_lock().select_related("redirection", "mailbox").filter(pk=pk)
)


def signed_in(request: HttpRequest) -> Account:
    """Whoever is asking; the page is theirs alone."""
    return cast(Account, request.user)


class AccountView(TemplateView):
    """Who one is, what is set, what waits, what happened last."""

    template_name = "accounts/account.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The account and everything about it that its owner can change."""
        account = cast(Account, WITH_EVERYTHING.first(self.request.user.pk))
        journal = account.journal.order_by("-at", "-pk")
        return super().get_context_data(
            **kwargs,
            account=account,
            redirection=getattr(account, "redirection", None),
            forwarding_allowed=settings.FORWARDING_ALLOWED,
            change=RecoveryAddressChange.objects.waiting().filter(account=account).first(),
            consent=account.directory_consents.order_by("-decided_at", "-pk").first(),
            acceptance=account.charter_acceptances.select_related("charter").order_by("-accepted_at").first(),
            # The last but one: the last is this very session.
            sign_ins=list(journal.filter(event=Event.SIGNED_IN)[:2]),
            activities=journal.select_related("actor")[:LATEST_ACTIVITIES],
        )


class HistoryView(TemplateView):
    """Everything that happened to the account, mails included, in plain words."""

    template_name = "accounts/history.html"
    open_without_charter = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """One page of it, of one topic or of all."""
        topic = Topic.named(self.request.GET.get("sujet", ""))
        paginator = Paginator(history(account=signed_in(self.request), topic=topic), EVENTS_ON_A_PAGE)
        page = paginator.get_page(self.request.GET.get("page"))
        return super().get_context_data(**kwargs, topics=Topic, topic=topic, page=page)


class SessionsView(TemplateView):
    """Where one is signed in."""

    template_name = "accounts/sessions.html"
    open_without_charter = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The open sessions, this one marked."""
        found = sessions.open_sessions(signed_in(self.request))
        return super().get_context_data(**kwargs, sessions=found, this_session=self.request.session.session_key)


class SessionEndView(SessionsView):
    """End one session from elsewhere."""

    http_method_names = ["get", "head", "post"]

    def post(self, request: HttpRequest, handle: str) -> HttpResponse:
        """End it; one that has ended already, or is somebody else's, is not there: the list says so (ADM-01)."""
        if sessions.end_session(account=signed_in(request), handle=handle):
            messages.success(request, _("La session est fermée."))
            return redirect("account-sessions")
        messages.info(request, _("Cette session était déjà fermée."))
        return self.render_to_response(self.get_context_data(handle=handle), status=HTTPStatus.NOT_FOUND)


class OtherSessionsEndView(View):
    """Sign out everywhere else."""

    http_method_names = ["post"]
    open_without_charter = True

    def post(self, request: HttpRequest) -> HttpResponse:
        """End every session but this one."""
        ended = sessions.log_out_everywhere(account=signed_in(request), keep=request.session.session_key)
        text = ngettext("%(number)s session fermée.", "%(number)s sessions fermées.", ended) % {"number": ended}
        messages.success(request, text if ended else _("Aucune autre session n’était ouverte."))
        return redirect("account-sessions")


class AllSessionsEndView(View):
    """Sign out everywhere, here too."""

    http_method_names = ["post"]
    open_without_charter = True

    def post(self, request: HttpRequest) -> HttpResponse:
        """End every session of the person."""
        sessions.log_out_everywhere(account=signed_in(request))
        request.session.flush()
        messages.success(request, _("Vous êtes déconnecté partout."))
        # The sign-in page would lead straight back in through the university's provider.
        return redirect("signed-out" if single_sign_on.is_on() else "login")


class LanguageView(FormView):
    """French or English."""

    http_method_names = ["get", "head", "post"]
    form_class = LanguageForm
    template_name = "accounts/language.html"
    open_without_charter = True

    def get_initial(self) -> dict[str, Any]:
        """The language chosen before."""
        return {"language": signed_in(self.request).language}

    def form_valid(self, form: LanguageForm) -> HttpResponse:
        """Keep it, and go on in it."""
        language = form.cleaned_data["language"]
        services.set_language(account=signed_in(self.request), language=language)
        with translation.override(language):
            messages.success(self.request, _("Nos pages et nos e-mails seront en français."))
            return redirect("account")
