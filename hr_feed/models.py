"""An uploaded HR file: its state, and its content while that is needed."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from core.choices import EnumChoices

#: A run whose lease has expired is dead. A chunk takes a second.
LEASE = timedelta(minutes=3)
#: Then an agent has to decide.
MOST_ATTEMPTS = 3
#: The content holds private addresses.
CONTENT_KEPT_FOR = timedelta(hours=24)


class ImportState(models.TextChoices):
    TO_PREVIEW = "to-preview", "Aperçu en préparation"
    PREVIEWED = "previewed", "À confirmer"
    TO_IMPORT = "to-import", "Import en cours"
    DONE = "done", "Importé"
    ABANDONED = "abandoned", "Abandonné"


TO_WORK_ON = (ImportState.TO_IMPORT, ImportState.TO_PREVIEW)
#: The content is kept.
OPEN = (*TO_WORK_ON, ImportState.PREVIEWED)


class HrImportQuerySet(models.QuerySet["HrImport"]):
    def open(self) -> "HrImportQuerySet":
        return self.filter(state__in=OPEN)

    def to_work_on(self) -> "HrImportQuerySet":
        return self.filter(state__in=TO_WORK_ON)

    def light(self) -> "HrImportQuerySet":
        """Without the large columns."""
        return self.defer("examples", "report")

    def idle_since(self, moment: datetime) -> "HrImportQuerySet":
        """Uploaded before `moment`, open, and not leased by a worker."""
        not_leased = Q(leased_until__isnull=True) | Q(leased_until__lt=timezone.now())
        return self.open().filter(not_leased, uploaded_at__lt=moment)


class HrImport(models.Model):
    """A worker leases a file until `leased_until` and renews the lease with each chunk.

    `foreseen` and `done` have the counts of `ImportReport`. `examples` name people while the content is kept.
    """

    state = models.CharField(_("état"), max_length=10, choices=EnumChoices(ImportState), default=ImportState.TO_PREVIEW)
    file_name = models.CharField(_("nom du fichier"), max_length=255)
    size = models.PositiveIntegerField(_("taille en octets"))
    sha256 = models.CharField(_("empreinte"), max_length=64)
    # Not in the export of the agent's own data.
    uploaded_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("envoyé par")
    )
    uploaded_at = models.DateTimeField(_("envoyé le"), default=timezone.now)
    approved_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("confirmé par")
    )
    approved_at = models.DateTimeField(_("confirmé le"), null=True)
    ended_at = models.DateTimeField(_("terminé le"), null=True)
    leased_until = models.DateTimeField(_("en main jusqu’à"), null=True)
    attempts = models.PositiveSmallIntegerField(_("essais"), default=0)
    lines_done = models.PositiveIntegerField(_("lignes lues"), default=0)
    lines_total = models.PositiveIntegerField(_("lignes du fichier"), default=0)
    foreseen = models.JSONField(_("prévu"), default=dict)
    done = models.JSONField(_("fait"), default=dict)
    examples = models.JSONField(_("exemples"), default=dict)
    # `db_default`: the version before this column goes on inserting rows during an upgrade.
    distinct = models.JSONField(
        _("numéros RH de personnes distinctes"), default=list, db_default=models.Value([], models.JSONField())
    )
    report = models.TextField(_("compte rendu"), blank=True)

    objects = HrImportQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = _("import du fichier RH")
        verbose_name_plural = _("imports du fichier RH")
        constraints = [
            models.CheckConstraint(
                name="hr_import_state_has_its_times",
                condition=Q(
                    state__in=(ImportState.TO_PREVIEW, ImportState.PREVIEWED),
                    approved_at__isnull=True,
                    ended_at__isnull=True,
                )
                | Q(state=ImportState.TO_IMPORT, approved_at__isnull=False, ended_at__isnull=True)
                | Q(state=ImportState.DONE, approved_at__isnull=False, ended_at__isnull=False)
                | Q(state=ImportState.ABANDONED, ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="hr_import_only_work_is_leased",
                condition=Q(leased_until__isnull=True) | Q(state__in=TO_WORK_ON),
            ),
            models.UniqueConstraint(
                fields=["state"], condition=Q(state=ImportState.TO_IMPORT), name="hr_import_one_at_a_time"
            ),
            # A double click uploads one file.
            models.UniqueConstraint(fields=["sha256"], condition=Q(state__in=OPEN), name="hr_import_open_file_once"),
        ]
        indexes = [models.Index(fields=["-uploaded_at"], name="hr_import_uploaded_at")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_running(self) -> bool:
        return self.leased_until is not None and self.leased_until > timezone.now()

    @property
    def is_expected(self) -> bool:
        """A worker has it, or will take it."""
        return self.state in TO_WORK_ON and (self.is_running or self.attempts < MOST_ATTEMPTS)

    @property
    def has_stopped(self) -> bool:
        """Its runs failed too often: an agent has to decide."""
        return self.state in TO_WORK_ON and not self.is_expected

    @property
    def can_be_abandoned(self) -> bool:
        return self.is_open and not (self.state == ImportState.TO_IMPORT and self.is_running)

    @property
    def content_kept_until(self) -> datetime:
        return self.uploaded_at + CONTENT_KEPT_FOR


class HrFilePart(models.Model):
    """Web and worker may run on different machines, and share the database only."""

    hr_import = models.ForeignKey(
        HrImport, on_delete=models.CASCADE, related_name="parts", verbose_name=_("import du fichier RH")
    )
    number = models.PositiveSmallIntegerField(_("numéro"))
    content = models.BinaryField(_("contenu"))

    class Meta:
        default_permissions = ()
        verbose_name = _("morceau de fichier RH")
        verbose_name_plural = _("morceaux de fichiers RH")
        constraints = [models.UniqueConstraint(fields=["hr_import", "number"], name="hr_file_part_once")]

    def __str__(self) -> str:
        return f"{self.hr_import_id}/{self.number}"
