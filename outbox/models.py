import uuid
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.choices import EnumChoices
from outbox.enums import UNDELIVERED, UNFINISHED, Kind, Priority, Status


class MessageQuerySet(models.QuerySet["Message"]):
    def due(self, now: datetime) -> "MessageQuerySet":
        """Queued and due, or leased to a worker whose lease has expired; in the order of sending."""
        return self.filter(
            Q(status=Status.QUEUED, due_at__lte=now) | Q(status=Status.SENDING, leased_until__lte=now)
        ).order_by("priority", "due_at", "pk")

    def unfinished(self) -> "MessageQuerySet":
        return self.filter(status__in=UNFINISHED)

    def asked_since(self, moment: datetime) -> "MessageQuerySet":
        """Created at that moment or later, in any status."""
        return self.filter(created_at__gte=moment)


KIND_NAMES = dict(Kind.choices)


class Message(models.Model):
    """One mail to one person. Holds no secret: the worker signs the link when it sends."""

    kind = models.CharField(_("nature"), max_length=40, choices=EnumChoices(Kind))
    # An index below begins with the person; another one would slow imports of 50,000 rows.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        db_index=False,
        on_delete=models.SET_NULL,
        related_name="messages",
        verbose_name=_("personne"),
    )
    address = models.CharField(_("adresse"), max_length=254)
    language = models.CharField(_("langue"), max_length=5, choices=settings.LANGUAGES, default="fr")
    subject_id = models.BigIntegerField(_("objet concerné"), null=True)
    priority = models.PositiveSmallIntegerField(_("priorité"), choices=EnumChoices(Priority), default=Priority.URGENT)
    status = models.CharField(_("état"), max_length=12, choices=EnumChoices(Status), default=Status.QUEUED)
    created_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    due_at = models.DateTimeField(_("à envoyer à partir de"), default=timezone.now)
    leased_until = models.DateTimeField(_("réservé jusqu’à"), null=True)
    attempts = models.PositiveSmallIntegerField(_("essais"), default=0)
    built_at = models.DateTimeField(_("rédigé le"), null=True)
    deadline = models.DateTimeField(_("échéance du lien"), null=True)
    sent_at = models.DateTimeField(_("envoyé le"), null=True)
    reference = models.UUIDField(_("référence"), default=uuid.uuid4, unique=True, editable=False)
    provider_id = models.CharField(_("identifiant chez le prestataire"), max_length=200, blank=True)
    answer = models.CharField(_("réponse du serveur"), max_length=500, blank=True)
    # What has to be repaired at the portal or its relay before the mail can leave (`outbox.transport.Postponed`).
    fault = models.CharField(_("panne de notre côté"), max_length=60, blank=True, default="", db_default="")

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("envoi")
        verbose_name_plural = _("envois")
        indexes = [
            models.Index(
                fields=["priority", "due_at", "id"],
                name="outbox_due",
                condition=Q(status__in=[str(s) for s in UNFINISHED]),
            ),
            models.Index(fields=["person", "kind", "-created_at"], name="outbox_person"),
            # Counts mails to one mailbox, whatever the case of its address.
            models.Index(Lower("address"), "kind", F("created_at").desc(), name="outbox_mailbox"),
            models.Index(
                fields=["-created_at"],
                name="outbox_came_back",
                condition=Q(status__in=[str(s) for s in UNDELIVERED]),
            ),
            models.Index(fields=["deadline"], name="outbox_deadline", condition=Q(deadline__isnull=False)),
            models.Index(fields=["provider_id"], name="outbox_provider", condition=~Q(provider_id="")),
        ]
        constraints = [
            models.CheckConstraint(
                name="outbox_sending_has_lease", condition=~Q(status=Status.SENDING) | Q(leased_until__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_status_display()})"

    # The stubs declare Django’s own too (no-redef).
    def get_kind_display(self) -> str:  # type: ignore[no-redef]
        """Django's own translates the names of all kinds to find one."""
        return str(KIND_NAMES.get(self.kind, self.kind))

    @property
    def message_id(self) -> str:
        """RFC 5322 Message-ID: the same for every copy of one day, so that mail clients recognise duplicates."""
        day: date = timezone.localdate(self.built_at)
        return f"<{self.reference.hex}.{day:%Y%m%d}@{settings.MESSAGE_ID_DOMAIN}>"

    @property
    def could_not_be_delivered(self) -> bool:
        return self.status in (Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP)

    def lease(self, now: datetime, duration: timedelta) -> None:
        """Lease to one worker, without saving."""
        self.status = Status.SENDING
        self.leased_until = now + duration
        self.attempts += 1
