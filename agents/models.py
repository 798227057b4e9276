"""The announcement, and the codes of the second factor. The TOTP device is django-otp's."""

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Account


class Announcement(models.Model):
    """A sentence on top of every page; the only row, or none."""

    text_fr = models.CharField(_("texte en français"), max_length=500)
    text_en = models.CharField(_("texte en anglais"), max_length=500, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("annonce")
        verbose_name_plural = _("annonces")

    def __str__(self) -> str:
        return self.text_fr


class EnrolmentCodeQuerySet(models.QuerySet["EnrolmentCode"]):
    def valid_at(self, now: datetime) -> "EnrolmentCodeQuerySet":
        return self.filter(expires_at__gt=now)


class EnrolmentCode(models.Model):
    """Allows an agent to enrol a first device. One per account at most; deleted after use."""

    # No related_name: a credential is not part of the data that the owner downloads.
    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("agent"))
    digest = models.CharField(_("empreinte"), max_length=128)
    given_at = models.DateTimeField(_("donné le"), default=timezone.now)
    expires_at = models.DateTimeField(_("valable jusqu’au"))

    objects = EnrolmentCodeQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = _("code d’enrôlement")
        verbose_name_plural = _("codes d’enrôlement")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class BackupCodeQuerySet(models.QuerySet["BackupCode"]):
    def unused(self) -> "BackupCodeQuerySet":
        return self.filter(used_at__isnull=True)


class BackupCode(models.Model):
    """Replaces a TOTP token once. `label`, the beginning of the code, identifies the row; the rest is hashed."""

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
