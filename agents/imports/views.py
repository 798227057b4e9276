"""Upload an HR file, preview it, confirm it, read its report."""

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
from agents.imports.presenters import counts, good_rows, look_alikes, sections, summarize, would_write
from hr_feed.columns import optional_columns, required_columns
from hr_feed.models import HrImport, ImportState
from hr_feed.uploads import services
from hr_feed.uploads.sanity_checks import failed_checks

MAX_LISTED = 50
BOM = "\ufeff"

TOO_LATE = "Ce n’est plus possible\N{NO-BREAK SPACE}: voici où en est le fichier."


class ImportsView(AgentView, FormView):
    permission_required = AgentPermission.IMPORT
    http_method_names = ["get", "head", "post"]
    form_class = HrFileForm
    template_name = "agents/imports.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        imports = HrImport.objects.light().select_related("uploaded_by").order_by("-uploaded_at")[:MAX_LISTED]
        return super().get_context_data(
            **kwargs,
            imports=[(one, summarize(one)) for one in imports],
            required_columns=required_columns(),
            optional_columns=optional_columns(),
            largest=settings.HR_FILE_LARGEST_MB,
        )

    def form_valid(self, form: HrFileForm) -> HttpResponse:
        file = form.cleaned_data["file"]
        try:
            hr_import = services.store_upload(file=file, name=file.name, agent=self.agent)
        except services.DuplicateFile as already:
            messages.info(self.request, "Ce fichier est déjà là\N{NO-BREAK SPACE}: rien n’a été envoyé deux fois.")
            return redirect("admin:import", already.hr_import.pk)
        messages.success(self.request, "Le fichier est reçu. Rien n’est écrit avant que vous ayez vu l’aperçu.")
        return redirect("admin:import", hr_import.pk)


class ImportView(AgentView, TemplateView):
    permission_required = AgentPermission.IMPORT
    template_name = "agents/import.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        facts = import_context(self.hr_import())
        return super().get_context_data(**{**facts, "form": approval_form(facts), **kwargs})

    def hr_import(self) -> HrImport:
        imports = HrImport.objects.defer("report").select_related("uploaded_by", "approved_by")
        return get_object_or_404(imports, pk=self.kwargs["pk"])


class ApprovalView(ImportView):
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = approval_form(import_context(self.hr_import()), data=request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        try:
            distinct = form.cleaned_data.get("distinct", [])
            services.approve(pk=self.kwargs["pk"], agent=self.agent, distinct=distinct)
        except services.ImportAlreadyRunning:
            messages.warning(
                request, "Un autre fichier est en cours d’import. Confirmez celui-ci quand il sera terminé."
            )
        except services.StaleImport:
            messages.info(request, TOO_LATE)
        else:
            messages.success(request, "L’import est lancé. Vous pouvez quitter cette page, il continue.")
        return redirect("admin:import", self.kwargs["pk"])


class AbandonmentView(ImportView):
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            services.abandon(pk=self.hr_import().pk, agent=self.agent)
        except services.StaleImport:
            messages.info(request, TOO_LATE)
            return redirect("admin:import", self.kwargs["pk"])
        messages.success(request, "Le fichier est abandonné et son contenu est effacé.")
        return redirect("admin:imports")


class ResumptionView(ImportView):
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            services.resume(pk=self.hr_import().pk, agent=self.agent)
        except services.StaleImport:
            messages.info(request, TOO_LATE)
        else:
            messages.success(request, "Le traitement reprend. Ce qui était déjà importé ne l’est pas deux fois.")
        return redirect("admin:import", self.kwargs["pk"])


class ProgressView(ImportView):
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        hr_import = get_object_or_404(HrImport.objects.light(), pk=self.kwargs["pk"])
        facts = {"over": not hr_import.is_expected, "done": hr_import.lines_done, "total": hr_import.lines_total}
        return JsonResponse(facts)


class ReportView(ImportView):
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        hr_import = get_object_or_404(HrImport.objects.exclude(report=""), pk=self.kwargs["pk"])
        services.record_report_download(hr_import=hr_import, agent=self.agent)
        response = HttpResponse(BOM + hr_import.report, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, f"import-rh-{hr_import.pk}.csv")
        return response


def import_context(hr_import: HrImport) -> dict[str, Any]:
    return {
        "import": hr_import,
        "states": ImportState,
        "counts": counts(hr_import),
        "sections": sections(hr_import),
        "doubts": failed_checks(hr_import.foreseen),
        "earlier": earlier_import(hr_import),
        "would_write": would_write(hr_import),
        "good_rows": good_rows(hr_import),
        "look_alikes": look_alikes(hr_import),
    }


def earlier_import(hr_import: HrImport) -> HrImport | None:
    """The last import of the same content."""
    same = HrImport.objects.light().filter(sha256=hr_import.sha256, state=ImportState.DONE).exclude(pk=hr_import.pk)
    return same.order_by("-ended_at").first() if hr_import.state == ImportState.PREVIEWED else None


def approval_form(facts: dict[str, Any], **kwargs: Any) -> ApprovalForm:
    is_ordinary = not facts["doubts"] and facts["earlier"] is None
    return ApprovalForm(is_ordinary=is_ordinary, look_alikes=facts["look_alikes"], **kwargs)
