"""The public directory: the dated yes or no of each person, each one kept."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account


class DirectoryConsentQuerySet(models.QuerySet["DirectoryConsent"]):
    """Words of the consent."""

    def current(self, account: Account) -> "DirectoryConsent | None":
        """The last decision of the person, or None: nobody is listed before saying yes (PRV-02)."""
        return self.filter(account=account).order_by("-decided_at", "-pk").first()


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
