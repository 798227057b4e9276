from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.enums import LockReason, Proof, ReleaseReason
from core.choices import EnumChoices


class LockQuerySet(models.QuerySet["Lock"]):
    def open(self) -> "LockQuerySet":
        return self.filter(released_at__isnull=True)


class Lock(models.Model):
    """A trigger refuses any change after the unlock."""

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="locks", verbose_name=_("compte")
    )
    reason = models.CharField(_("raison"), max_length=30, choices=EnumChoices(LockReason))
    locked_at = models.DateTimeField(_("bloqué le"), default=timezone.now)
    locked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("bloqué par")
    )
    locked_by_system = models.CharField(_("bloqué par le système"), max_length=40, blank=True)
    comment = models.CharField(_("commentaire"), max_length=500, blank=True)
    released_at = models.DateTimeField(_("débloqué le"), null=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("débloqué par")
    )
    released_reason = models.CharField(
        _("motif du déblocage"), max_length=30, choices=EnumChoices(ReleaseReason), blank=True
    )
    proof = models.CharField(_("identité vérifiée par"), max_length=20, choices=EnumChoices(Proof), blank=True)
    number_called = models.CharField(_("numéro appelé"), max_length=20, blank=True)
    report = models.TextField(_("compte rendu"), blank=True)
    # Primary keys of journal entries.
    reviewed = models.JSONField(_("changements vérifiés"), default=list)

    objects = LockQuerySet.as_manager()

    class Meta:
        verbose_name = _("blocage")
        verbose_name_plural = _("blocages")
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(released_at__isnull=True), name="lock_one_open_per_account"
            ),
            models.CheckConstraint(
                name="lock_released_with_proof",
                condition=Q(released_at__isnull=True)
                | (Q(released_reason__in=ReleaseReason.values, proof__in=Proof.values) & ~Q(report=""))
                # All locks that a leaked key made (accounts/locking/system_locks.py).
                | (Q(released_reason=ReleaseReason.BY_MISTAKE, proof="") & ~Q(report="") & ~Q(locked_by_system="")),
            ),
            models.CheckConstraint(
                name="lock_called_back_at_a_number", condition=~Q(proof=Proof.CALL_BACK) | ~Q(number_called="")
            ),
        ]

    def __str__(self) -> str:
        return self.get_reason_display()
