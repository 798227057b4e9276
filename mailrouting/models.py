"""Where university mail goes: the mailbox, and its forwarding to an outside address."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from mailrouting.domains import allowed_targets, may_receive


class Mailbox(models.Model):
    """A university mailbox, made when a member of staff is activated."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="mailbox", verbose_name=_("compte"))
    address = models.CharField(_("adresse"), max_length=254, unique=True)
    created_at = models.DateTimeField(_("créée le"), default=timezone.now)

    class Meta:
        verbose_name = _("boîte universitaire")
        verbose_name_plural = _("boîtes universitaires")

    def __str__(self) -> str:
        return self.address


class RedirectionQuerySet(models.QuerySet["Redirection"]):
    def in_force(self) -> "RedirectionQuerySet":
        """What the mail server may apply: verified, allowed by the settings, of an active account."""
        if not settings.FORWARDING_ALLOWED:
            return self.none()
        return self.filter(allowed_targets(), verified_at__isnull=False, account__in=Account.objects.active())

    def waiting(self) -> "RedirectionQuerySet":
        return self.exclude(target="").filter(verified_at__isnull=True)


class Redirection(models.Model):
    """The decision about forwarding. An empty target means no forwarding."""

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, related_name="redirection", verbose_name=_("compte")
    )
    target = models.CharField(_("adresse de redirection"), max_length=254, blank=True)
    keep_copy = models.BooleanField(_("copie gardée dans la boîte universitaire"), default=True)
    chosen_at = models.DateTimeField(_("choisie le"), default=timezone.now)
    verified_at = models.DateTimeField(_("vérifiée le"), null=True)
    postponed_at = models.DateTimeField(_("vérification remise à plus tard le"), null=True)

    objects = RedirectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("redirection")
        verbose_name_plural = _("redirections")
        constraints = [
            models.CheckConstraint(
                name="redirection_verified_has_target", condition=Q(verified_at__isnull=True) | ~Q(target="")
            ),
            models.CheckConstraint(
                name="redirection_without_target_keeps_copy", condition=~Q(target="") | Q(keep_copy=True)
            ),
        ]

    def __str__(self) -> str:
        return self.target or str(_("Aucune"))

    @property
    def is_wanted(self) -> bool:
        """Whether there is an address to forward to."""
        return bool(self.target)

    @property
    def is_waiting(self) -> bool:
        """Whether its address still has to be confirmed."""
        return self.is_wanted and self.verified_at is None

    @property
    def suspension(self) -> str:
        """Why the university does not allow it any more; empty when it does."""
        if not self.is_wanted:
            return ""
        if not settings.FORWARDING_ALLOWED:
            return gettext("L’université ne permet plus de rediriger les messages.")
        return "" if may_receive(self.target) else gettext("L’université ne permet plus de rediriger vers ce domaine.")
