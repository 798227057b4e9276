"""The queue of the requests for assistance, the page of one, and what agents do with it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import TemplateView

from accounts.models import Account
from accounts.permissions import AgentPermission, may_act_on
from agents.access import AgentView
from agents.accounts.search import LAST_PAGE, ON_A_PAGE
from agents.accounts.views import page_number
from agents.actions import available_actions
from agents.dashboard import pending_requests
from agents.requests.filters import RequestList, requests_found, requests_of_the_person
from agents.requests.forms import (
    AnswerForm,
    AttachForm,
    CallForm,
    CloseForm,
    EmptyForm,
    NoteForm,
    RequestSearchForm,
    TakeOverForm,
)
from agents.requests.timeline import request_timeline
from agents.templatetags.requests import short_name, since_when
from assistance import handling
from assistance.enums import Fact, Profile
from assistance.identity_checks import comparison_of
from assistance.models import AssistanceRequest, AssistanceRequestQuerySet

#: Other requests of the same person that the page of one names.
MOST_OTHERS = 10
#: The forms of the page, by the name that the template has for each.
FORMS: dict[str, type[Form]] = {
    "call": CallForm,
    "note": NoteForm,
    "answer": AnswerForm,
    "attach": AttachForm,
    "close": CloseForm,
}
NO_PROOF = "Ce n’est pas une preuve d’identité."
TRIES_ARE_OVER = (
    "Trois réponses fausses\N{NO-BREAK SPACE}: ne demandez plus rien. Il faut une preuve\N{NO-BREAK SPACE}: rappel au "
    "numéro connu des RH, pièce d’identité vue en personne ou en visio, ou confirmation du responsable."
)


class RequestsView(AgentView, TemplateView):
    """Find a request. Pages are not counted: counting would cost more than all the rest."""

    permission_required = AgentPermission.SEE
    template_name = "agents/requests.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """One page of those found, whether there is another, and how much waits in all."""
        asked = self.request.GET
        form, number = RequestSearchForm(asked), page_number(asked.get("page", ""))
        person = self.person()
        start = (number - 1) * ON_A_PAGE
        found = list(self.found(form, person)[start : start + ON_A_PAGE + 1])
        return super().get_context_data(
            **kwargs,
            form=form,
            person=person,
            waiting=pending_requests(),
            requests=found[:ON_A_PAGE],
            lists=RequestList.choices,
            list=RequestList.named(asked.get("etat", "")),
            profiles=Profile.choices,
            profile=asked.get("profil", ""),
            number=number,
            previous=number - 1,
            following=number + 1,
            has_next=len(found) > ON_A_PAGE and number < LAST_PAGE,
        )

    def person(self) -> AssistanceRequest | None:
        """A request of the person whose requests are asked for, if there is such a one."""
        reference = RequestSearchForm({"q": self.request.GET.get("personne", "")})
        if not reference.is_valid() or not reference.cleaned_data["q"]:
            return None
        return AssistanceRequest.objects.filter(reference=reference.cleaned_data["q"]).first()

    def found(self, form: RequestSearchForm, person: AssistanceRequest | None) -> AssistanceRequestQuerySet:
        """The requests, nothing of them read yet."""
        if person is not None:
            return requests_of_the_person(person)
        if not form.is_valid():
            return AssistanceRequest.objects.none()
        return requests_found(
            agent=self.agent,
            query=form.cleaned_data["q"],
            among=RequestList.named(self.request.GET.get("etat", "")),
            profile=self.request.GET.get("profil", ""),
        )


class RequestView(AgentView, TemplateView):
    """One request: what was typed, whom to call, what matches, what was done."""

    permission_required = AgentPermission.SEE
    template_name = "agents/request.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show it."""
        return self.page(self.found())

    def found(self) -> AssistanceRequest:
        """The request of the address as it is now, its account knowing its state."""
        requests = AssistanceRequest.objects.select_related("taken_by")
        found: AssistanceRequest = get_object_or_404(requests, reference=self.kwargs["reference"].upper())
        if found.account_id is not None:
            found.account = Account.objects.with_lock().get(pk=found.account_id)
        return found

    def page(self, found: AssistanceRequest, *, status: int = 200, **more: Any) -> HttpResponse:
        """The page of that request, and a note that it was shown, by whichever way; `more` takes the place of what it
        usually shows."""
        handling.record_request_opened(request=found, actor=self.agent)
        return self.render_to_response({**self.get_context_data(), **self.facts(found), **more}, status=status)

    def facts(self, found: AssistanceRequest) -> dict[str, Any]:
        """Everything that an agent needs before calling, and the forms of what may be done."""
        account = found.account
        others = AssistanceRequest.objects.of_same_person(found).exclude(pk=found.pk).newest_first()
        return {
            "one": found,
            "account": account,
            "comparison": comparison_of(found),
            "is_identity_shown": False,
            "may_handle": handling.may_handle(self.agent, account),
            "may_reveal": self.may_reveal(found),
            "acts": list(available_actions(account, self.agent)) if account is not None and found.is_open else [],
            "is_mine": found.is_open and found.taken_by_id == self.agent.pk,
            "tries_are_over": account is not None and handling.mismatches_exhausted(account),
            "tries_are_over_words": TRIES_ARE_OVER,
            "others": others[:MOST_OTHERS],
            "story": request_timeline(found),
            **{name: form(auto_id=f"{name}_%s") for name, form in FORMS.items()},
        }

    def may_reveal(self, found: AssistanceRequest) -> bool:
        """Whether the agent may read the birth date or INE: never those of agents (ADM-05)."""
        is_others = found.account is None or may_act_on(self.agent, found.account)
        return is_others and self.agent.has_perm(AgentPermission.REVEAL)


