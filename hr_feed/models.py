"""One uploaded HR file: how far it is, and its content while that is needed."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from core.choices import EnumChoices

#: After so long without a word from its worker, a run is dead. A chunk of the file takes a second.
LEASE = timedelta(minutes=3)
#: A run that died so often waits for an agent.
MOST_ATTEMPTS = 3
#: The content holds the private addresses of everybody: nobody needs it for longer than a day's work.
CONTENT_KEPT_FOR = timedelta(hours=24)


class ImportState(models.TextChoices):
    """What becomes of a file."""

    TO_PREVIEW = "to-preview", "Aperçu en préparation"
    PREVIEWED = "previewed", "À confirmer"
    TO_IMPORT = "to-import", "Import en cours"
    DONE = "done", "Importé"
    ABANDONED = "abandoned", "Abandonné"


#: The worker has something to do.
TO_WORK_ON = (ImportState.TO_IMPORT, ImportState.TO_PREVIEW)
#: The content is there.
OPEN = (*TO_WORK_ON, ImportState.PREVIEWED)


class HrImportQuerySet(models.QuerySet["HrImport"]):
    """Words of the imports."""

    def open(self) -> "HrImportQuerySet":
        """Neither imported nor abandoned."""
        return self.filter(state__in=OPEN)

    def to_work_on(self) -> "HrImportQuerySet":
        """Which a worker has in hand, or should have."""
        return self.filter(state__in=TO_WORK_ON)

    def light(self) -> "HrImportQuerySet":
        """Without what only its own page and its report need."""
        return self.defer("examples", "report")

    def idle_since(self, moment: datetime) -> "HrImportQuerySet":
        """Uploaded before that, still open, and in no worker's hands."""
        nobody = Q(leased_until__isnull=True) | Q(leased_until__lt=timezone.now())
        return self.open().filter(nobody, uploaded_at__lt=moment)


class HrImport(models.Model):
    """An uploaded HR file. `leased_until` tells until when a worker answers for it; it moves with each chunk done.

    `foreseen` and `done` count rows by what would become, and became, of them: the fields of `ImportReport`. `examples`
    name people while the content is there, and afterwards only lines.
    """

    state = models.CharField(_("état"), max_length=10, choices=EnumChoices(ImportState), default=ImportState.TO_PREVIEW)
    file_name = models.CharField(_("nom du fichier"), max_length=255)
    size = models.PositiveIntegerField(_("taille en octets"))
    sha256 = models.CharField(_("empreinte"), max_length=64)
    # People did this for others: none of it is in the copy of their own data.
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
            # Two clicks on « Envoyer » are one file.
            models.UniqueConstraint(fields=["sha256"], condition=Q(state__in=OPEN), name="hr_import_open_file_once"),
        ]
        indexes = [models.Index(fields=["-uploaded_at"], name="hr_import_uploaded_at")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_open(self) -> bool:
        """Neither imported nor abandoned."""
        return self.state in OPEN

    @property
    def is_running(self) -> bool:
        """A worker has it in hand, and has told so lately."""
        return self.leased_until is not None and self.leased_until > timezone.now()

    @property
    def is_expected(self) -> bool:
        """A worker has it in hand, or takes it by itself."""
        return self.state in TO_WORK_ON and (self.is_running or self.attempts < MOST_ATTEMPTS)

    @property
    def has_stopped(self) -> bool:
        """Its runs died too often: somebody has to look."""
        return self.state in TO_WORK_ON and not self.is_expected

    @property
    def can_be_abandoned(self) -> bool:
        """Nothing of it is being written at this moment."""
        return self.is_open and not (self.state == ImportState.TO_IMPORT and self.is_running)

    @property
    def content_kept_until(self) -> datetime:
        """When the content goes at the latest."""
        return self.uploaded_at + CONTENT_KEPT_FOR


class HrFilePart(models.Model):
    """A piece of the content: web and worker may be on different machines, and share nothing but the database."""

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
