"""What each service outside has to be told of an account, and was told last. No value, no hash, no secret."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from core.choices import EnumChoices
from provisioning.enums import SUSPENDED_ELSEWHERE, Status, Urgency


class Target(models.Model):
    """A configured service. One worker at a time writes to it; while it is down, none."""

    name = models.CharField(_("nom"), max_length=20, primary_key=True)
    # Read by the triggers of migration 0002.
    is_enabled = models.BooleanField(_("configuré"), default=True)
    leased_until = models.DateTimeField(_("réservé jusqu’à"), null=True)
    lease = models.UUIDField(_("réservation"), null=True)
    down_since = models.DateTimeField(_("en panne depuis"), null=True)
    failures = models.PositiveIntegerField(_("échecs de suite"), default=0)
    paused_until = models.DateTimeField(_("en pause jusqu’à"), null=True)
    answer = models.CharField(_("dernière réponse en panne"), max_length=500, blank=True)
    compared_at = models.DateTimeField(_("comparé le"), null=True)
    drift = models.PositiveIntegerField(_("écarts à la dernière comparaison"), default=0)

    class Meta:
        verbose_name = _("service relié")
        verbose_name_plural = _("services reliés")

    def __str__(self) -> str:
        return self.name


class ReplicaQuerySet(models.QuerySet["Replica"]):
    def waiting(self) -> "ReplicaQuerySet":
        return self.filter(status=Status.WAITING)

    def due(self, now: datetime) -> "ReplicaQuerySet":
        """In the order of writing."""
        return self.waiting().filter(due_at__lte=now).order_by("urgency", "due_at", "pk")

    def closings(self) -> "ReplicaQuerySet":
        """Of accounts that are over and that the service does not know to be."""
        over = Q(account__end_date__lt=timezone.localdate()) | Q(account__erased_at__isnull=False)
        return self.filter(over).exclude(state__in=["", "closed", "erased"])


class Replica(models.Model):
    """An account at a target. The triggers of migration 0002 raise `wanted` in the transaction of each change."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="replicas", verbose_name=_("compte"))
    target = models.ForeignKey(
        Target, on_delete=models.CASCADE, related_name="replicas", db_index=False, verbose_name=_("service")
    )
    wanted = models.BigIntegerField(_("version voulue"), default=1, db_default=1)
    applied = models.BigIntegerField(_("version écrite"), default=0, db_default=0)
    marked_at = models.DateTimeField(_("à écrire depuis"), default=timezone.now)
    urgency = models.PositiveSmallIntegerField(_("urgence"), choices=EnumChoices(Urgency), default=Urgency.BULK)
    status = models.CharField(_("état"), max_length=10, choices=EnumChoices(Status), default=Status.WAITING)
    attempts = models.PositiveIntegerField(_("essais"), default=0, db_default=0)
    due_at = models.DateTimeField(_("à écrire à partir de"), default=timezone.now)
    # An agent has confirmed a closing that was held, or an entry that the directory alone had suspended.
    is_confirmed = models.BooleanField(_("confirmé par un agent"), default=False, db_default=False)
    # State of the account that the service knows; empty before the first.
    state = models.CharField(_("état connu du service"), max_length=15, blank=True, default="", db_default="")
    password_changed_at = models.DateTimeField(_("mot de passe connu du service depuis"), null=True)
    digest = models.CharField(_("empreinte de ce qui est écrit"), max_length=64, blank=True, default="", db_default="")
    answer = models.CharField(_("réponse du service"), max_length=500, blank=True, default="", db_default="")
    applied_at = models.DateTimeField(_("écrit le"), null=True)
    # Names of attributes, as an agent asked for them; null when the service could not be read.
    differences = models.JSONField(_("écarts à la dernière comparaison"), null=True)
    checked_at = models.DateTimeField(_("comparé le"), null=True)

    objects = ReplicaQuerySet.as_manager()

    class Meta:
        verbose_name = _("compte chez un service relié")
        verbose_name_plural = _("comptes chez les services reliés")
        constraints = [
            models.UniqueConstraint(fields=["account", "target"], name="replica_one_per_target"),
            models.CheckConstraint(name="replica_applied_was_wanted", condition=Q(applied__lte=F("wanted"))),
        ]
        indexes = [
            models.Index(
                fields=["target", "urgency", "due_at", "id"], name="replica_due", condition=Q(status=Status.WAITING)
            ),
            models.Index(
                fields=["target", "status"], name="replica_to_look_at", condition=~Q(status__in=["waiting", "done"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} @ {self.target_id}"

    @property
    def is_up_to_date(self) -> bool:
        return self.applied == self.wanted

    @property
    def is_suspended_elsewhere(self) -> bool:
        return self.status == Status.CONFLICT and self.answer.endswith(SUSPENDED_ELSEWHERE)
