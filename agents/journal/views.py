"""Read the journal. Filtering by account writes an entry."""

from typing import Any

from django.views.generic import TemplateView

from accounts.permissions import AgentPermission
from agents.access import AgentView
from agents.audit import record_journal_read
from agents.journal.filters import JournalPage, JournalQuery, PageCursor, after, before, newest
from agents.journal.formatting import corrections_of, facts_of
from agents.journal.forms import JournalForm
from journal.models import JournalEntry

#: An entry, and its facts with their labels.
Line = tuple[JournalEntry, list[tuple[str, str]]]


class JournalView(AgentView, TemplateView):
    permission_required = AgentPermission.SEE
    template_name = "agents/journal.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = JournalForm(self.request.GET)
        page = self._page(form.query) if form.is_valid() else None
        return super().get_context_data(**kwargs, form=form, page=page, lines=_lines(page) if page else [])

    def _page(self, query: JournalQuery) -> JournalPage:
        if query.account is not None:
            record_journal_read(account=query.account, actor=self.agent)
        entries, asked = query.entries(), self.request.GET
        if mark := PageCursor.read(asked.get("avant", "")):
            return before(mark, entries)
        if mark := PageCursor.read(asked.get("apres", "")):
            return after(mark, entries)
        return newest(entries)


def _lines(page: JournalPage) -> list[Line]:
    corrections = corrections_of(page.entries)
    return [(entry, facts_of(entry, corrections)) for entry in page.entries]
