from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.enums import Proof
from core.choices import EnumChoices


class RecoveryAddressChangeQuerySet(models.QuerySet["RecoveryAddressChange"]):
    def waiting(self) -> "RecoveryAddressChangeQuerySet":
        """Neither confirmed nor cancelled."""
        return self.filter(confirmed_at__isnull=True, cancelled_at__isnull=True)


class RecoveryAddressChange(models.Model):
    """Requested by the account owner; effective once the new address has confirmed it."""

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="recovery_address_changes",
        verbose_name=_("compte"),
    )
    previous_address = models.CharField(_("ancienne adresse"), max_length=254, blank=True)
    new_address = models.CharField(_("nouvelle adresse"), max_length=254)
    asked_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmé le"), null=True)
    cancelled_at = models.DateTimeField(_("abandonné le"), null=True)
    undone_at = models.DateTimeField(_("annulé le"), null=True)

    objects = RecoveryAddressChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("changement d’adresse de secours")
        verbose_name_plural = _("changements d’adresse de secours")
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(confirmed_at__isnull=True, cancelled_at__isnull=True),
                name="recovery_address_change_one_waiting",
            ),
            models.CheckConstraint(
                name="recovery_address_change_undone_was_confirmed",
                condition=Q(undone_at__isnull=True) | Q(confirmed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.new_address


class RecoveryAddressCorrectionQuerySet(models.QuerySet["RecoveryAddressCorrection"]):
    def open(self) -> "RecoveryAddressCorrectionQuerySet":
        """Neither applied nor cancelled."""
        return self.filter(applied_at__isnull=True, given_up_at__isnull=True)

    def to_approve(self) -> "RecoveryAddressCorrectionQuerySet":
        return self.open().filter(approved_at__isnull=True)

    def approved(self) -> "RecoveryAddressCorrectionQuerySet":
        """Approved and not applied yet."""
        return self.open().filter(approved_at__isnull=False)

    def due(self, now: datetime) -> "RecoveryAddressCorrectionQuerySet":
        return self.approved().filter(effective_at__lte=now)

    def never_read(self) -> "RecoveryAddressCorrectionQuerySet":
        """On file, and applied after the activation: no link has been opened there yet."""
        in_force = self.filter(undone_at__isnull=True, new_address=models.F("account__recovery_address"))
        return in_force.filter(applied_at__gt=models.F("account__activated_at"))


class RecoveryAddressCorrection(models.Model):
    """Made by agents. A correction is effective at once; a replacement has a proof, is approved by a second agent and
    applied a day later.
    """

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="recovery_address_corrections",
        verbose_name=_("compte"),
    )
    previous_address = models.CharField(_("ancienne adresse"), max_length=254, blank=True)
    new_address = models.CharField(_("nouvelle adresse"), max_length=254)
    proof = models.CharField(_("identité vérifiée par"), max_length=20, choices=EnumChoices(Proof), blank=True)
    number_called = models.CharField(_("numéro appelé"), max_length=20, blank=True)
    note = models.CharField(_("raison ou compte rendu"), max_length=500)
    proposed_at = models.DateTimeField(_("proposée le"), default=timezone.now)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("proposée par")
    )
    approved_at = models.DateTimeField(_("approuvée le"), null=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("approuvée par"),
    )
    effective_at = models.DateTimeField(_("en vigueur à partir du"), null=True)
    applied_at = models.DateTimeField(_("mise en vigueur le"), null=True)
    given_up_at = models.DateTimeField(_("abandonnée le"), null=True)
    given_up_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("abandonnée par"),
    )
    undone_at = models.DateTimeField(_("annulée le"), null=True)

    objects = RecoveryAddressCorrectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("adresse de secours donnée par un agent")
        verbose_name_plural = _("adresses de secours données par un agent")
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(applied_at__isnull=True, given_up_at__isnull=True),
                name="recovery_correction_one_open",
            ),
            models.CheckConstraint(
                name="recovery_correction_two_agents", condition=~Q(approved_by=models.F("proposed_by"))
            ),
            models.CheckConstraint(
                name="recovery_correction_waits_after_approval",
                condition=Q(approved_at__isnull=True, effective_at__isnull=True)
                | Q(
                    approved_at__isnull=False,
                    effective_at__isnull=False,
                    effective_at__gt=models.F("approved_at"),
                ),
            ),
            models.CheckConstraint(
                name="recovery_correction_replacement_in_time",
                condition=Q(applied_at__isnull=True)
                | Q(proof="")
                | Q(effective_at__isnull=False, applied_at__gte=models.F("effective_at")),
            ),
            models.CheckConstraint(
                name="recovery_correction_proven",
                condition=Q(proof__in=["", *Proof.values]) & (~Q(proof=Proof.CALL_BACK) | ~Q(number_called="")),
            ),
            models.CheckConstraint(name="recovery_correction_explained", condition=~Q(note="")),
            models.CheckConstraint(
                name="recovery_correction_one_end",
                condition=Q(applied_at__isnull=True) | Q(given_up_at__isnull=True),
            ),
            models.CheckConstraint(
                name="recovery_correction_undone_was_applied",
                condition=Q(undone_at__isnull=True) | Q(applied_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.new_address

    @property
    def is_open(self) -> bool:
        return self.applied_at is None and self.given_up_at is None
