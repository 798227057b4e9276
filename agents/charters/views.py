"""The charter: its versions and who accepted them, the draft and its preview, the publication (PRV-01)."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import FormView, TemplateView, View

from accounts.models import Account
from accounts.permissions import AgentPermission
from activation.charter import publishing
from activation.charter.diff import differences, review_draft
from activation.charter.publishing import DraftChanged, DraftExists, NoDraft, TextMissing, VersionTaken
from activation.models import Charter, UnsavedCharter
from agents.access import AgentView
from agents.charters.forms import CharterDraftForm, DeletionForm, PublicationForm
from agents.charters.typed_text import KeepsTypedText

NBSP = "\N{NO-BREAK SPACE}"


NAMES = {
    "key_points_fr": "L’essentiel, en français",
    "text_fr": "Texte complet, en français",
    "key_points_en": "L’essentiel, en anglais",
    "text_en": "Texte complet, en anglais",
}


@dataclass(frozen=True, slots=True)
class Version:
    """A line of the list."""

    charter: Charter
    accepted: int
    is_in_force: bool
    is_for_later: bool


class ChartersView(AgentView, TemplateView):
    """The versions, newest first, and how many people accepted each."""

    ability = AgentPermission.SEE
    template_name = "agents/charters.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """All of them: there is one a year."""
        charters, accepted, now = (
            list(Charter.objects.newest_first()),
            publishing.acceptances_by_version(),
            timezone.now(),
        )
        in_force = next((one for one in charters if one.published_at and one.published_at <= now), None)
        versions = [
            Version(one, accepted.get(one.pk, 0), one == in_force, bool(one.published_at and one.published_at > now))
            for one in charters
        ]
        return super().get_context_data(
            **kwargs,
            versions=versions,
            in_force=in_force,
            draft=next((one for one in charters if one.is_draft), None),
            waiting=publishing.still_to_accept(in_force) if in_force else None,
            kept=UnsavedCharter.objects.filter(author=self.agent).select_related("charter").first(),
        )


class AgentCharterPage(AgentView):
    """A page about one version."""

    ability = AgentPermission.SEE

    @cached_property
    def charter(self) -> Charter:
        """The version of the address."""
        charters: QuerySet[Charter] = Charter.objects.select_related("saved_by", "published_by")
        return get_object_or_404(charters, pk=self.kwargs["pk"])


class CharterView(AgentCharterPage, TemplateView):
    """A published version: both texts, and its acceptances."""

    template_name = "agents/charter.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show it; a draft has its preview."""
        if self.charter.is_draft:
            return redirect("admin:charter-preview", self.charter.pk)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The version, and how many people accepted it."""
        return super().get_context_data(
            **kwargs,
            charter=self.charter,
            review=review_draft(self.charter),
            accepted=self.charter.acceptances.count(),
            accepted_this_week=publishing.acceptances_of_the_week(self.charter),
        )


class CharterPreviewView(AgentCharterPage, TemplateView):
    """The draft as people will read it, what is wrong with it, what it changes."""

    template_name = "agents/charter_preview.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show it; what is published has a page of its own."""
        if not self.charter.is_draft:
            return redirect("admin:charter", self.charter.pk)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The draft beside the version in force."""
        return super().get_context_data(**kwargs, **preview(self.charter))


def told(before: Charter, after: Charter) -> list[dict[str, Any]]:
    """What differs between two versions, text by text, under the name that agents know it by."""
    return [
        {
            "label": NAMES[name],
            "language": name[-2:],
            "changes": one.changes,
            "removed": sum(len(change.removed) for change in one.changes or ()),
            "added": sum(len(change.added) for change in one.changes or ()),
            "unchanged": one.unchanged,
        }
        for name, one in differences(before=before, after=after).items()
    ]


def preview(draft: Charter) -> dict[str, Any]:
    """What a page says about a draft: its two languages, and what it changes."""
    in_force = Charter.objects.published().first()
    return {
        "charter": draft,
        "review": review_draft(draft),
        "in_force": in_force,
        "differences": told(in_force, draft) if in_force else [],
    }


class CharterFormView(KeepsTypedText, AgentView, FormView):
    """Writing: whatever stops a save, what was typed stays on the page."""

    ability = AgentPermission.PUBLISH_CHARTER
    http_method_names = ["get", "head", "post"]
    form_class = CharterDraftForm
    template_name = "agents/charter_edit.html"

    @cached_property
    def kept(self) -> UnsavedCharter | None:
        """What the agent typed for this page and could not save."""
        kept = UnsavedCharter.objects.filter(author=self.agent).first()
        return kept if kept and kept.charter_id == self.kwargs.get("pk") else None

    @classmethod
    def keep(cls, author: Account, typed: dict[str, str], **address: Any) -> None:
        """For the draft of the address, or for a new one."""
        publishing.save_unsaved_text(author=author, charter_id=address.get("pk"), typed=typed)

    def get_initial(self) -> dict[str, Any]:
        """What was kept, or what there is; nothing where the answer says what the form holds."""
        if self.request.method == "POST":
            return {}
        return self.beginning() if self.kept is None else dict(self.kept.typed)

    def beginning(self) -> dict[str, Any]:
        """What the agent starts from."""
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What was kept, when the page shows it."""
        shows_kept = self.request.method != "POST" and self.kept is not None
        return super().get_context_data(**{"kept": self.kept if shows_kept else None, **kwargs})

    def saved(self, draft: Charter) -> HttpResponse:
        """On to what people will read."""
        messages.success(self.request, "Brouillon enregistré.")
        return redirect("admin:charter-preview", draft.pk)

    def refused(self, form: CharterDraftForm, field: str | None, why: str, **context: Any) -> HttpResponse:
        """The form as it was sent, and why it could not be saved."""
        form.add_error(field, why)
        return self.render_to_response(self.get_context_data(form=form, **context))

    def name_taken(self, form: CharterDraftForm) -> HttpResponse:
        """Another version has the name."""
        return self.refused(form, "version", "Une version porte déjà ce nom. Choisissez-en un autre")


