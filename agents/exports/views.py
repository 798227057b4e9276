"""Export a list as a CSV file, for a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.forms import Form
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import FormView

from accounts.models import Account
from accounts.permissions import AgentPermission
from agents.access import AgentView
from agents.accounts.forms import AccountSearchForm
from agents.accounts.search import AccountList, search_all_accounts
from agents.exports import csv_export
from agents.exports.csv_export import MAX_ROWS, Table, TooManyRows
from agents.exports.forms import ExportForm
from agents.journal.forms import JournalForm
from agents.requests.filters import RequestList, requests_of_same_person, search_requests
from agents.requests.forms import RequestSearchForm
from agents.templatetags.agents import masked
from assistance.enums import Profile
from assistance.models import AssistanceRequest

AnyForm = TypeVar("AnyForm", bound=Form)
COLON = "\N{NO-BREAK SPACE}: "


@dataclass(frozen=True, slots=True)
class ExportSelection:
    table: Table
    filters: Sequence[str] = ()
    account: Account | None = None


class InvalidFilter(Exception):
    pass


class ExportView(AgentView, FormView):
    """Its URL has the filters of the list."""

    permission_required = AgentPermission.EXPORT
    http_method_names = ["get", "head", "post"]
    form_class = ExportForm
    template_name = "agents/export.html"
    heading: str
    list_page: str
    file_name: str

    @cached_property
    def selection(self) -> ExportSelection:
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except InvalidFilter:
            return redirect(self.list_url)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = self.selection.table.length()
        return super().get_context_data(
            **kwargs,
            selection=self.selection,
            size=line_count(rows),
            is_too_long=rows > MAX_ROWS,
            largest=line_count(MAX_ROWS),
        )

    def form_valid(self, form: ExportForm) -> Any:
        selection = self.selection
        try:
            file = csv_export.export(
                table=selection.table,
                actor=self.agent,
                reason=form.cleaned_data["reason"],
                filters=selection.filters,
                account=selection.account,
            )
        except TooManyRows:
            return self.render_to_response(self.get_context_data(form=form))
        name = f"{self.file_name}-{timezone.localdate():%Y-%m-%d}.csv"
        return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")

    @property
    def list_url(self) -> str:
        query = self.request.GET.urlencode()
        return f"{reverse(self.list_page)}?{query}" if query else reverse(self.list_page)


class JournalExportView(ExportView):
    heading, list_page, file_name = "Exporter le journal", "admin:journal", "journal"

    @cached_property
    def selection(self) -> ExportSelection:
        wanted = validated(JournalForm(self.request.GET)).query
        return ExportSelection(csv_export.journal_table(wanted.entries()), wanted.describe(), wanted.account)


class AccountsExportView(ExportView):
    heading, list_page, file_name = "Exporter les comptes", "admin:accounts", "comptes"

    @cached_property
    def selection(self) -> ExportSelection:
        query = validated(AccountSearchForm(self.request.GET)).cleaned_data["q"]
        among = AccountList.named(self.request.GET.get("etat", ""))
        found = search_all_accounts(query=query, among=among)
        state = [f"État{COLON}{among.label}"] if among is not AccountList.ALL else []
        return ExportSelection(csv_export.accounts_table(found), [*described_search(query), *state])


class RequestsExportView(ExportView):
    heading, list_page, file_name = "Exporter les demandes", "admin:requests", "demandes"

    @cached_property
    def selection(self) -> ExportSelection:
        asked = self.request.GET
        reference = validated(RequestSearchForm({"q": asked.get("personne", "")})).cleaned_data["q"]
        person = AssistanceRequest.objects.filter(reference=reference).first() if reference else None
        if person is not None:
            found = requests_of_same_person(person)
            return ExportSelection(csv_export.requests_table(found), [f"Personne de la demande{COLON}{reference}"])
        query, profile = validated(RequestSearchForm(asked)).cleaned_data["q"], asked.get("profil", "")
        among = RequestList.named(asked.get("etat", ""))
        found = search_requests(agent=self.agent, query=query, among=among, profile=profile)
        of_profile = [f"Profil{COLON}{Profile(profile).label}"] if profile in Profile.values else []
        filters = [*described_search(query), f"État{COLON}{among.label}", *of_profile]
        return ExportSelection(csv_export.requests_table(found), filters)


def validated(form: AnyForm) -> AnyForm:
    if not form.is_valid():
        raise InvalidFilter
    return form


def described_search(query: str) -> list[str]:
    """Email addresses are masked."""
    if not query:
        return []
    return [f"Recherche{COLON}{masked(query) if '@' in query else query}"]


def line_count(number: int) -> str:
    spaced = f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")
    return f"{spaced}\N{NO-BREAK SPACE}ligne{'s' if number > 1 else ''}"
