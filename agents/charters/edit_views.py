"""The editor of the charter, and the autosave of what is typed into it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import FormView

from accounts.permissions import AgentPermission
from activation.charter import publishing
from activation.charter.publishing import DraftChanged, DraftExists, NoDraft, VersionTaken
from activation.models import Charter
from agents.access import AgentView
from agents.charters.forms import CharterDraftForm
from agents.charters.publish_views import redirect_to_list
from agents.charters.views import described_differences
from core.templatetags.dates import past_datetime

NBSP = "\N{NO-BREAK SPACE}"
NAME_TAKEN = "Une version porte déjà ce nom. Choisissez-en un autre"
INVALID, CONFLICT = 400, 409


class CharterFormView(AgentView, FormView):
    """Whatever stops a save, the typed text stays on the page."""

    permission_required = AgentPermission.PUBLISH_CHARTER
    http_method_names = ["get", "head", "post"]
    form_class = CharterDraftForm
    template_name = "agents/charter_edit.html"

    def saved(self, draft: Charter) -> HttpResponse:
        messages.success(self.request, "Brouillon enregistré.")
        return redirect("admin:charter-preview", draft.pk)

    def refused(self, form: CharterDraftForm, field: str | None, why: str, **context: Any) -> HttpResponse:
        form.add_error(field, why)
        return self.render_to_response(self.get_context_data(form=form, **context))


class NewCharterView(CharterFormView):
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        draft = Charter.objects.filter(published_at__isnull=True).first()
        if draft is None:
            return super().get(request, *args, **kwargs)
        messages.info(request, f"Un brouillon existe déjà{NBSP}: le voici.")
        return redirect("admin:charter-edit", draft.pk)

    def get_initial(self) -> dict[str, Any]:
        """The month as a name, and the texts of the version in force unless `?vide` is asked for."""
        if self.request.method == "POST":
            return {}
        in_force = Charter.objects.published().first()
        month = f"{timezone.localdate():%Y-%m}"
        version = "" if Charter.objects.filter(version=month).exists() else month
        if in_force is None or "vide" in self.request.GET:
            return {"version": version}
        return {"version": version, **{name: getattr(in_force, name) for name in Charter.TEXTS}}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"autosave_url": reverse("admin:charter-new-autosave"), **kwargs})

    def form_valid(self, form: CharterDraftForm) -> HttpResponse:
        try:
            draft = publishing.start_draft(version=form.cleaned_data["version"], texts=form.texts, actor=self.agent)
        except VersionTaken:
            return self.refused(form, "version", NAME_TAKEN)
        except DraftExists as other:
            why = f"Un brouillon, «{NBSP}{other.draft}{NBSP}», existe déjà. Publiez-le ou supprimez-le d’abord"
            return self.refused(form, None, why, other_draft=other.draft, autosave_url=None)
        return self.saved(draft)


class EditCharterView(CharterFormView):
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.draft is None:
            return redirect_to_list(request, self.kwargs["pk"])
        return super().get(request, *args, **kwargs)

    @cached_property
    def draft(self) -> Charter | None:
        drafts = Charter.objects.select_related("saved_by").filter(published_at__isnull=True)
        return drafts.filter(pk=self.kwargs["pk"]).first()

    def get_initial(self) -> dict[str, Any]:
        if self.request.method == "POST" or self.draft is None:
            return {}
        texts = {name: getattr(self.draft, name) for name in Charter.TEXTS}
        return {"seen": self.draft.fingerprint, "version": self.draft.version, **texts}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        autosave_url = reverse("admin:charter-autosave", args=[self.kwargs["pk"]])
        return super().get_context_data(**{"draft": self.draft, "autosave_url": autosave_url, **kwargs})

    def form_valid(self, form: CharterDraftForm) -> HttpResponse:
        try:
            draft = publishing.save_draft(charter_id=self.kwargs["pk"], actor=self.agent, **form.edit)
        except VersionTaken:
            return self.refused(form, "version", NAME_TAKEN)
        except DraftChanged as changed:
            return self.conflict(form, changed.draft)
        except NoDraft:
            return self.gone(form)
        return self.saved(draft)

    def form_invalid(self, form: CharterDraftForm) -> HttpResponse:
        return super().form_invalid(form) if self.draft is not None else self.gone(form)

    def conflict(self, form: CharterDraftForm, theirs: Charter) -> HttpResponse:
        """Show both texts: saving again then replaces what the other agent saved, knowingly."""
        typed = Charter(version=form.cleaned_data["version"], **form.texts)
        form.set_seen(theirs.fingerprint)
        why = "Un autre agent a enregistré le brouillon pendant que vous écriviez. Rien n’est perdu"
        differences = described_differences(theirs, typed)
        return self.refused(form, None, why, theirs=theirs, differences=differences, autosave_url=None)

    def gone(self, form: CharterDraftForm) -> HttpResponse:
        """Show what was typed, to be saved as another draft."""
        published = Charter.objects.select_related("published_by").filter(pk=self.kwargs["pk"]).first()
        context = {"gone": True, "published": published, "draft": None, "autosave_url": None}
        return self.render_to_response(self.get_context_data(form=form, **context))


class NewCharterAutosaveView(AgentView, FormView):
    """Saves the form for the script of the editor and answers in JSON.

    400: the text is not valid yet. 409: saving by the button will show why.
    """

    permission_required = AgentPermission.PUBLISH_CHARTER
    http_method_names = ["post"]
    form_class = CharterDraftForm

    def save(self, form: CharterDraftForm) -> Charter:
        return publishing.start_draft(version=form.cleaned_data["version"], texts=form.texts, actor=self.agent)

    def form_valid(self, form: CharterDraftForm) -> HttpResponse:
        try:
            draft = self.save(form)
        except VersionTaken:
            return _not_saved(f"{NAME_TAKEN}.", INVALID)
        except DraftExists:
            return _not_saved(f"Un brouillon existe déjà. {SAVE_TO_SEE}", CONFLICT)
        except DraftChanged:
            return _not_saved(f"Un autre agent a enregistré le brouillon. {SAVE_TO_SEE}", CONFLICT)
        except NoDraft:
            return _not_saved(f"Ce brouillon a été publié ou supprimé. {SAVE_TO_SEE}", CONFLICT)
        assert draft.saved_at is not None
        return JsonResponse(
            {
                "message": f"Brouillon enregistré automatiquement le {past_datetime(draft.saved_at)}.",
                "seen": draft.fingerprint,
                "edit": reverse("admin:charter-edit", args=[draft.pk]),
                "autosave": reverse("admin:charter-autosave", args=[draft.pk]),
            }
        )

    def form_invalid(self, form: CharterDraftForm) -> HttpResponse:
        return _not_saved(f"{next(iter(form.errors.values()))[0]}.", INVALID)


class CharterAutosaveView(NewCharterAutosaveView):
    def save(self, form: CharterDraftForm) -> Charter:
        return publishing.autosave_draft(charter_id=self.kwargs["pk"], actor=self.agent, **form.edit)


SAVE_TO_SEE = f"Votre texte n’est plus enregistré automatiquement{NBSP}: utilisez le bouton, rien n’est perdu."


def _not_saved(why: str, status: int) -> JsonResponse:
    return JsonResponse({"message": f"Pas encore enregistré. {why}"}, status=status)