class NewCharterView(CharterFormView):
    """Another version: the one in force to begin with, or nothing."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form; the draft that is being written comes first."""
        draft = Charter.objects.filter(published_at__isnull=True).first()
        if draft is None or self.kept is not None:
            return super().get(request, *args, **kwargs)
        messages.info(request, "Un brouillon existe déjà\N{NO-BREAK SPACE}: le voici.")
        return redirect("admin:charter-edit", draft.pk)

    def beginning(self) -> dict[str, Any]:
        """The month as a name, and the texts of the version in force unless `?vide` was asked for."""
        in_force = Charter.objects.published().first()
        month = f"{timezone.localdate():%Y-%m}"
        version = "" if Charter.objects.filter(version=month).exists() else month
        if in_force is None or "vide" in self.request.GET:
            return {"version": version}
        return {"version": version, **{name: getattr(in_force, name) for name in Charter.TEXTS}}

    def form_valid(self, form: CharterDraftForm) -> HttpResponse:
        """Begin the draft."""
        try:
            draft = publishing.start_draft(version=form.cleaned_data["version"], texts=form.texts, actor=self.agent)
        except VersionTaken:
            return self.name_taken(form)
        except DraftExists as other:
            why = f"Un brouillon, «{NBSP}{other.draft}{NBSP}», existe déjà. Publiez-le ou supprimez-le d’abord"
            return self.refused(form, None, why, other_draft=other.draft)
        return self.saved(draft)


class EditCharterView(CharterFormView):
    """The draft."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form; what was typed for a draft that is none any more can still become another."""
        if self.draft is not None:
            return super().get(request, *args, **kwargs)
        if self.kept is not None:
            return self.gone(CharterDraftForm(initial=self.kept.typed))
        return too_late(request, self.kwargs["pk"])

    @cached_property
    def draft(self) -> Charter | None:
        """The draft of the address, while it is one."""
        drafts = Charter.objects.select_related("saved_by").filter(published_at__isnull=True)
        return drafts.filter(pk=self.kwargs["pk"]).first()

    def beginning(self) -> dict[str, Any]:
        """The draft as it is saved."""
        if self.draft is None:
            return {}
        texts = {name: getattr(self.draft, name) for name in Charter.TEXTS}
        return {"seen": self.draft.fingerprint, "version": self.draft.version, **texts}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The draft."""
        return super().get_context_data(**{"draft": self.draft, **kwargs})

    def form_valid(self, form: CharterDraftForm) -> HttpResponse:
        """Save, unless somebody was faster."""
        data = form.cleaned_data
        try:
            draft = publishing.save_draft(
                charter_id=self.kwargs["pk"],
                seen=data["seen"],
                version=data["version"],
                texts=form.texts,
                actor=self.agent,
            )
        except VersionTaken:
            return self.name_taken(form)
        except DraftChanged as changed:
            return self.overtaken(form, changed.draft)
        except NoDraft:
            return self.gone(form)
        return self.saved(draft)

    def form_invalid(self, form: CharterDraftForm) -> HttpResponse:
        """Show what is wrong; when there is no draft any more, that comes first."""
        return super().form_invalid(form) if self.draft is not None else self.gone(form)

    def overtaken(self, form: CharterDraftForm, theirs: Charter) -> HttpResponse:
        """Both texts: whoever saves again now knows what is replaced."""
        typed = Charter(version=form.cleaned_data["version"], **form.texts)
        form.saw(theirs.fingerprint)
        why = "Un autre agent a enregistré le brouillon pendant que vous écriviez. Rien n’est perdu"
        return self.refused(form, None, why, theirs=theirs, differences=told(theirs, typed))

    def gone(self, form: CharterDraftForm) -> HttpResponse:
        """What was typed, to be made another draft."""
        published = Charter.objects.select_related("published_by").filter(pk=self.kwargs["pk"]).first()
        context = {"gone": True, "published": published, "draft": None, "kept": None}
        return self.render_to_response(self.get_context_data(form=form, **context))


class ForgetTypedView(AgentView, View):
    """What was typed and kept is not wanted any more."""

    ability = AgentPermission.PUBLISH_CHARTER
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Forget it."""
        publishing.discard_unsaved_text(author=self.agent)
        messages.success(request, "Le texte non enregistré est effacé.")
        return redirect("admin:charters")


