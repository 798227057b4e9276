"""Who someone is: the account, what locks it, and the journal of everything that happened to it."""

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
    """Words of accounts; each is the set of one state of design §3."""

    def pending(self) -> "AccountQuerySet":
        """Never activated, still employed, not locked."""
        return self._present().filter(activated_at__isnull=True)

    def active(self) -> "AccountQuerySet":
        """Activated, with a password, still employed, not locked."""
        return self._present().filter(activated_at__isnull=False).exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)

    def locked(self) -> "AccountQuerySet":
        """With an open lock."""
        return self.filter(locks__released_at__isnull=True, locks__isnull=False)

    def closed(self) -> "AccountQuerySet":
        """Past the end date that HR gave."""
        return self.filter(end_date__lt=timezone.localdate())

    def with_lock(self) -> "AccountQuerySet":
        """The same accounts, each knowing without a query of its own whether it is locked, and how often it was."""
        locks = Lock.objects.filter(account=models.OuterRef("pk"))
        counted = locks.order_by().values("account").annotate(times=models.Count("pk")).values("times")
        return self.annotate(open_lock=models.Exists(locks.open()), lock_count=models.Subquery(counted))

    def lock(self, pk: int) -> "Account":
        """Lock the row, then read it again, to see what concurrent transactions have committed.

        The second query also reads whether a lock is open and how many there were.
        """
        self.select_for_update(of=("self",)).get(pk=pk)
        return self.with_lock().get(pk=pk)

    def _present(self) -> "AccountQuerySet":
        unlocked = ~models.Exists(Lock.objects.filter(account=models.OuterRef("pk"), released_at__isnull=True))
        return self.filter(unlocked).filter(Q(end_date__isnull=True) | Q(end_date__gte=timezone.localdate()))


# django-stubs takes a class made by a call for no class (misc).
class AccountManager(BaseUserManager.from_queryset(AccountQuerySet)):  # type: ignore[misc]
    """Finds accounts by what people sign in with."""

    def get_by_natural_key(self, username: str | None) -> "Account":
        """The account of an institutional address in its canonical spelling (`core.email_addresses`)."""
        account: Account = self.with_lock().get(institutional_address=username)
        return account


class Account(AbstractBaseUser, PermissionsMixin):
    """A person's university account, made from an HR record and activated by its owner."""

    # Empty for agents whom HR does not know; unique all the same, hence null (DJ001).
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
    # An erased account keeps its names, so that nobody else ever gets them, and the key of HR, so that its file brings
    # back nobody who has left (privacy/erasure.py).
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
            # With the unique column: no two accounts with one address, whatever its case.
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
            # A handful among a hundred thousand.
            models.Index(fields=["family_name", "given_name"], name="account_agents", condition=Q(is_staff=True)),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def login(self) -> str:
        """What the person signs in with."""
        return self.institutional_address

    @property
    def full_name(self) -> str:
        """Given name, then family name, as people say it."""
        return f"{self.given_name} {self.family_name}"

    @property
    def is_locked(self) -> bool:
        """Whether a lock is open; without a query when the account was read through `with_lock()`."""
        if hasattr(self, "open_lock"):
            return bool(self.open_lock)
        return self.locks.filter(released_at__isnull=True).exists()

    @property
    def times_locked(self) -> int:
        """How many locks there ever were; without a query when the account was read through `with_lock()`."""
        if hasattr(self, "lock_count"):
            return self.lock_count or 0
        return self.locks.count()

    @property
    def is_closed(self) -> bool:
        """Whether the end date that HR gave is over, in the university's days."""
        return self.end_date is not None and self.end_date < timezone.localdate()

    @property
    def state(self) -> State:
        """The state of design §3, read from the facts."""
        if self.is_closed:
            return State.CLOSED
        if self.is_locked:
            return State.LOCKED
        if self.activated_at is None:
            return State.PENDING
        return State.ACTIVE if self.has_usable_password() else State.TO_REACTIVATE

    # Django has a column here; ours is read from the facts.
    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Django's word for "may sign in"."""
        return self.state == State.ACTIVE

    @property
    def has_mailbox_right(self) -> bool:
        """Only the university's own staff gets a mailbox (the university's page, step 4)."""
        return self.category == Category.STAFF

    @property
    def can_be_mailed(self) -> bool:
        """Whether the recovery address is known and nobody has said it is somebody else's."""
        return bool(self.recovery_address) and self.recovery_address_disputed_at is None
