"""What locked-out people send, and how far the DSIN is with it."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.addresses import address_key
from accounts.models import Account
from assistance.agents.models import BackupCode, EnrolmentCode  # noqa: F401 - Django looks for models here
from assistance.enums import CLOSED, IN_HAND, Profile, Progress, Reason
from assistance.hours import call_expected_by


class AssistanceRequestQuerySet(models.QuerySet["AssistanceRequest"]):
    """Words of the requests."""

    def open(self) -> "AssistanceRequestQuerySet":
        """Neither solved nor refused."""
        return self.exclude(state__in=CLOSED)

    def answered_at(self, contact_address: str) -> "AssistanceRequestQuerySet":
        """Whose follow-up goes to that mailbox, however its address is spelt."""
        return self.alias(mailbox=Lower("contact_address")).filter(mailbox=address_key(contact_address))

    def asked_since(self, moment: datetime) -> "AssistanceRequestQuerySet":
        """Asked at that moment or later."""
        return self.filter(asked_at__gte=moment)

    def closed_before(self, moment: datetime) -> "AssistanceRequestQuerySet":
        """Closed for a while."""
        return self.filter(closed_at__lt=moment)


class AssistanceRequest(models.Model):
    """What somebody who cannot sign in has written. Whoever it was, nothing of it is proven.

    `account` is whose address was typed. It does not have this request among its own (`related_name`): the copy of data
    that the account's owner downloads may not hold what a stranger, or a namesake, has typed about themselves.
    """

    reference = models.CharField(_("référence"), max_length=10, unique=True)
    state = models.CharField(_("état"), max_length=10, choices=Progress, default=Progress.NEW)
    reason = models.CharField(_("motif"), max_length=20, choices=Reason)
    profile = models.CharField(_("profil"), max_length=10, choices=Profile)
    typed_address = models.CharField(_("adresse universitaire saisie"), max_length=254)
    account = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("compte de cette adresse")
    )
    contact_address = models.CharField(_("adresse personnelle"), max_length=254)
    phone_typed = models.CharField(_("téléphone, comme saisi"), max_length=40)
    phone = models.CharField(_("téléphone donné dans la demande"), max_length=16)
    ine_typed = models.CharField(_("numéro INE saisi"), max_length=11, blank=True)
    birth_date_typed = models.DateField(_("date de naissance saisie"), null=True)
    availability = models.CharField(_("disponibilité"), max_length=200, blank=True)
    description = models.TextField(_("description"))
    language = models.CharField(_("langue"), max_length=5, choices=settings.LANGUAGES)
    asked_at = models.DateTimeField(_("demandée le"), default=timezone.now)
    client_address = models.GenericIPAddressField(_("adresse réseau"), null=True)
    taken_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("prise en charge par")
    )
    taken_at = models.DateTimeField(_("prise en charge le"), null=True)
    closed_at = models.DateTimeField(_("close le"), null=True)

    objects = AssistanceRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("demande d’assistance")
        verbose_name_plural = _("demandes d’assistance")
        constraints = [
            # PRV-04: of the two facts only the one that the profile asks for, until it is erased.
            models.CheckConstraint(
                name="assistance_request_one_fact",
                condition=Q(profile=Profile.STUDENT, birth_date_typed__isnull=True)
                | Q(profile=Profile.STAFF, ine_typed=""),
            ),
            models.CheckConstraint(
                name="assistance_request_state_has_its_times",
                condition=Q(state=Progress.NEW, taken_at__isnull=True, closed_at__isnull=True)
                | Q(state__in=IN_HAND, taken_at__isnull=False, closed_at__isnull=True)
                | Q(state__in=CLOSED, closed_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["state", "asked_at"], name="assistance_request_queue"),
            models.Index(Lower("contact_address"), F("asked_at"), name="assistance_request_contact"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def call_expected_by(self) -> datetime:
        """Until when the DSIN has promised to call."""
        return call_expected_by(self.asked_at)
