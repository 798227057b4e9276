"""The versions of the charter with their acceptances, and the preview of the draft."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import TemplateView

from accounts.permissions import AgentPermission
from activation.charter import publishing
from activation.charter.diff import differences, review_draft
from activation.models import Charter
from agents.access import AgentView

TEXT_LABELS = {
    "key_points_fr": "L’essentiel, en français",
    "text_fr": "Texte complet, en français",
    "key_points_en": "L’essentiel, en anglais",
    "text_en": "Texte complet, en anglais",
}


@dataclass(frozen=True, slots=True)
class CharterRow:
    charter: Charter
    accepted: int
    is_in_force: bool
    is_for_later: bool


class ChartersView(AgentView, TemplateView):
    permission_required = AgentPermission.SEE
    template_name = "agents/charters.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        # Not paginated: there is one version a year.
        charters = list(Charter.objects.newest_first())
        accepted, now = publishing.acceptances_by_version(), timezone.now()
        in_force = next((one for one in charters if one.published_at and one.published_at <= now), None)
        versions = [
            CharterRow(one, accepted.get(one.pk, 0), one == in_force, bool(one.published_at and one.published_at > now))
            for one in charters
        ]
        return super().get_context_data(
            **kwargs,
            versions=versions,
            in_force=in_force,
            draft=next((one for one in charters if one.is_draft), None),
            waiting=publishing.still_to_accept(in_force) if in_force else None,
        )


class AgentCharterPage(AgentView):
    permission_required = AgentPermission.SEE

    @cached_property
    def charter(self) -> Charter:
        charters: QuerySet[Charter] = Charter.objects.select_related("saved_by", "published_by")
        return get_object_or_404(charters, pk=self.kwargs["pk"])


class CharterView(AgentCharterPage, TemplateView):
    template_name = "agents/charter.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.charter.is_draft:
            return redirect("admin:charter-preview", self.charter.pk)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs,
            charter=self.charter,
            review=review_draft(self.charter),
            accepted=self.charter.acceptances.count(),
            accepted_this_week=publishing.acceptances_of_the_week(self.charter),
        )


class CharterPreviewView(AgentCharterPage, TemplateView):
    template_name = "agents/charter_preview.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.charter.is_draft:
            return redirect("admin:charter", self.charter.pk)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, **preview_context(self.charter))


def preview_context(draft: Charter) -> dict[str, Any]:
    """What a template needs to show a draft and what it changes."""
    in_force = Charter.objects.published().first()
    return {
        "charter": draft,
        "review": review_draft(draft),
        "in_force": in_force,
        "differences": described_differences(in_force, draft) if in_force else [],
    }


def described_differences(before: Charter, after: Charter) -> list[dict[str, Any]]:
    return [
        {
            "label": TEXT_LABELS[name],
            "language": name[-2:],
            "changes": one.changes,
            "removed": sum(len(change.removed) for change in one.changes or ()),
            "added": sum(len(change.added) for change in one.changes or ()),
            "unchanged": one.unchanged,
        }
        for name, one in differences(before=before, after=after).items()
    ]
