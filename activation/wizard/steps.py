"""The steps of the activation. Whether one is done is read from the account's facts, never from a counter."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext_lazy as _

from accounts.forms import NewPasswordForm
from accounts.models import Account
from activation.forms import CharterForm
from activation.models import Charter
from activation.querysets import charter_is_accepted, is_listed
from activation.services import accept_charter, complete_activation
from core.compiled_query import CompiledQuery
from directory.forms import DirectoryForm
from directory.services import record_directory_consent
from mailrouting.forms import MailboxForm, answer_of
from mailrouting.models import Redirection
from mailrouting.services import choose_redirection, decline_redirection, postpone_verification

IN_FORCE = CompiledQuery(lambda now: Charter.objects.published(now)[:1])


class Step:
    """One page with one question. The address is `activation/<slug>/`, the number follows from `STEPS`."""

    slug: ClassVar[str]
    url_name: ClassVar[str]
    title: ClassVar[Promise | str]
    note: ClassVar[Promise | str] = ""
    template_name: ClassVar[str]
    form_class: ClassVar[type[forms.Form]]

    @property
    def number(self) -> int:
        """The number printed in the university's procedure: 1 is the link."""
        return LINK_NUMBER + 1 + STEPS.index(self)

    def applies_to(self, account: Account) -> bool:
        """Whether this account is asked at all."""
        return True

    def is_done(self, account: Account) -> bool:
        raise NotImplementedError

    def initial(self, account: Account) -> dict[str, Any]:
        """The answer given before, if any, as the form shows it."""
        return {}

    def context(self, account: Account) -> dict[str, Any]:
        return {}

    def form_kwargs(self, account: Account) -> dict[str, Any]:
        return {}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        raise NotImplementedError


class CharterStep(Step):
    slug, url_name = "charte", "activation-charter"
    title = _("Charte informatique")
    template_name = "activation/charter.html"
    form_class = CharterForm

    def is_done(self, account: Account) -> bool:
        return charter_is_accepted(account)

    def initial(self, account: Account) -> dict[str, Any]:
        return {"accepted": self.is_done(account)}

    def form_kwargs(self, account: Account) -> dict[str, Any]:
        charter = IN_FORCE.first(timezone.now())
        if charter is None:
            raise Charter.DoesNotExist
        return {"charter": charter}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        accept_charter(account=account, charter=data["charter"])


class DirectoryStep(Step):
    slug, url_name = "annuaire", "activation-directory"
    title = _("Annuaire public")
    template_name = "activation/directory.html"
    form_class = DirectoryForm

    def is_done(self, account: Account) -> bool:
        return is_listed(account) is not None

    def initial(self, account: Account) -> dict[str, Any]:
        listed = is_listed(account)
        # Consent is an act: neither answer is preselected.
        return {} if listed is None else {"listed": "yes" if listed else "no", "understood": True}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        record_directory_consent(account=account, listed=data["listed"] == "yes", wording=data["wording"])


class MailboxStep(Step):
    """Asks staff, who alone have a university mailbox, whether to forward it."""

    slug, url_name = "messagerie", "activation-mailbox"
    title = _("Messagerie")
    template_name = "activation/mailbox.html"
    form_class = MailboxForm

    def applies_to(self, account: Account) -> bool:
        return account.has_mailbox_right

    def is_done(self, account: Account) -> bool:
        return _redirection(account) is not None

    def initial(self, account: Account) -> dict[str, Any]:
        redirection = _redirection(account)
        return {"forward": redirection is not None and redirection.is_wanted, **answer_of(account, redirection)}

    def form_kwargs(self, account: Account) -> dict[str, Any]:
        return {"account": account}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        if data.get("forward"):
            choose_redirection(account=account, target=data["target"], keep_copy=data["keep_copy"])
        else:
            decline_redirection(account=account)


class VerificationStep(Step):
    """Waits for the forwarding address to be confirmed by mail; the user may go on without waiting."""

    slug, url_name = "verification", "activation-verification"
    title = _("Vérification de l’adresse")
    note = _("Seulement si vous redirigez vers une nouvelle adresse")
    template_name = "activation/verification.html"
    form_class = forms.Form

    def applies_to(self, account: Account) -> bool:
        redirection = _redirection(account)
        if redirection is None or not redirection.is_wanted:
            return False
        # A confirmed address keeps its step in the list.
        return redirection.is_waiting or redirection.target != account.recovery_address

    def is_done(self, account: Account) -> bool:
        redirection = _redirection(account)
        return redirection is None or not redirection.is_waiting or redirection.postponed_at is not None

    def save(self, account: Account, data: dict[str, Any]) -> None:
        postpone_verification(account=account)


class PasswordStep(Step):
    """Asks for the password, which activates the account: the last step."""

    slug, url_name = "mot-de-passe", "activation-password"
    title = _("Mot de passe")
    template_name = "activation/password.html"
    form_class = NewPasswordForm

    def is_done(self, account: Account) -> bool:
        return account.activated_at is not None

    def form_kwargs(self, account: Account) -> dict[str, Any]:
        return {"account": account}

    def context(self, account: Account) -> dict[str, Any]:
        return {"redirection": _redirection(account), "is_listed": is_listed(account)}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        complete_activation(account=account, password=data["password"])


CHARTER_STEP = CharterStep()
STEPS: tuple[Step, ...] = (CHARTER_STEP, DirectoryStep(), MailboxStep(), VerificationStep(), PasswordStep())
LINK_NUMBER = 1
LINK_TITLE, CONFIRMATION_TITLE = _("Lien d’activation"), _("Confirmation")


@dataclass(frozen=True, slots=True)
class ProgressItem:
    """One line of the stepper: `state` is done, current, skipped or todo."""

    number: int
    title: Promise | str
    state: str
    note: Promise | str = ""

    # Template fragments are cached by this.
    def __str__(self) -> str:
        return f"{self.number} {self.state}"


class Wizard:
    """The steps of one account, read once from its facts."""

    def __init__(self, account: Account) -> None:
        self.account = account

    @cached_property
    def steps(self) -> list[Step]:
        return [step for step in STEPS if step.applies_to(self.account)]

    @cached_property
    def done(self) -> list[Step]:
        """The steps answered before the first open one."""
        done: list[Step] = []
        for step in self.steps:
            if not step.is_done(self.account):
                break
            done.append(step)
        return done

    @property
    def first_open(self) -> Step:
        """The first unanswered step; the last one when all are answered."""
        remaining = self.steps[len(self.done) :]
        return remaining[0] if remaining else self.steps[-1]

    def may_open(self, step: Step) -> bool:
        return step is self.first_open or step in self.done

    def previous(self, step: Step) -> Step | None:
        position = self.steps.index(step)
        return self.steps[position - 1] if position else None

    def progress(self, current: int) -> list[ProgressItem]:
        """The stepper: the link, every step, the confirmation; `current` is the number of the page shown."""
        link = ProgressItem(LINK_NUMBER, LINK_TITLE, "current" if current == LINK_NUMBER else "done")
        steps = [ProgressItem(step.number, step.title, self._state(step, current), step.note) for step in STEPS]
        last = confirmation_number()
        return [link, *steps, ProgressItem(last, CONFIRMATION_TITLE, "done" if current == last else "todo")]

    def _state(self, step: Step, current: int) -> str:
        if step.number == current:
            return "current"
        if step.number > current:
            return "todo"
        return "done" if step in self.steps else "skipped"


def confirmation_number() -> int:
    return LINK_NUMBER + len(STEPS) + 1


def _redirection(account: Account) -> Redirection | None:
    redirection: Redirection | None = getattr(account, "redirection", None)
    return redirection
