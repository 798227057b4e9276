"""Who someone is: the account, what locks it, and the journal of everything that happened to it."""

import hashlib
from datetime import datetime

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.enums import Category, Event, LockReason, Proof, ReleaseReason, State


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

    def _present(self) -> "AccountQuerySet":
        unlocked = ~models.Exists(Lock.objects.filter(account=models.OuterRef("pk"), released_at__isnull=True))
        return self.filter(unlocked).filter(Q(end_date__isnull=True) | Q(end_date__gte=timezone.localdate()))


# django-stubs takes a class made by a call for no class (misc).
class AccountManager(BaseUserManager.from_queryset(AccountQuerySet)):  # type: ignore[misc]
    """Finds accounts by what people sign in with."""

    def get_by_natural_key(self, username: str | None) -> "Account":
        """The account of an institutional address in its canonical spelling (`accounts.addresses`)."""
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
    category = models.CharField(_("catégorie"), max_length=10, choices=Category)
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
    # back nobody who has left (accounts/erasing.py).
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


class LockQuerySet(models.QuerySet["Lock"]):
    """Words of locks."""

    def open(self) -> "LockQuerySet":
        """Not released yet."""
        return self.filter(released_at__isnull=True)


class Lock(models.Model):
    """Why an account is locked, by whom, since when; released by whom, after which proof.

    Once it is released, the database refuses any change (HLP-03).
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="locks", verbose_name=_("compte"))
    reason = models.CharField(_("raison"), max_length=30, choices=LockReason)
    locked_at = models.DateTimeField(_("bloqué le"), default=timezone.now)
    locked_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("bloqué par")
    )
    locked_by_system = models.CharField(_("bloqué par le système"), max_length=40, blank=True)
    comment = models.CharField(_("commentaire"), max_length=500, blank=True)
    released_at = models.DateTimeField(_("débloqué le"), null=True)
    released_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("débloqué par")
    )
    released_reason = models.CharField(_("motif du déblocage"), max_length=30, choices=ReleaseReason, blank=True)
    proof = models.CharField(_("identité vérifiée par"), max_length=20, choices=Proof, blank=True)
    number_called = models.CharField(_("numéro appelé"), max_length=20, blank=True)
    report = models.TextField(_("compte rendu"), blank=True)
    # Entries of the journal, by number.
    reviewed = models.JSONField(_("changements vérifiés"), default=list)

    objects = LockQuerySet.as_manager()

    class Meta:
        verbose_name = _("blocage")
        verbose_name_plural = _("blocages")
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(released_at__isnull=True), name="lock_one_open_per_account"
            ),
            models.CheckConstraint(
                name="lock_released_with_proof",
                condition=Q(released_at__isnull=True)
                | (Q(released_reason__in=ReleaseReason.values, proof__in=Proof.values) & ~Q(report="")),
            ),
            models.CheckConstraint(
                name="lock_called_back_at_a_number", condition=~Q(proof=Proof.CALL_BACK) | ~Q(number_called="")
            ),
        ]

    def __str__(self) -> str:
        return self.get_reason_display()


EVENT_NAMES = dict(Event.choices)


class JournalEntry(models.Model):
    """One thing that happened to an account. The database refuses to change or delete it (LOG-03)."""

    # The index below begins with the account: one of its own would only slow a feed of 50,000 rows.
    account = models.ForeignKey(
        Account,
        null=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="journal",
        verbose_name=_("compte"),
    )
    actor = models.ForeignKey(
        Account, null=True, db_index=False, on_delete=models.PROTECT, related_name="+", verbose_name=_("par")
    )
    event = models.CharField(_("évènement"), max_length=60, choices=Event)
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
            # What the agents filter by, each read backwards from the page before: in the order of the columns.
            models.Index(fields=["at", "id"], name="journal_newest"),
            models.Index(fields=["event", "at", "id"], name="journal_event"),
            models.Index(fields=["actor", "at", "id"], name="journal_actor", condition=Q(actor__isnull=False)),
            # What HR has proposed, among millions of entries: the agents' list of addresses.
            models.Index(
                fields=["account", "-at"],
                name="journal_proposed_addresses",
                condition=Q(event=Event.RECOVERY_ADDRESS_PROPOSED),
            ),
        ]

    def __str__(self) -> str:
        return self.get_event_display()

    # The stubs declare Django’s own besides (no-redef).
    def get_event_display(self) -> str:  # type: ignore[no-redef]
        """Its name in the language of now. Django's own translates all names to find one: a third of a long page."""
        return str(EVENT_NAMES.get(self.event, self.event))


class RecoveryAddressChangeQuerySet(models.QuerySet["RecoveryAddressChange"]):
    """Words of the changes of a recovery address."""

    def waiting(self) -> "RecoveryAddressChangeQuerySet":
        """Asked for, neither confirmed nor given up."""
        return self.filter(confirmed_at__isnull=True, cancelled_at__isnull=True)


