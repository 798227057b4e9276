"""The actions of agents on a request for assistance: each is a POST from the page of the request."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from accounts.permissions import AgentPermission
from agents.requests.forms import AnswerForm, AttachForm, CallForm, CloseForm, EmptyForm, NoteForm, TakeOverForm
from agents.requests.views import MISMATCHES_EXHAUSTED, RequestView
from agents.templatetags.requests import short_name, since_when
from assistance import handling
from assistance.enums import Fact
from assistance.models import AssistanceRequest

NO_PROOF = "Ce n’est pas une preuve d’identité."


class RequestActionView(RequestView):
    """Acts, then redirects to the request; or renders it again with the errors and all that was typed."""

    permission_required = AgentPermission.WORK_ON_REQUESTS
    http_method_names = ["get", "head", "post"]
    form_name = ""
    form_class: type[Form] = EmptyForm
    success_message = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:request", self.kwargs["reference"])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        found, form = self.get_request(), self.form_class(request.POST, auto_id=f"{self.form_name}_%s")
        if not handling.may_handle(self.agent, found.account):
            raise PermissionDenied
        if not form.is_valid():
            return self.render_invalid(found, form)
        try:
            self.act(found, **form.cleaned_data)
        except handling.UnknownAccountName:
            form.add_error("name", form.fields["name"].error_messages["unknown"])
            return self.render_invalid(found, form)
        except handling.RequestActionRefused as refusal:
            return self.render_refusal(refusal, form.cleaned_data.get("note", ""))
        if self.success_message:
            messages.success(request, self.success_message)
        return redirect("admin:request", found.reference)

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Call the service. Raises RequestActionRefused."""
        raise NotImplementedError

    def render_invalid(self, found: AssistanceRequest, form: Form) -> HttpResponse:
        forms: dict[str, Any] = {"form": form, self.form_name: form}
        return self.render_request(found, **forms)

    def render_refusal(self, refusal: handling.RequestActionRefused, note: str) -> HttpResponse:
        """The present request and the reason of the refusal; a typed note moves to the form open to every agent."""
        messages.warning(self.request, refusal_message(refusal))
        kept = {"note": NoteForm(initial={"note": note}, auto_id="note_%s"), "is_note_kept": True} if note else {}
        return self.render_request(self.get_request(), status=409, **kept)


class TakeView(RequestActionView):
    form_name = "take"
    success_message = "Vous avez pris cette demande en charge."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.take_request(request=found, actor=self.agent)


class TakeOverView(RequestActionView):
    form_name = "take_over"
    form_class = TakeOverForm
    success_message = "Vous avez repris cette demande."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.take_over(request=found, actor=self.agent, **typed)


class HandBackView(RequestActionView):
    form_name = "hand_back"
    success_message = "La demande attend de nouveau dans la file."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.release_request(request=found, actor=self.agent)


class CallView(RequestActionView):
    form_name = "call"
    form_class = CallForm
    success_message = "Appel noté."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.record_call(request=found, actor=self.agent, **typed)


class NoteView(RequestActionView):
    form_name = "note"
    form_class = NoteForm
    success_message = "Note ajoutée."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.add_note(request=found, actor=self.agent, **typed)


@method_decorator(sensitive_post_parameters("answer"), name="dispatch")
class AnswerView(RequestActionView):
    """Compares an answer given on the telephone. The value that HR knows is not shown."""

    form_name = "answer"
    form_class = AnswerForm

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        fact, answer = typed["answer"]
        matches = handling.compare_fact(request=found, actor=self.agent, fact=fact, answer=answer)
        if matches:
            messages.success(self.request, f"{Fact(fact).label}\N{NO-BREAK SPACE}: la réponse correspond. {NO_PROOF}")
        else:
            messages.warning(self.request, f"{Fact(fact).label}\N{NO-BREAK SPACE}: la réponse ne correspond pas.")


class AttachView(RequestActionView):
    form_name = "attach"
    form_class = AttachForm
    success_message = "La demande est rattachée à ce compte."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.attach_account(request=found, actor=self.agent, **typed)


class CloseView(RequestActionView):
    form_name = "close"
    form_class = CloseForm
    success_message = "Demande clôturée."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.close_request(request=found, actor=self.agent, **typed)


class ReopenView(RequestActionView):
    form_name = "reopen"
    success_message = "La demande est rouverte, et vous vous en occupez."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        handling.reopen_request(request=found, actor=self.agent)


def refusal_message(refusal: handling.RequestActionRefused) -> str:
    match refusal:
        case handling.AlreadyTaken():
            return f"{short_name(refusal.holder)} a pris cette demande {since_when(refusal.since)}."
        case handling.AlreadyClosed():
            return f"Cette demande a été clôturée {since_when(refusal.closed_at)}."
        case handling.RequestNotTaken():
            return "Personne ne s’occupe de cette demande\N{NO-BREAK SPACE}: prenez-la d’abord en charge."
        case handling.StillOpen():
            return "Cette demande n’est plus clôturée."
        case handling.NothingToCompareWith():
            return "Les RH ne connaissent pas cette information\N{NO-BREAK SPACE}: il n’y a rien à comparer."
        case handling.TooManyMismatches():
            return MISMATCHES_EXHAUSTED
        case _:
            return "La demande vient de changer. Relisez-la avant de continuer."
