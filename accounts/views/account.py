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

from accounts.auth import sessions
from accounts.auth.sso import providers as sso
from accounts.forms import LanguageForm
from accounts.history import Topic, history
from accounts.models import Account, RecoveryAddressChange
from accounts.services import set_language
from core.compiled_query import CompiledQuery
from journal.events import Event

LATEST_ACTIVITIES = 5
EVENTS_PER_PAGE = 20
ACCOUNT_BY_PK = CompiledQuery(
    lambda pk: Account.objects.with_lock().select_related("redirection", "mailbox").filter(pk=pk)
)


def account_of(request: HttpRequest) -> Account:
    return cast(Account, request.user)


class AccountView(TemplateView):
    template_name = "accounts/account.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        account = cast(Account, ACCOUNT_BY_PK.first(self.request.user.pk))
        journal = account.journal.order_by("-at", "-pk")
        return super().get_context_data(
            **kwargs,
            account=account,
            redirection=getattr(account, "redirection", None),
            forwarding_allowed=settings.FORWARDING_ALLOWED,
            change=RecoveryAddressChange.objects.waiting().filter(account=account).first(),
            consent=account.directory_consents.order_by("-decided_at", "-pk").first(),
            acceptance=account.charter_acceptances.select_related("charter").order_by("-accepted_at").first(),
            # The last one is this session; the page shows the one before.
            sign_ins=list(journal.filter(event=Event.SIGNED_IN)[:2]),
            activities=journal.select_related("actor")[:LATEST_ACTIVITIES],
        )


class HistoryView(TemplateView):
    template_name = "accounts/history.html"
    open_without_charter = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        topic = Topic.named(self.request.GET.get("sujet", ""))
        paginator = Paginator(history(account=account_of(self.request), topic=topic), EVENTS_PER_PAGE)
        page = paginator.get_page(self.request.GET.get("page"))
        return super().get_context_data(**kwargs, topics=Topic, topic=topic, page=page)


class SessionsView(TemplateView):
    template_name = "accounts/sessions.html"
    open_without_charter = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs,
            sessions=sessions.open_sessions(account_of(self.request)),
            this_session=self.request.session.session_key,
        )


class SessionEndView(SessionsView):
    http_method_names = ["get", "head", "post"]

    def post(self, request: HttpRequest, handle: str) -> HttpResponse:
        if sessions.end_session(account=account_of(request), handle=handle):
            messages.success(request, _("La session est fermée."))
            return redirect("account-sessions")
        messages.info(request, _("Cette session était déjà fermée."))
        return self.render_to_response(self.get_context_data(handle=handle), status=HTTPStatus.NOT_FOUND)


class OtherSessionsEndView(View):
    http_method_names = ["post"]
    open_without_charter = True

    def post(self, request: HttpRequest) -> HttpResponse:
        ended = sessions.log_out_everywhere(account=account_of(request), keep=request.session.session_key)
        text = ngettext("%(number)s session fermée.", "%(number)s sessions fermées.", ended) % {"number": ended}
        messages.success(request, text if ended else _("Aucune autre session n’était ouverte."))
        return redirect("account-sessions")


class AllSessionsEndView(View):
    http_method_names = ["post"]
    open_without_charter = True

    def post(self, request: HttpRequest) -> HttpResponse:
        sessions.log_out_everywhere(account=account_of(request))
        request.session.flush()
        messages.success(request, _("Vous êtes déconnecté partout."))
        # The login page would redirect to the provider, which would open a new session at once.
        return redirect("signed-out" if sso.is_enabled() else "login")


class LanguageView(FormView):
    http_method_names = ["get", "head", "post"]
    form_class = LanguageForm
    template_name = "accounts/language.html"
    open_without_charter = True

    def get_initial(self) -> dict[str, Any]:
        return {"language": account_of(self.request).language}

    def form_valid(self, form: LanguageForm) -> HttpResponse:
        language = form.cleaned_data["language"]
        set_language(account=account_of(self.request), language=language)
        with translation.override(language):
            messages.success(self.request, _("Nos pages et nos e-mails seront en français."))
            return redirect("account")
