from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.choices import EnumChoices
from journal.events import Event

EVENT_NAMES = dict(Event.choices)


class JournalEntry(models.Model):
    """An event of an account. Database triggers refuse changes and deletion."""

    # An index below begins with the account; another one would slow imports of 50,000 rows.
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="journal",
        verbose_name=_("compte"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("par"),
    )
    event = models.CharField(_("évènement"), max_length=60, choices=EnumChoices(Event))
    at = models.DateTimeField(_("date"), default=timezone.now)
    source = models.CharField(_("origine"), max_length=20)
    client_address = models.GenericIPAddressField(_("adresse réseau"), null=True)
    device = models.CharField(_("appareil"), max_length=100, blank=True)
    request_id = models.CharField(_("référence de la requête"), max_length=36, blank=True)
    details = models.JSONField(_("détails"), default=dict)

    class Meta:
        verbose_name = _("entrée du journal")
        verbose_name_plural = _("journal")
        indexes = [
            models.Index(fields=["account", "-at"], name="journal_account_at"),
            # For the agents' filters, paginated by keyset.
            models.Index(fields=["at", "id"], name="journal_newest"),
            models.Index(fields=["event", "at", "id"], name="journal_event"),
            models.Index(fields=["actor", "at", "id"], name="journal_actor", condition=Q(actor__isnull=False)),
            # For the agents' list of addresses proposed by HR.
            models.Index(
                fields=["account", "-at"],
                name="journal_proposed_addresses",
                condition=Q(event=Event.RECOVERY_ADDRESS_PROPOSED),
            ),
        ]

    def __str__(self) -> str:
        return self.get_event_display()

    # The stubs declare Django’s own too (no-redef).
    def get_event_display(self) -> str:  # type: ignore[no-redef]
        """Django's own translates the names of all events to find one: a third of a long page."""
        return str(EVENT_NAMES.get(self.event, self.event))
