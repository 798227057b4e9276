"""The HR file: sent, looked at before anything is written, imported, reported; for Responsables."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import content_disposition_header
from django.views.generic import FormView, TemplateView

from accounts.permissions import AgentPermission
from agents.access import AgentView
from agents.imports.forms import ApprovalForm, HrFileForm
from agents.imports.presenters import counts, good_rows, result, sections, would_write
from hr_feed.columns import optional_columns, required_columns
from hr_feed.models import HrImport, ImportState
from hr_feed.uploads import services as receiving
from hr_feed.uploads.sanity_checks import failed_checks

ON_THE_LIST = 50
#: Tells spreadsheets that the text is UTF-8.
BOM = "\ufeff"

TOO_LATE = "Ce n’est plus possible\N{NO-BREAK SPACE}: voici où en est le fichier."


class ImportsView(AgentView, FormView):
    """Send a file; the last ones."""

    permission_required = AgentPermission.IMPORT
    http_method_names = ["get", "head", "post"]
    form_class = HrFileForm
    template_name = "agents/imports.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The last files, and what one has to look like."""
        imports = HrImport.objects.light().select_related("uploaded_by").order_by("-uploaded_at")[:ON_THE_LIST]
        return super().get_context_data(
            **kwargs,
            imports=[(one, result(one)) for one in imports],
            required_columns=required_columns(),
            optional_columns=optional_columns(),
            largest=settings.HR_FILE_LARGEST_MB,
        )

    def form_valid(self, form: HrFileForm) -> HttpResponse:
        """On to its preview."""
        file = form.cleaned_data["file"]
        try:
            hr_import = receiving.store_upload(file=file, name=file.name, agent=self.agent)
        except receiving.DuplicateFile as already:
            messages.info(self.request, "Ce fichier est déjà là\N{NO-BREAK SPACE}: rien n’a été envoyé deux fois.")
            return redirect("admin:import", already.hr_import.pk)
        messages.success(self.request, "Le fichier est reçu. Rien n’est écrit avant que vous ayez vu l’aperçu.")
        return redirect("admin:import", hr_import.pk)


class ImportView(AgentView, TemplateView):
    """One file: how far it is, what it would do, what it has done."""

    permission_required = AgentPermission.IMPORT
    template_name = "agents/import.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What there is to look at in its state."""
        facts = shown(self.hr_import())
        return super().get_context_data(**{**facts, "form": approval_form(facts), **kwargs})

    def hr_import(self) -> HrImport:
        """The file of the address."""
        imports = HrImport.objects.defer("report").select_related("uploaded_by", "approved_by")
        return get_object_or_404(imports, pk=self.kwargs["pk"])


class ApprovalView(ImportView):
    """« Importer »."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Have it imported; twice is once."""
        form = approval_form(shown(self.hr_import()), data=request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        try:
            receiving.approve(pk=self.kwargs["pk"], agent=self.agent)
        except receiving.ImportAlreadyRunning:
            messages.warning(
                request, "Un autre fichier est en cours d’import. Confirmez celui-ci quand il sera terminé."
            )
        except receiving.StaleImport:
            messages.info(request, TOO_LATE)
        else:
            messages.success(request, "L’import est lancé. Vous pouvez quitter cette page, il continue.")
        return redirect("admin:import", self.kwargs["pk"])


class AbandonmentView(ImportView):
    """« Abandonner »."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Delete the content."""
        try:
            receiving.abandon(pk=self.hr_import().pk, agent=self.agent)
        except receiving.StaleImport:
            messages.info(request, TOO_LATE)
            return redirect("admin:import", self.kwargs["pk"])
        messages.success(request, "Le fichier est abandonné et son contenu est effacé.")
        return redirect("admin:imports")


class ResumptionView(ImportView):
    """« Reprendre »."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Have the worker try again."""
        try:
            receiving.resume(pk=self.hr_import().pk, agent=self.agent)
        except receiving.StaleImport:
            messages.info(request, TOO_LATE)
        else:
            messages.success(request, "Le traitement reprend. Ce qui était déjà importé ne l’est pas deux fois.")
        return redirect("admin:import", self.kwargs["pk"])


class ProgressView(ImportView):
    """What the page asks now and then while it is open."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """`over` once there is something new to look at, and the lines that are done."""
        hr_import = get_object_or_404(HrImport.objects.light(), pk=self.kwargs["pk"])
        facts = {"over": not hr_import.is_expected, "done": hr_import.lines_done, "total": hr_import.lines_total}
        return JsonResponse(facts)


class ReportView(ImportView):
    """« Télécharger le compte rendu »: each problem by its line, for a spreadsheet."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The file; that it was taken is in the journal."""
        hr_import = get_object_or_404(HrImport.objects.exclude(report=""), pk=self.kwargs["pk"])
        receiving.record_report_download(hr_import=hr_import, agent=self.agent)
        response = HttpResponse(BOM + hr_import.report, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, f"import-rh-{hr_import.pk}.csv")
        return response


def shown(hr_import: HrImport) -> dict[str, Any]:
    """The file, and what an agent has to know before saying yes."""
    return {
        "import": hr_import,
        "states": ImportState,
        "counts": counts(hr_import),
        "sections": sections(hr_import),
        "doubts": failed_checks(hr_import.foreseen),
        "earlier": earlier_import(hr_import),
        "would_write": would_write(hr_import),
        "good_rows": good_rows(hr_import),
    }


def earlier_import(hr_import: HrImport) -> HrImport | None:
    """The last import of the very same content."""
    same = HrImport.objects.light().filter(sha256=hr_import.sha256, state=ImportState.DONE).exclude(pk=hr_import.pk)
    return same.order_by("-ended_at").first() if hr_import.state == ImportState.PREVIEWED else None


def approval_form(facts: dict[str, Any], **kwargs: Any) -> ApprovalForm:
    """With a box to tick unless everything is as usual."""
    return ApprovalForm(is_ordinary=not facts["doubts"] and facts["earlier"] is None, **kwargs)