class RecoveryAddressChange(models.Model):
    """A person's wish for another recovery address: in force once whoever reads it has confirmed it (HLP-07)."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="recovery_address_changes", verbose_name=_("compte")
    )
    previous_address = models.CharField(_("ancienne adresse"), max_length=254, blank=True)
    new_address = models.CharField(_("nouvelle adresse"), max_length=254)
    asked_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmé le"), null=True)
    cancelled_at = models.DateTimeField(_("abandonné le"), null=True)
    undone_at = models.DateTimeField(_("annulé le"), null=True)

    objects = RecoveryAddressChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("changement d’adresse de secours")
        verbose_name_plural = _("changements d’adresse de secours")
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(confirmed_at__isnull=True, cancelled_at__isnull=True),
                name="recovery_address_change_one_waiting",
            ),
            models.CheckConstraint(
                name="recovery_address_change_undone_was_confirmed",
                condition=Q(undone_at__isnull=True) | Q(confirmed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.new_address


class RecoveryAddressCorrectionQuerySet(models.QuerySet["RecoveryAddressCorrection"]):
    """Words of the recovery addresses that agents give."""

    def open(self) -> "RecoveryAddressCorrectionQuerySet":
        """Neither in force nor given up."""
        return self.filter(applied_at__isnull=True, given_up_at__isnull=True)

    def to_approve(self) -> "RecoveryAddressCorrectionQuerySet":
        """Proposed by one agent; another one has to approve."""
        return self.open().filter(approved_at__isnull=True)

    def approved(self) -> "RecoveryAddressCorrectionQuerySet":
        """Approved, and not in force yet."""
        return self.open().filter(approved_at__isnull=False)

    def due(self, now: datetime) -> "RecoveryAddressCorrectionQuerySet":
        """Approved so long ago that they come into force."""
        return self.approved().filter(effective_at__lte=now)

    def never_read(self) -> "RecoveryAddressCorrectionQuerySet":
        """On file now, and given to somebody who was active already: no link has been opened there to activate."""
        in_force = self.filter(undone_at__isnull=True, new_address=models.F("account__recovery_address"))
        return in_force.filter(applied_at__gt=models.F("account__activated_at"))


class RecoveryAddressCorrection(models.Model):
    """Another recovery address, given by agents: a slip of HR put right by one of them, at once; or a replacement that
    a second agent approves, and that waits after that (HLP-05). Only a replacement has a proof.
    """

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="recovery_address_corrections", verbose_name=_("compte")
    )
    previous_address = models.CharField(_("ancienne adresse"), max_length=254, blank=True)
    new_address = models.CharField(_("nouvelle adresse"), max_length=254)
    proof = models.CharField(_("identité vérifiée par"), max_length=20, choices=Proof, blank=True)
    number_called = models.CharField(_("numéro appelé"), max_length=20, blank=True)
    note = models.CharField(_("raison ou compte rendu"), max_length=500)
    proposed_at = models.DateTimeField(_("proposée le"), default=timezone.now)
    proposed_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("proposée par")
    )
    approved_at = models.DateTimeField(_("approuvée le"), null=True)
    approved_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("approuvée par")
    )
    effective_at = models.DateTimeField(_("en vigueur à partir du"), null=True)
    applied_at = models.DateTimeField(_("mise en vigueur le"), null=True)
    given_up_at = models.DateTimeField(_("abandonnée le"), null=True)
    given_up_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("abandonnée par")
    )
    undone_at = models.DateTimeField(_("annulée le"), null=True)

    objects = RecoveryAddressCorrectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("adresse de secours donnée par un agent")
        verbose_name_plural = _("adresses de secours données par un agent")
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(applied_at__isnull=True, given_up_at__isnull=True),
                name="recovery_correction_one_open",
            ),
            models.CheckConstraint(
                name="recovery_correction_two_agents", condition=~Q(approved_by=models.F("proposed_by"))
            ),
            models.CheckConstraint(
                name="recovery_correction_waits_after_approval",
                condition=Q(approved_at__isnull=True, effective_at__isnull=True)
                | Q(
                    approved_at__isnull=False,
                    effective_at__isnull=False,
                    effective_at__gt=models.F("approved_at"),
                ),
            ),
            models.CheckConstraint(
                name="recovery_correction_replacement_in_time",
                condition=Q(applied_at__isnull=True)
                | Q(proof="")
                | Q(effective_at__isnull=False, applied_at__gte=models.F("effective_at")),
            ),
            models.CheckConstraint(
                name="recovery_correction_proven",
                condition=Q(proof__in=["", *Proof.values]) & (~Q(proof=Proof.CALL_BACK) | ~Q(number_called="")),
            ),
            models.CheckConstraint(name="recovery_correction_explained", condition=~Q(note="")),
            models.CheckConstraint(
                name="recovery_correction_one_end",
                condition=Q(applied_at__isnull=True) | Q(given_up_at__isnull=True),
            ),
            models.CheckConstraint(
                name="recovery_correction_undone_was_applied",
                condition=Q(undone_at__isnull=True) | Q(applied_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.new_address

    @property
    def is_open(self) -> bool:
        """Neither in force nor given up."""
        return self.applied_at is None and self.given_up_at is None


# As above (misc).
class SessionManager(BaseSessionManager.from_queryset(models.QuerySet["Session"])):  # type: ignore[misc]
    """Finds sessions; saves them as Django does."""


class Session(AbstractBaseSession):
    """A browser's session. One row holds it, so that deleting the row ends it at once, whatever Redis remembers."""

    account = models.ForeignKey(
        Account, null=True, on_delete=models.CASCADE, related_name="sessions", verbose_name=_("compte")
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
        """The store that `SESSION_ENGINE` names."""
        from accounts.session_store import SessionStore

        return SessionStore

    @property
    def handle(self) -> str:
        """What a page calls this session by: the key itself opens it, so it is shown to nobody."""
        return hashlib.sha256(self.session_key.encode()).hexdigest()[:32]
