"""The list of requests for assistance, and the page of one request."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.generic import TemplateView

from accounts.models import Account
from accounts.permissions import AgentPermission, may_act_on
from agents.access import AgentView
from agents.accounts.search import LAST_PAGE, PAGE_SIZE
from agents.accounts.views import page_number
from agents.actions import available_actions
from agents.dashboard import pending_requests
from agents.requests.filters import RequestList, requests_of_same_person, search_requests
from agents.requests.forms import AnswerForm, AttachForm, CallForm, CloseForm, NoteForm, RequestSearchForm
from agents.requests.timeline import request_timeline
from assistance import handling
from assistance.enums import Profile
from assistance.identity_checks import comparison_of
from assistance.models import AssistanceRequest, AssistanceRequestQuerySet

#: Other requests of the same person that the page of one links to.
MAX_OTHERS = 10
#: The forms of the page, by their names in the template.
FORMS: dict[str, type[Form]] = {
    "call": CallForm,
    "note": NoteForm,
    "answer": AnswerForm,
    "attach": AttachForm,
    "close": CloseForm,
}
MISMATCHES_EXHAUSTED = (
    "Trois réponses fausses\N{NO-BREAK SPACE}: ne demandez plus rien. Il faut une preuve\N{NO-BREAK SPACE}: rappel au "
    "numéro connu des RH, pièce d’identité vue en personne ou en visio, ou confirmation du responsable."
)


class RequestsView(AgentView, TemplateView):
    """The list, page by page without a total: counting all requests would be the most expensive query."""

    permission_required = AgentPermission.SEE
    template_name = "agents/requests.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query = self.request.GET
        form, number = RequestSearchForm(query), page_number(query.get("page", ""))
        person = self.request_of_person()
        start = (number - 1) * PAGE_SIZE
        found = list(self.find_requests(form, person)[start : start + PAGE_SIZE + 1])
        return super().get_context_data(
            **kwargs,
            form=form,
            person=person,
            pending=pending_requests(),
            requests=found[:PAGE_SIZE],
            lists=RequestList.choices,
            list=RequestList.ALL if person else RequestList.named(query.get("etat", "")),
            profiles=Profile.choices,
            profile=query.get("profil", ""),
            number=number,
            previous=number - 1,
            following=number + 1,
            has_next=len(found) > PAGE_SIZE and number < LAST_PAGE,
        )

    def request_of_person(self) -> AssistanceRequest | None:
        """The request that `?personne=` names: the list then shows those of the same person."""
        form = RequestSearchForm({"q": self.request.GET.get("personne", "")})
        if not form.is_valid() or not form.cleaned_data["q"]:
            return None
        return AssistanceRequest.objects.filter(reference=form.cleaned_data["q"]).first()

    def find_requests(self, form: RequestSearchForm, person: AssistanceRequest | None) -> AssistanceRequestQuerySet:
        if person is not None:
            return requests_of_same_person(person)
        if not form.is_valid():
            return AssistanceRequest.objects.none()
        return search_requests(
            agent=self.agent,
            query=form.cleaned_data["q"],
            among=RequestList.named(self.request.GET.get("etat", "")),
            profile=self.request.GET.get("profil", ""),
        )


class RequestView(AgentView, TemplateView):
    """One request. Every response that shows it is recorded in the journal of its account."""

    permission_required = AgentPermission.SEE
    template_name = "agents/request.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.render_request(self.get_request())

    def get_request(self) -> AssistanceRequest:
        requests = AssistanceRequest.objects.select_related("taken_by")
        found: AssistanceRequest = get_object_or_404(requests, reference=self.kwargs["reference"].upper())
        if found.account_id is not None:
            found.account = Account.objects.with_lock().get(pk=found.account_id)
        return found

    def render_request(self, found: AssistanceRequest, *, status: int = 200, **changed: Any) -> HttpResponse:
        """Record that the request was opened, and render it; `changed` replaces parts of the context."""
        handling.record_request_opened(request=found, actor=self.agent)
        context = {**self.get_context_data(), **self.request_context(found), **changed}
        return self.render_to_response(context, status=status)

    def request_context(self, found: AssistanceRequest) -> dict[str, Any]:
        account = found.account
        others = AssistanceRequest.objects.of_same_person(found).exclude(pk=found.pk).newest_first()
        return {
            "one": found,
            "account": account,
            "comparison": comparison_of(found),
            "is_identity_shown": False,
            "may_handle": handling.may_handle(self.agent, account),
            "may_reveal": self.may_reveal(found),
            "actions": list(available_actions(account, self.agent)) if account is not None and found.is_open else [],
            "is_mine": found.is_open and found.taken_by_id == self.agent.pk,
            "mismatches_exhausted": account is not None and handling.mismatches_exhausted(account),
            "mismatches_exhausted_message": MISMATCHES_EXHAUSTED,
            "others": others[:MAX_OTHERS],
            "timeline": request_timeline(found),
            **{name: form(auto_id=f"{name}_%s") for name, form in FORMS.items()},
        }

    def may_reveal(self, found: AssistanceRequest) -> bool:
        """Whether the agent may read the birth date or INE: never those of an agent."""
        is_allowed = found.account is None or may_act_on(self.agent, found.account)
        return is_allowed and self.agent.has_perm(AgentPermission.REVEAL)


class IdentityView(RequestView):
    """Shows the birth date or INE, as typed and as HR knows it, in answer to a POST that is recorded."""

    permission_required = AgentPermission.REVEAL
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:request", self.kwargs["reference"])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        found = self.get_request()
        if not self.may_reveal(found):
            raise PermissionDenied
        handling.record_identity_read(request=found, actor=self.agent)
        return self.render_request(found, is_identity_shown=True)
