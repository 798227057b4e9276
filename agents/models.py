"""What lets an agent in besides the password: the code that allows a first application, and those for a lost phone."""

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Account


class EnrolmentCodeQuerySet(models.QuerySet["EnrolmentCode"]):
    """Words of enrolment codes."""

    def good_at(self, now: datetime) -> "EnrolmentCodeQuerySet":
        """Whose deadline is not over."""
        return self.filter(expires_at__gt=now)


class EnrolmentCode(models.Model):
    """Allows one application to be enrolled (ADM-03). There is one for each account at most; used up, the row goes."""

    # Not among the rows that the account's owner downloads: it opens something.
    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("agent"))
    digest = models.CharField(_("empreinte"), max_length=128)
    given_at = models.DateTimeField(_("donné le"), default=timezone.now)
    expires_at = models.DateTimeField(_("valable jusqu’au"))

    objects = EnrolmentCodeQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = _("code d’inscription")
        verbose_name_plural = _("codes d’inscription")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class BackupCodeQuerySet(models.QuerySet["BackupCode"]):
    """Words of backup codes."""

    def unused(self) -> "BackupCodeQuerySet":
        """Can still be used."""
        return self.filter(used_at__isnull=True)


class BackupCode(models.Model):
    """Stands in for the application once (ADM-04). `label`, the beginning of the code, says which row to compare."""

    device = models.ForeignKey(
        TOTPDevice, on_delete=models.CASCADE, related_name="backup_codes", verbose_name=_("application")
    )
    label = models.CharField(_("début du code"), max_length=4)
    digest = models.CharField(_("empreinte"), max_length=128)
    used_at = models.DateTimeField(_("utilisé le"), null=True)

    objects = BackupCodeQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = _("code de secours")
        verbose_name_plural = _("codes de secours")
        constraints = [models.UniqueConstraint(fields=["device", "label"], name="backup_code_one_of_a_label")]

    def __str__(self) -> str:
        return self.label
