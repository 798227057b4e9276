"""Taking a list away as a CSV file, with a reason: for Responsables (ADM-07)."""

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
from agents.accounts.search import AccountList, every_account_found
from agents.exports import csv_export as exporting
from agents.exports.csv_export import MOST_ROWS, Table, TooManyRows
from agents.exports.forms import ExportForm
from agents.journal.forms import JournalForm
from agents.requests.filters import RequestList, requests_found, requests_of_the_person
from agents.requests.forms import RequestSearchForm
from agents.templatetags.agents import masked
from assistance.enums import Profile
from assistance.models import AssistanceRequest

AnyForm = TypeVar("AnyForm", bound=Form)
COLON = "\N{NO-BREAK SPACE}: "


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the filters of the address let through, and these filters in words; `account`, when all is about one."""

    table: Table
    filters: Sequence[str] = ()
    account: Account | None = None


class WrongFilter(Exception):
    """The address asks for what is no list."""


class ExportView(AgentView, FormView):
    """Asks for the reason, and answers with the file. Its address has the filters of the list."""

    permission_required = AgentPermission.EXPORT
    http_method_names = ["get", "head", "post"]
    form_class = ExportForm
    template_name = "agents/export.html"
    heading: str
    #: Name of the page with the list.
    list_page: str
    file_name: str

    @cached_property
    def chosen(self) -> Chosen:
        """What was asked for. Raises WrongFilter."""
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As every page of the agents; the list says what is wrong with a filter."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except WrongFilter:
            return redirect(self.list_url)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the file will have."""
        rows = self.chosen.table.length()
        return super().get_context_data(
            **kwargs, chosen=self.chosen, size=lines(rows), is_too_long=rows > MOST_ROWS, largest=lines(MOST_ROWS)
        )

    def form_valid(self, form: ExportForm) -> Any:
        """Send the file; or show the page again, which says that the list is too long."""
        chosen = self.chosen
        try:
            file = exporting.export(
                table=chosen.table,
                actor=self.agent,
                reason=form.cleaned_data["reason"],
                filters=chosen.filters,
                account=chosen.account,
            )
        except TooManyRows:
            return self.render_to_response(self.get_context_data(form=form))
        name = f"{self.file_name}-{timezone.localdate():%Y-%m-%d}.csv"
        return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")

    @property
    def list_url(self) -> str:
        """The list with its filters."""
        query = self.request.GET.urlencode()
        return f"{reverse(self.list_page)}?{query}" if query else reverse(self.list_page)


class JournalExportView(ExportView):
    """The journal."""

    heading, list_page, file_name = "Exporter le journal", "admin:journal", "journal"

    @cached_property
    def chosen(self) -> Chosen:
        """The entries."""
        wanted = valid(JournalForm(self.request.GET)).wanted
        return Chosen(exporting.journal_table(wanted.entries()), wanted.in_words(), wanted.account)


class AccountsExportView(ExportView):
    """The list of accounts."""

    heading, list_page, file_name = "Exporter les comptes", "admin:accounts", "comptes"

    @cached_property
    def chosen(self) -> Chosen:
        """The accounts; all those found, not only those that can be looked through."""
        query = valid(AccountSearchForm(self.request.GET)).cleaned_data["q"]
        among = AccountList.named(self.request.GET.get("etat", ""))
        found = every_account_found(query=query, among=among)
        state = [f"État{COLON}{among.label}"] if among is not AccountList.ALL else []
        return Chosen(exporting.accounts_table(found), [*searched(query), *state])


class RequestsExportView(ExportView):
    """The requests for assistance."""

    heading, list_page, file_name = "Exporter les demandes", "admin:requests", "demandes"

    @cached_property
    def chosen(self) -> Chosen:
        """The requests, as the page lists them."""
        asked = self.request.GET
        reference = valid(RequestSearchForm({"q": asked.get("personne", "")})).cleaned_data["q"]
        person = AssistanceRequest.objects.filter(reference=reference).first() if reference else None
        if person is not None:
            found = requests_of_the_person(person)
            return Chosen(exporting.requests_table(found), [f"Personne de la demande{COLON}{reference}"])
        query, profile = valid(RequestSearchForm(asked)).cleaned_data["q"], asked.get("profil", "")
        among = RequestList.named(asked.get("etat", ""))
        found = requests_found(agent=self.agent, query=query, among=among, profile=profile)
        of_profile = [f"Profil{COLON}{Profile(profile).label}"] if profile in Profile.values else []
        filters = [*searched(query), f"État{COLON}{among.label}", *of_profile]
        return Chosen(exporting.requests_table(found), filters)


def valid(form: AnyForm) -> AnyForm:
    """The form; raises WrongFilter when something in it is wrong."""
    if not form.is_valid():
        raise WrongFilter
    return form


def searched(query: str) -> list[str]:
    """The search in words, without an address in clear."""
    if not query:
        return []
    return [f"Recherche{COLON}{masked(query) if '@' in query else query}"]


def lines(number: int) -> str:
    """« 12 345 lignes »."""
    spaced = f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")
    return f"{spaced}\N{NO-BREAK SPACE}ligne{'s' if number > 1 else ''}"
