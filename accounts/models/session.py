import hashlib
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.utils.translation import gettext_lazy as _


# django-stubs does not accept a class made by a call as a base class (misc).
class SessionManager(BaseSessionManager.from_queryset(models.QuerySet["Session"])):  # type: ignore[misc]
    pass


class Session(AbstractBaseSession):
    """Deleting the row ends the session at once, whatever the cache holds."""

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="sessions", verbose_name=_("compte")
    )
    device = models.CharField(_("appareil"), max_length=100, blank=True)
    client_address = models.GenericIPAddressField(_("adresse réseau"), null=True)
    signed_in_at = models.DateTimeField(_("ouverte le"), null=True)
    last_seen_at = models.DateTimeField(_("utilisée le"), null=True)

    # The stubs declare the manager of the abstract session as one of the class (misc).
    objects = SessionManager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store

    @property
    def handle(self) -> str:
        """Identifies the session on pages; the key itself is a secret."""
        return hashlib.sha256(self.session_key.encode()).hexdigest()[:32]