class DraftActView(AgentView, FormView):
    """An act on the draft that ends it; by one agent."""

    ability = AgentPermission.PUBLISH_CHARTER
    http_method_names = ["get", "head", "post"]

    @cached_property
    def draft(self) -> Charter:
        """The draft of the address. Raises NoDraft when it is none any more."""
        draft = (
            Charter.objects.select_related("saved_by").filter(pk=self.kwargs["pk"], published_at__isnull=True).first()
        )
        if draft is None:
            raise NoDraft
        return draft

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Act, or say who was faster."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except NoDraft:
            return too_late(request, self.kwargs["pk"])


def too_late(request: HttpRequest, pk: int) -> HttpResponse:
    """The list, which shows what became of the draft of that key."""
    now = Charter.objects.select_related("published_by").filter(pk=pk).first()
    by = f" par {now.published_by}" if now is not None and now.published_by else ""
    messages.info(request, f"La version {now} est déjà publiée{by}." if now else "Ce brouillon n’existe plus.")
    return redirect("admin:charters")


class PublishCharterView(DraftActView):
    """What publishing does, and the button."""

    form_class = PublicationForm
    template_name = "agents/charter_publish.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form, for what was just read in the preview, which hands its fingerprint on as `?lu=`."""
        if request.GET.get("lu") == self.draft.fingerprint:
            return super().get(request, *args, **kwargs)
        messages.warning(request, "Relisez le brouillon tel qu’il est maintenant, puis publiez-le.")
        return redirect("admin:charter-preview", self.draft.pk)

    def get_initial(self) -> dict[str, Any]:
        """What was read."""
        return {"read": self.draft.fingerprint}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The draft, and how many people will be asked."""
        people = Account.objects.active().count()
        return super().get_context_data(**{"charter": self.draft, "people": people, **kwargs})

    def form_valid(self, form: PublicationForm) -> HttpResponse:
        """Publish."""
        data = form.cleaned_data
        try:
            charter = publishing.publish(
                charter_id=self.draft.pk, read=data["read"], summary=data["summary"], actor=self.agent
            )
        except DraftChanged as changed:
            return self.changed(form, changed.draft)
        except TextMissing:
            messages.warning(self.request, "Il manque un texte\N{NO-BREAK SPACE}: complétez le brouillon.")
            return redirect("admin:charter-preview", self.draft.pk)
        messages.success(self.request, f"La version {charter} est publiée et en vigueur.")
        return redirect("admin:charters")

    def changed(self, form: PublicationForm, draft: Charter) -> HttpResponse:
        """The draft is not what was read: here it is, with the same form below."""
        form.read_now(draft.fingerprint)
        form.add_error(None, "Le brouillon a changé depuis votre aperçu. Relisez-le ci-dessous avant de publier")
        return self.render_to_response(self.get_context_data(form=form, has_changed=True, **preview(draft)))


class DeleteCharterView(DraftActView):
    """Throw the draft away."""

    form_class = DeletionForm
    template_name = "agents/charter_deletion.html"

    def get_initial(self) -> dict[str, Any]:
        """What is thrown away."""
        return {"seen": self.draft.fingerprint}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The draft."""
        return super().get_context_data(**{"charter": self.draft, **kwargs})

    def form_valid(self, form: DeletionForm) -> HttpResponse:
        """Delete it."""
        try:
            publishing.delete_draft(charter_id=self.draft.pk, seen=form.cleaned_data["seen"], actor=self.agent)
        except DraftChanged:
            messages.warning(self.request, "Le brouillon a changé entre-temps. Voyez-le avant de le supprimer.")
            return redirect("admin:charter-preview", self.draft.pk)
        messages.success(self.request, f"Le brouillon {self.draft} est supprimé.")
        return redirect("admin:charters")
