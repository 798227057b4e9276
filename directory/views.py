"""Pages of the public directory: searching it, being in it or not."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import FormView, TemplateView

from accounts.models import Account
from core.rate_limits import DIRECTORY_SEARCHES
from directory.forms import LONGEST_QUERY, YES, DirectoryForm, SearchForm, answer_of
from directory.models import DirectoryConsent
from directory.search import MOST_PEOPLE, find_people
from directory.services import change_directory_consent

PEOPLE_ON_A_PAGE = 20


@method_decorator(login_not_required, name="dispatch")
class DirectoryView(TemplateView):
    http_method_names = ["get", "head", "options"]
    template_name = "directory/search.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "q" not in request.GET:
            return self._empty_form()
        # What is longer is refused anyway: nothing is to be done with a hundred thousand characters.
        form = SearchForm({"q": request.GET["q"][: LONGEST_QUERY + 1]})
        found = self._found(form) if form.is_valid() else {}
        return self.render_to_response(self.get_context_data(form=form, **found))

    def _empty_form(self) -> HttpResponse:
        is_indexed = settings.DIRECTORY_INDEXED
        headers = {"X-Robots-Tag": "all"} if is_indexed else None
        context = self.get_context_data(form=SearchForm(), is_indexed=is_indexed)
        return self.render_to_response(context, headers=headers)

    def _found(self, form: SearchForm) -> dict[str, Any]:
        DIRECTORY_SEARCHES.hit()
        query = form.cleaned_data["q"]
        found = find_people(query)
        page = Paginator(found.people, PEOPLE_ON_A_PAGE).get_page(self.request.GET.get("page"))
        return {"query": query, "found": found, "page": page, "most_people": MOST_PEOPLE}


class DirectoryChoiceView(FormView):
    """Be listed or not: the same page and the same clicks for both."""

    http_method_names = ["get", "head", "post", "options"]
    #: Withdrawing is a right, whatever charter waits to be accepted.
    open_without_charter = True
    form_class = DirectoryForm
    template_name = "directory/consent.html"
    success_url = reverse_lazy("account")

    @property
    def _account(self) -> Account:
        return cast(Account, self.request.user)

    @cached_property
    def _decision(self) -> DirectoryConsent | None:
        return DirectoryConsent.objects.current(self._account)

    def get_initial(self) -> dict[str, Any]:
        return {**super().get_initial(), **answer_of(self._decision)}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, account=self._account, decision=self._decision)

    def form_valid(self, form: DirectoryForm) -> HttpResponse:
        listed, wording = form.cleaned_data["listed"] == YES, form.cleaned_data["wording"]
        change_directory_consent(account=self._account, listed=listed, wording=wording)
        messages.success(
            self.request,
            _("Enregistré\N{NO-BREAK SPACE}: vous figurez dans l’annuaire public.")
            if listed
            else _("Enregistré\N{NO-BREAK SPACE}: vous ne figurez pas dans l’annuaire public."),
        )
        return super().form_valid(form)
