from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.enums import Category, State
from accounts.models.lock import Lock
from core.choices import EnumChoices


class AccountQuerySet(models.QuerySet["Account"]):
    def pending(self) -> "AccountQuerySet":
        return self._present().filter(activated_at__isnull=True)

    def active(self) -> "AccountQuerySet":
        return self._present().filter(activated_at__isnull=False).exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)

    def locked(self) -> "AccountQuerySet":
        return self.filter(locks__released_at__isnull=True, locks__isnull=False)

    def closed(self) -> "AccountQuerySet":
        return self.filter(end_date__lt=timezone.localdate())

    def with_lock(self) -> "AccountQuerySet":
        """Read `is_locked` and `times_locked` in the same query."""
        locks = Lock.objects.filter(account=models.OuterRef("pk"))
        counted = locks.order_by().values("account").annotate(times=models.Count("pk")).values("times")
        return self.annotate(open_lock=models.Exists(locks.open()), lock_count=models.Subquery(counted))

    def lock(self, pk: int) -> "Account":
        """Lock the row, then read it again to see concurrent commits; `is_locked` and `times_locked` are read too."""
        self.select_for_update(of=("self",)).get(pk=pk)
        return self.with_lock().get(pk=pk)

    def _present(self) -> "AccountQuerySet":
        unlocked = ~models.Exists(Lock.objects.filter(account=models.OuterRef("pk"), released_at__isnull=True))
        return self.filter(unlocked).filter(Q(end_date__isnull=True) | Q(end_date__gte=timezone.localdate()))


# django-stubs does not accept a class made by a call as a base class (misc).
class AccountManager(BaseUserManager.from_queryset(AccountQuerySet)):  # type: ignore[misc]
    def get_by_natural_key(self, username: str | None) -> "Account":
        account: Account = self.with_lock().get(institutional_address=username)
        return account


class Account(AbstractBaseUser, PermissionsMixin):
    # Null for agents unknown to HR: the column is unique (DJ001).
    hr_id = models.CharField(_("identifiant RH"), max_length=64, unique=True, null=True)  # noqa: DJ001
    uid = models.CharField(_("identifiant court (LDAP)"), max_length=32, unique=True)
    institutional_address = models.CharField(_("adresse institutionnelle"), max_length=254, unique=True)
    given_name = models.CharField(_("prénom"), max_length=100)
    family_name = models.CharField(_("nom"), max_length=100)
    birth_date = models.DateField(_("date de naissance"), null=True)
    category = models.CharField(_("catégorie"), max_length=10, choices=EnumChoices(Category))
    employer = models.CharField(_("employeur"), max_length=100, blank=True)
    ine = models.CharField(_("numéro INE"), max_length=11, blank=True)
    phone = models.CharField(_("téléphone connu des RH"), max_length=20, blank=True)
    start_date = models.DateField(_("arrivée"), null=True)
    end_date = models.DateField(_("départ"), null=True)
    language = models.CharField(_("langue"), max_length=5, choices=settings.LANGUAGES, default="fr")
    recovery_address = models.CharField(_("adresse de secours"), max_length=254, blank=True)
    recovery_address_owner_set_at = models.DateTimeField(_("adresse de secours choisie par la personne le"), null=True)
    recovery_address_disputed_at = models.DateTimeField(_("adresse de secours signalée comme erronée le"), null=True)
    charter_accepted_at = models.DateTimeField(_("charte acceptée le"), null=True)
    activated_at = models.DateTimeField(_("activé le"), null=True)
    password_changed_at = models.DateTimeField(_("mot de passe modifié le"), null=True)
    is_staff = models.BooleanField(_("agent DSIN"), default=False)
    # Set by agents/staff/tenure.py; null for an account that is no agent's.
    approves_from = models.DateTimeField(_("peut approuver à partir du"), null=True)
    # An erased account keeps its logins, which must not be given again, and its HR key, so that the HR file does not
    # recreate it (privacy/erasure.py).
    erased_at = models.DateTimeField(_("effacé le"), null=True)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now)

    objects = AccountManager()

    EMAIL_FIELD = "recovery_address"
    USERNAME_FIELD = "institutional_address"
    REQUIRED_FIELDS = ["uid", "given_name", "family_name", "category"]

    class Meta:
        verbose_name = _("compte informatique")
        verbose_name_plural = _("comptes informatiques")
        constraints = [
            # Makes the unique constraint case-insensitive.
            models.CheckConstraint(
                name="account_institutional_address_canonical",
                condition=Q(institutional_address=Lower("institutional_address")),
            ),
            models.CheckConstraint(
                name="account_activated_with_charter",
                condition=Q(activated_at__isnull=True) | Q(charter_accepted_at__isnull=False),
            ),
            models.CheckConstraint(
                name="account_erased_is_empty",
                condition=Q(erased_at__isnull=True)
                | Q(end_date__isnull=False, recovery_address="", activated_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["recovery_address"], name="account_recovery_address"),
            models.Index(fields=["created_at"], name="account_never_activated", condition=Q(activated_at__isnull=True)),
            models.Index(fields=["family_name", "given_name"], name="account_agents", condition=Q(is_staff=True)),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def login(self) -> str:
        return self.institutional_address

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def is_locked(self) -> bool:
        """Without a query after `with_lock()`."""
        if hasattr(self, "open_lock"):
            return bool(self.open_lock)
        return self.locks.filter(released_at__isnull=True).exists()

    @property
    def times_locked(self) -> int:
        """Without a query after `with_lock()`."""
        if hasattr(self, "lock_count"):
            return self.lock_count or 0
        return self.locks.count()

    @property
    def is_closed(self) -> bool:
        return self.end_date is not None and self.end_date < timezone.localdate()

    @property
    def state(self) -> State:
        """Read from the facts, never stored (docs/architecture.md)."""
        if self.is_closed:
            return State.CLOSED
        if self.is_locked:
            return State.LOCKED
        if self.activated_at is None:
            return State.PENDING
        return State.ACTIVE if self.has_usable_password() else State.TO_REACTIVATE

    # Django has a column of that name; here it follows from the facts (override).
    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Django's name for "may log in"."""
        return self.state == State.ACTIVE

    @property
    def has_mailbox_right(self) -> bool:
        """Only the university's own staff has a mailbox (step 4 of the university's page)."""
        return self.category == Category.STAFF

    @property
    def can_be_mailed(self) -> bool:
        return bool(self.recovery_address) and self.recovery_address_disputed_at is None
