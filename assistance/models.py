from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from assistance.business_hours import call_expected_by
from assistance.enums import CLOSED, IN_HAND, Profile, Reason, RequestState, StepKind, outcome_choices
from core.choices import EnumChoices
from core.email_addresses import address_key, mailbox_key


class AssistanceRequestQuerySet(models.QuerySet["AssistanceRequest"]):
    def open(self) -> "AssistanceRequestQuerySet":
        return self.filter(closed_at__isnull=True)

    def oldest_first(self) -> "AssistanceRequestQuerySet":
        return self.order_by("asked_at", "pk")

    def newest_first(self) -> "AssistanceRequestQuerySet":
        return self.order_by("-pk")

    def of_mailbox(self, contact_address: str) -> "AssistanceRequestQuerySet":
        """Requests acknowledged to that mailbox, whatever the spelling and what follows a +."""
        key = mailbox_key(contact_address)
        local_part, _at_sign, domain = key.partition("@")
        tagged = Q(mailbox__startswith=f"{local_part}+", mailbox__endswith=f"@{domain}")
        return self.alias(mailbox=Lower("contact_address")).filter(Q(mailbox=key) | tagged)

    def of_same_person(self, request: "AssistanceRequest") -> "AssistanceRequestQuerySet":
        """Requests about the same account or from the same mailbox, including this one."""
        same_mailbox = Q(mailbox=address_key(request.contact_address))
        same_account = Q(account=request.account_id) if request.account_id else Q()
        return self.alias(mailbox=Lower("contact_address")).filter(same_mailbox | same_account)

    def with_others(self) -> "AssistanceRequestQuerySet":
        """Annotate each request with how many `others` of the same person are open."""
        others = AssistanceRequest.objects.open().exclude(pk=OuterRef("pk")).alias(mailbox=Lower("contact_address"))
        others = others.filter(Q(account=OuterRef("account")) | Q(mailbox=Lower(OuterRef("contact_address"))))
        number = others.order_by().annotate(one=Value(1)).values("one").annotate(number=Count("pk")).values("number")
        return self.annotate(others=Coalesce(Subquery(number), 0))

    def asked_since(self, moment: datetime) -> "AssistanceRequestQuerySet":
        return self.filter(asked_at__gte=moment)

    def closed_before(self, moment: datetime) -> "AssistanceRequestQuerySet":
        return self.filter(closed_at__lt=moment)


class AssistanceRequest(models.Model):
    """A request for assistance; `account` is the account of the address that was typed.

    No related_name: the data that the owner of the account downloads must not hold what a stranger has typed.
    """

    reference = models.CharField(_("référence"), max_length=10, unique=True)
    state = models.CharField(_("état"), max_length=10, choices=EnumChoices(RequestState), default=RequestState.NEW)
    reason = models.CharField(_("motif"), max_length=20, choices=EnumChoices(Reason))
    profile = models.CharField(_("profil"), max_length=10, choices=EnumChoices(Profile))
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
    # A request is late until the first call.
    called_at = models.DateTimeField(_("premier appel le"), null=True)
    closed_at = models.DateTimeField(_("close le"), null=True)

    objects = AssistanceRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("demande d’assistance")
        verbose_name_plural = _("demandes d’assistance")
        constraints = [
            # Only the fact of the profile, until it is erased.
            models.CheckConstraint(
                name="assistance_request_one_fact",
                condition=Q(profile=Profile.STUDENT, birth_date_typed__isnull=True)
                | Q(profile=Profile.STAFF, ine_typed=""),
            ),
            models.CheckConstraint(
                name="assistance_request_state_has_its_times",
                condition=Q(state=RequestState.NEW, taken_at__isnull=True, closed_at__isnull=True)
                | Q(state__in=IN_HAND, taken_at__isnull=False, closed_at__isnull=True)
                | Q(state__in=CLOSED, closed_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["state", "asked_at"], name="assistance_request_queue"),
            models.Index(fields=["asked_at"], name="assistance_request_open", condition=Q(closed_at__isnull=True)),
            models.Index(Lower("contact_address"), F("asked_at"), name="assistance_request_contact"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def call_expected_by(self) -> datetime:
        return call_expected_by(self.asked_at)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def is_late(self) -> bool:
        """Whether the promised call is overdue."""
        return self.is_open and self.called_at is None and self.call_expected_by < timezone.now()


class RequestStepQuerySet(models.QuerySet["RequestStep"]):
    def mismatches_of(self, account: Account) -> "RequestStepQuerySet":
        """Wrong answers about an account, over all its requests."""
        return self.filter(account=account, kind=StepKind.FACT_MISMATCHED)

    def made_since(self, moment: datetime) -> "RequestStepQuerySet":
        return self.filter(at__gt=moment)


class RequestStep(models.Model):
    """What an agent has done with a request. Steps are never changed; they are deleted with their request.

    `account` is whose fact was compared, or to whose account the request was attached. Whether a fact matched is
    recorded here only: the owner of the account reads its journal, and may be the author of the request.
    """

    request = models.ForeignKey(
        AssistanceRequest, on_delete=models.CASCADE, related_name="steps", verbose_name=_("demande d’assistance")
    )
    actor = models.ForeignKey(Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("par"))
    at = models.DateTimeField(_("date"), default=timezone.now)
    kind = models.CharField(_("étape"), max_length=20, choices=EnumChoices(StepKind))
    outcome = models.CharField(_("résultat"), max_length=20, choices=outcome_choices, blank=True)
    account = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("compte informatique")
    )
    note = models.TextField(_("note"), blank=True)

    objects = RequestStepQuerySet.as_manager()

    class Meta:
        verbose_name = _("étape d’une demande d’assistance")
        verbose_name_plural = _("étapes d’une demande d’assistance")

    def __str__(self) -> str:
        return self.get_kind_display()
