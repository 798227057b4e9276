"""Publishing the draft of the charter, and deleting it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.functional import cached_property
from django.views.generic import FormView

from accounts.models import Account
from accounts.permissions import AgentPermission
from activation.charter import publishing
from activation.charter.publishing import DraftChanged, NoDraft, TextMissing
from activation.models import Charter
from agents.access import AgentView
from agents.charters.forms import DeletionForm, PublicationForm
from agents.charters.views import preview_context


class DraftActionView(AgentView, FormView):
    permission_required = AgentPermission.PUBLISH_CHARTER
    http_method_names = ["get", "head", "post"]

    @cached_property
    def draft(self) -> Charter:
        drafts = Charter.objects.select_related("saved_by").filter(published_at__isnull=True)
        draft = drafts.filter(pk=self.kwargs["pk"]).first()
        if draft is None:
            raise NoDraft
        return draft

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except NoDraft:
            return redirect_to_list(request, self.kwargs["pk"])


def redirect_to_list(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what became of the former draft `pk`."""
    charter = Charter.objects.select_related("published_by").filter(pk=pk).first()
    by = f" par {charter.published_by}" if charter is not None and charter.published_by else ""
    messages.info(request, f"La version {charter} est déjà publiée{by}." if charter else "Ce brouillon n’existe plus.")
    return redirect("admin:charters")


class PublishCharterView(DraftActionView):
    form_class = PublicationForm
    template_name = "agents/charter_publish.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form only for the text of the preview, which passes its fingerprint as `?lu=`."""
        if request.GET.get("lu") == self.draft.fingerprint:
            return super().get(request, *args, **kwargs)
        messages.warning(request, "Relisez le brouillon tel qu’il est maintenant, puis publiez-le.")
        return redirect("admin:charter-preview", self.draft.pk)

    def get_initial(self) -> dict[str, Any]:
        return {"read": self.draft.fingerprint}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        people = Account.objects.active().count()
        return super().get_context_data(**{"charter": self.draft, "people": people, **kwargs})

    def form_valid(self, form: PublicationForm) -> HttpResponse:
        data = form.cleaned_data
        try:
            charter = publishing.publish(
                charter_id=self.draft.pk, read=data["read"], summary=data["summary"], actor=self.agent
            )
        except DraftChanged as changed:
            return self.conflict(form, changed.draft)
        except TextMissing:
            messages.warning(self.request, "Il manque un texte\N{NO-BREAK SPACE}: complétez le brouillon.")
            return redirect("admin:charter-preview", self.draft.pk)
        messages.success(self.request, f"La version {charter} est publiée et en vigueur.")
        return redirect("admin:charters")

    def conflict(self, form: PublicationForm, draft: Charter) -> HttpResponse:
        """The draft is not the text that was read: show it, with the same form below."""
        form.set_read(draft.fingerprint)
        form.add_error(None, "Le brouillon a changé depuis votre aperçu. Relisez-le ci-dessous avant de publier")
        return self.render_to_response(self.get_context_data(form=form, has_changed=True, **preview_context(draft)))


class DeleteCharterView(DraftActionView):
    form_class = DeletionForm
    template_name = "agents/charter_delete.html"

    def get_initial(self) -> dict[str, Any]:
        return {"seen": self.draft.fingerprint}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"charter": self.draft, **kwargs})

    def form_valid(self, form: DeletionForm) -> HttpResponse:
        try:
            publishing.delete_draft(charter_id=self.draft.pk, seen=form.cleaned_data["seen"], actor=self.agent)
        except DraftChanged:
            messages.warning(self.request, "Le brouillon a changé entre-temps. Voyez-le avant de le supprimer.")
            return redirect("admin:charter-preview", self.draft.pk)
        messages.success(self.request, f"Le brouillon {self.draft} est supprimé.")
        return redirect("admin:charters")
