"""Drafts of the charter to test with, and what agents send to the editor."""

from itertools import count
from typing import Any

from django.urls import reverse

from accounts.models import Account
from activation.charter import publishing
from activation.models import Charter
from agents.roles import Role
from tests.agents.signed_in import an_agent
from tests.fuzz import N

TEXTS = {
    "key_points_fr": "Votre mot de passe est personnel.\nUne nouvelle règle.",
    "text_fr": "Cette charte remplace la précédente.\n\n## Article 1. Une autre règle\n\nNouveau texte.",
    "key_points_en": "Your password is personal.\nA new rule.",
    "text_en": "This charter replaces the one before.\n\n## Article 1. Another rule\n\nNew text.",
}
VERSION = "2026-12"
SUMMARY = "Nouvel article, délibération du 12 novembre."
#: INP-05: what must run nowhere, as text, link, image, autolink and reference.
HOSTILE = "\n\n".join(
    [f"{N[name]}\n\n[lien]({N[name]})\n\n![image]({N[name]})\n\n<{N[name]}>" for name in ("N09", "N10", "N11", "N13")]
    + ["[clic](&#106;avascript:alert(1)) [clic](data:text/html;base64,PHNjcmlwdD4=) [1]\n\n[1]: javascript:alert(1)"]
    + ["<b onclick=alert(1)>gras</b> <style>body{display:none}</style>", "> " * 60 + "profond"]
)
numbers = count(1)


def no_draft() -> None:
    Charter.objects.filter(published_at__isnull=True).delete()


def the_draft() -> Charter:
    return Charter.objects.filter(published_at__isnull=True).first() or a_draft(an_agent(Role.RESPONSABLES))


def a_draft(actor: Account, **changed: str) -> Charter:
    """A draft by `actor`, in the place of any other."""
    no_draft()
    is_taken = Charter.objects.filter(version=VERSION).exists()
    version = changed.pop("version", f"2030-{next(numbers)}" if is_taken else VERSION)
    return publishing.start_draft(version=version, texts={**TEXTS, **changed}, actor=actor)


def published(actor: Account, draft: Charter | None = None) -> Charter:
    """The version that was written, by `actor` unless there is a draft, and published."""
    draft = draft or a_draft(actor)
    return publishing.publish(charter_id=draft.pk, read=draft.fingerprint, summary=SUMMARY, actor=actor)


def saved_by_another(draft: Charter, actor: Account, **changed: str) -> Charter:
    typed = sent(draft, **changed)
    seen, version = typed.pop("seen"), typed.pop("version")
    return publishing.save_draft(charter_id=draft.pk, seen=seen, version=version, texts=typed, actor=actor)


def sent(draft: Charter | None, **changed: str) -> dict[str, Any]:
    """The form of the editor as a browser sends it."""
    if draft is None:
        return {"seen": "", "version": VERSION, **TEXTS, **changed}
    texts = {name: getattr(draft, name) for name in Charter.TEXTS}
    return {"seen": draft.fingerprint, "version": draft.version, **texts, **changed}


def edit_page(draft: Charter) -> str:
    return reverse("admin:charter-edit", args=[draft.pk])


def publish_page(draft: Charter) -> str:
    return f"{reverse('admin:charter-publish', args=[draft.pk])}?lu={draft.fingerprint}"
