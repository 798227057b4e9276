"""Activation: the charter in its versions, who accepted which, and the requests for a new link."""

import hashlib
import json

from django.conf import settings
from django.db import models
from django.db.models.lookups import IsNull
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from activation.enums import LinkRequestKind
from core.choices import EnumChoices


class CharterQuerySet(models.QuerySet["Charter"]):
    def published(self, now: object = None) -> "CharterQuerySet":
        """Published by `now`, a datetime or an expression; the version in force first."""
        return self.filter(published_at__lte=now or timezone.now()).order_by("-published_at", "-pk")

    def newest_first(self) -> "CharterQuerySet":
        """All of them, without their texts: what is still being written first, then by the day of publication."""
        texts_last = self.select_related("saved_by", "published_by").defer(*Charter.TEXTS)
        return texts_last.order_by(models.F("published_at").desc(nulls_first=True), "-pk")

    def in_force(self) -> "Charter":
        """The version published last. Raises Charter.DoesNotExist when none is."""
        return self.published()[:1].get()

    def is_due_from(self, account: Account) -> bool:
        """Whether a version is in force that the person has not accepted; one query, and no text is read."""
        acceptances = CharterAcceptance.objects.filter(charter=models.OuterRef("pk"), account=account)
        is_accepted = self.published().values_list(models.Exists(acceptances), flat=True).first()
        return is_accepted is False


class Charter(models.Model):
    """One version of the IT charter in both languages, Markdown; the database refuses to change it once published.

    Before that it is a draft, and there is one at a time.
    """

    #: What the fingerprint covers besides the version.
    TEXTS = ("key_points_fr", "text_fr", "key_points_en", "text_en")

    version = models.CharField(_("version"), max_length=40, unique=True)
    text_fr = models.TextField(_("texte en français"))
    text_en = models.TextField(_("texte en anglais"))
    key_points_fr = models.TextField(_("l’essentiel en français"), help_text=_("Un point par ligne."))
    key_points_en = models.TextField(_("l’essentiel en anglais"), help_text=_("Un point par ligne."))
    saved_at = models.DateTimeField(_("enregistrée le"), null=True)
    saved_by = models.ForeignKey(
        Account, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("enregistrée par")
    )
    published_at = models.DateTimeField(_("publiée le"), null=True)
    published_by = models.ForeignKey(
        Account, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("publiée par")
    )
    # Shown to agents only.
    summary = models.TextField(_("ce qui change"), blank=True)

    objects = CharterQuerySet.as_manager()

    class Meta:
        verbose_name = _("charte informatique")
        verbose_name_plural = _("chartes informatiques")
        constraints = [
            models.UniqueConstraint(
                IsNull(models.F("published_at"), True),
                condition=models.Q(published_at__isnull=True),
                name="charter_one_draft",
            ),
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def is_draft(self) -> bool:
        """Whether it can still be changed."""
        return self.published_at is None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the version and all texts."""
        read = [self.version, *(getattr(self, name) for name in self.TEXTS)]
        return hashlib.sha256(json.dumps(read).encode()).hexdigest()

    @property
    def text(self) -> str:
        """The text in the language of the page."""
        return self.text_in(translation.get_language())

    @property
    def key_points(self) -> list[str]:
        """Its essential points in the language of the page, one sentence each."""
        return self.key_points_in(translation.get_language())

    def text_in(self, language: str | None) -> str:
        """The text in that language, in French when there is none in it."""
        return self.text_en if language == "en" else self.text_fr

    def key_points_in(self, language: str | None) -> list[str]:
        """Its essential points in that language."""
        points = self.key_points_en if language == "en" else self.key_points_fr
        return [line.strip() for line in points.splitlines() if line.strip()]


class CharterAcceptanceQuerySet(models.QuerySet["CharterAcceptance"]):
    def of_the_charter_in_force(self, now: object = None) -> "CharterAcceptanceQuerySet":
        """Acceptances of the version in force at `now`, a datetime or an expression."""
        return self.filter(charter=models.Subquery(Charter.objects.published(now).values("pk")[:1]))

    def latest_first(self) -> "CharterAcceptanceQuerySet":
        """With the charters, the acceptance given last before the others."""
        return self.select_related("charter").order_by("-accepted_at", "-pk")


class CharterAcceptance(models.Model):
    """Proof of acceptance; a trigger refuses changes."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="charter_acceptances", verbose_name=_("compte")
    )
    charter = models.ForeignKey(Charter, on_delete=models.PROTECT, related_name="acceptances", verbose_name=_("charte"))
    language = models.CharField(_("langue"), max_length=5, choices=settings.LANGUAGES)
    text_sha256 = models.CharField(_("empreinte du texte lu"), max_length=64)
    accepted_at = models.DateTimeField(_("acceptée le"), default=timezone.now)
    client_address = models.GenericIPAddressField(_("adresse réseau"), null=True)

    objects = CharterAcceptanceQuerySet.as_manager()

    class Meta:
        verbose_name = _("acceptation de la charte")
        verbose_name_plural = _("acceptations de la charte")
        constraints = [
            models.UniqueConstraint(fields=["account", "charter"], name="charter_accepted_once_per_version"),
        ]

    def __str__(self) -> str:
        return f"{self.account} · {self.charter}"

    @property
    def text(self) -> str:
        """The text that was accepted, in the language in which it was read."""
        return self.charter.text_in(self.language)

    @property
    def key_points(self) -> list[str]:
        """The essential points as they were read."""
        return self.charter.key_points_in(self.language)


class LinkRequestQuerySet(models.QuerySet["LinkRequest"]):
    def waiting(self) -> "LinkRequestQuerySet":
        """Not answered yet."""
        return self.filter(answered_at__isnull=True)


class LinkRequest(models.Model):
    """A request for a link. The row is the same whether the login exists; the worker looks it up."""

    wish = models.CharField(
        _("demande"), max_length=20, choices=EnumChoices(LinkRequestKind), default=LinkRequestKind.FIRST_CONNECTION
    )
    login = models.CharField(_("identifiant demandé"), max_length=254)
    language = models.CharField(_("langue"), max_length=5, choices=settings.LANGUAGES)
    requested_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    client_address = models.GenericIPAddressField(_("adresse réseau"), null=True)
    answered_at = models.DateTimeField(_("traité le"), null=True)

    objects = LinkRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("demande de lien")
        verbose_name_plural = _("demandes de lien")
        indexes = [
            models.Index(
                fields=["requested_at"], name="link_request_waiting", condition=models.Q(answered_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.requested_at:%Y-%m-%d %H:%M}"


class Reminders(models.Model):
    """Reminders sent to the recovery address `sent_to`; `stopped_for` is the address that has unsubscribed.

    A corrected address starts at zero.
    """

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.CASCADE, related_name="reminders", verbose_name=_("compte")
    )
    sent = models.PositiveSmallIntegerField(_("rappels envoyés"), default=0)
    sent_to = models.CharField(_("adresse des rappels"), max_length=254, blank=True)
    last_on = models.DateField(_("dernier rappel le"), null=True)
    stopped_for = models.CharField(_("adresse qui n’en veut plus"), max_length=254, blank=True)

    class Meta:
        db_table = "activation_reminders"
        verbose_name = _("rappels d’activation")
        verbose_name_plural = _("rappels d’activation")

    def __str__(self) -> str:
        return str(self.sent)
