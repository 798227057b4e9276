"""The public directory: the dated yes or no of each person, each one kept."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, AccountQuerySet


class DirectoryConsentQuerySet(models.QuerySet["DirectoryConsent"]):
    def latest_first(self) -> "DirectoryConsentQuerySet":
        """The last decision before the others; of two at one instant, the one recorded last."""
        return self.order_by("-decided_at", "-pk")

    def current(self, account: Account) -> "DirectoryConsent | None":
        """The last decision; None before the first, which means not listed."""
        return self.filter(account=account).latest_first().first()


class DirectoryConsent(models.Model):
    """One decision: to be listed or not, under which wording, when. A later decision is a new row."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="directory_consents", verbose_name=_("compte")
    )
    listed = models.BooleanField(_("figure dans l’annuaire public"))
    wording = models.TextField(_("question posée"))
    language = models.CharField(_("langue"), max_length=5, choices=settings.LANGUAGES)
    decided_at = models.DateTimeField(_("décidé le"), default=timezone.now)

    objects = DirectoryConsentQuerySet.as_manager()

    class Meta:
        verbose_name = _("choix pour l’annuaire public")
        verbose_name_plural = _("choix pour l’annuaire public")
        indexes = [models.Index(fields=["account", "-decided_at"], name="directory_consent_current")]

    def __str__(self) -> str:
        return str(_("Figure dans l’annuaire public") if self.listed else _("Ne figure pas dans l’annuaire public"))


class SearchableName(models.Model):
    """The folded name of an activated account, written by a trigger (migration 0002)."""

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.CASCADE, related_name="searchable_name", verbose_name=_("compte")
    )
    #: In small letters without accents, a space around each; then names of several words written as one (« obrien »).
    words = models.TextField(_("mots du nom"))
    #: The family name, then the given name, spelt alike.
    sort_key = models.TextField(_("clé de tri"))

    class Meta:
        verbose_name = _("nom à chercher")
        verbose_name_plural = _("noms à chercher")
        indexes = [GinIndex(fields=["words"], name="directory_words_trigrams", opclasses=["gin_trgm_ops"])]

    def __str__(self) -> str:
        return self.sort_key


def with_directory_choice(people: AccountQuerySet) -> AccountQuerySet:
    """Read `listed`, the last decision, None before the first, in the same query."""
    chosen: AccountQuerySet = people.annotate(listed=_last_decision())
    return chosen


def active_people() -> AccountQuerySet:
    return with_directory_choice(Account.objects.active())


def listed_people() -> AccountQuerySet:
    """Active accounts whose last decision is yes: a withdrawal, a lock or an end date applies at once."""
    people: AccountQuerySet = Account.objects.active().alias(listed=_last_decision()).filter(listed=True)
    return people


def _last_decision() -> models.Subquery:
    decisions = DirectoryConsent.objects.filter(account=models.OuterRef("pk")).latest_first()
    return models.Subquery(decisions.values("listed")[:1])