class IdentityView(RequestView):
    """« Afficher »: the birth date or INE, what was typed and what HR knows; once, and noted."""

    permission_required = AgentPermission.REVEAL
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Reading it again asks again."""
        return redirect("admin:request", self.kwargs["reference"])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page of the request with the values."""
        found = self.found()
        if not self.may_reveal(found):
            raise PermissionDenied
        handling.record_identity_read(request=found, actor=self.agent)
        return self.page(found, is_identity_shown=True)


class RequestActionView(RequestView):
    """One act on a request: done, or the page again with why not and all that was typed."""

    permission_required = AgentPermission.WORK_ON_REQUESTS
    http_method_names = ["get", "head", "post"]
    name = ""
    form_class: type[Form] = EmptyForm
    done = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """To the page of the request: only its buttons act."""
        return redirect("admin:request", self.kwargs["reference"])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Act, then show the request."""
        found, form = self.found(), self.form_class(request.POST, auto_id=f"{self.name}_%s")
        if not handling.may_handle(self.agent, found.account):
            raise PermissionDenied
        if not form.is_valid():
            return self.again(found, form)
        try:
            self.act(found, **form.cleaned_data)
        except handling.UnknownAccountName:
            form.add_error("name", form.fields["name"].error_messages["nobody"])
            return self.again(found, form)
        except handling.RequestActionRefused as refusal:
            return self.refused(refusal, form.cleaned_data.get("note", ""))
        if self.done:
            messages.success(request, self.done)
        return redirect("admin:request", found.reference)

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Do it. Raises a HandlingRefused."""
        raise NotImplementedError

    def again(self, found: AssistanceRequest, form: Form) -> HttpResponse:
        """The page with the form as it was sent, and what to correct."""
        shown: dict[str, Any] = {"form": form, self.name: form}
        return self.page(found, **shown)

    def refused(self, refusal: handling.RequestActionRefused, note: str) -> HttpResponse:
        """The page as it is now, and why nothing was done; what was written goes into the note that anybody may add."""
        messages.warning(self.request, words_of(refusal))
        kept = {"note": NoteForm(initial={"note": note}, auto_id="note_%s"), "is_note_kept": True} if note else {}
        return self.page(self.found(), status=409, **kept)


class TakeView(RequestActionView):
    """« Prendre en charge »."""

    name = "take"
    done = "Vous avez pris cette demande en charge."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Take it, unless a colleague was faster."""
        handling.take_request(request=found, actor=self.agent)


class TakeOverView(RequestActionView):
    """« Reprendre cette demande », from a colleague."""

    name = "take_over"
    form_class = TakeOverForm
    done = "Vous avez repris cette demande."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Take it from the colleague who was on the screen, and from nobody else."""
        handling.take_over(request=found, actor=self.agent, **typed)


class HandBackView(RequestActionView):
    """« Rendre à la file »."""

    name = "hand_back"
    done = "La demande attend de nouveau dans la file."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Hand it back."""
        handling.release_request(request=found, actor=self.agent)


class CallView(RequestActionView):
    """« Noter un appel »."""

    name = "call"
    form_class = CallForm
    done = "Appel noté."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Note it."""
        handling.record_call(request=found, actor=self.agent, **typed)


class NoteView(RequestActionView):
    """« Ajouter une note »."""

    name = "note"
    form_class = NoteForm
    done = "Note ajoutée."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Add it."""
        handling.add_note(request=found, actor=self.agent, **typed)


@method_decorator(sensitive_post_parameters("answer"), name="dispatch")
class AnswerView(RequestActionView):
    """« Comparer »: does it match, or not; the value that HR knows is not shown."""

    name = "answer"
    form_class = AnswerForm

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Compare it, and say so on the next page."""
        fact, answer = typed["answer"]
        matches = handling.compare_fact(request=found, actor=self.agent, fact=fact, answer=answer)
        if matches:
            messages.success(self.request, f"{Fact(fact).label}\N{NO-BREAK SPACE}: la réponse concorde. {NO_PROOF}")
        else:
            messages.warning(self.request, f"{Fact(fact).label}\N{NO-BREAK SPACE}: la réponse ne concorde pas.")


class AttachView(RequestActionView):
    """« Rattacher à un compte »."""

    name = "attach"
    form_class = AttachForm
    done = "La demande est rattachée à ce compte."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Attach it."""
        handling.attach_account(request=found, actor=self.agent, **typed)


class CloseView(RequestActionView):
    """« Clore »."""

    name = "close"
    form_class = CloseForm
    done = "Demande close."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Close it."""
        handling.close_request(request=found, actor=self.agent, **typed)


class ReopenView(RequestActionView):
    """« Rouvrir »."""

    name = "reopen"
    done = "La demande est rouverte, et vous vous en occupez."

    def act(self, found: AssistanceRequest, **typed: Any) -> None:
        """Go on with it."""
        handling.reopen_request(request=found, actor=self.agent)


def words_of(refusal: handling.RequestActionRefused) -> str:
    """Why nothing was done, and what to do now."""
    match refusal:
        case handling.AlreadyTaken():
            return f"{short_name(refusal.holder)} a pris cette demande {since_when(refusal.since)}."
        case handling.AlreadyClosed():
            return f"Cette demande a été close {since_when(refusal.closed_at)}."
        case handling.RequestNotTaken():
            return "Personne ne s’occupe de cette demande\N{NO-BREAK SPACE}: prenez-la d’abord en charge."
        case handling.StillOpen():
            return "Cette demande n’est plus close."
        case handling.NothingToCompareWith():
            return "Les RH ne connaissent pas cette information\N{NO-BREAK SPACE}: il n’y a rien à comparer."
        case handling.TooManyMismatches():
            return TRIES_ARE_OVER
        case _:
            return "La demande vient de changer. Relisez-la avant de continuer."
