"""The steps of the activation. What is done is read from the account's facts, never from a counter (design §5)."""

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
    """One page that asks one thing. `number` is the university's own, printed in its procedure."""

    number: ClassVar[int]
    slug: ClassVar[str]
    url_name: ClassVar[str]
    title: ClassVar[Promise]
    note: ClassVar[Promise | str] = ""
    template_name: ClassVar[str]
    form_class: ClassVar[type[forms.Form]]

    def applies_to(self, account: Account) -> bool:
        """Whether this person is asked at all."""
        return True

    def is_done(self, account: Account) -> bool:
        """Whether the account's facts hold an answer."""
        raise NotImplementedError

    def initial(self, account: Account) -> dict[str, Any]:
        """What the form shows first: the answer given before, when there is one."""
        return {}

    def context(self, account: Account) -> dict[str, Any]:
        """What the page says besides the form."""
        return {}

    def form_arguments(self, account: Account) -> dict[str, Any]:
        """What the form has to know to check the answer."""
        return {}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        """Record the answer through one service."""
        raise NotImplementedError


class CharterStep(Step):
    """Accept the charter in force."""

    number, slug, url_name = 2, "charte", "activation-charter"
    title = _("Charte informatique")
    template_name = "activation/charter.html"
    form_class = CharterForm

    def is_done(self, account: Account) -> bool:
        """Whether the version in force has been accepted."""
        return charter_is_accepted(account)

    def form_arguments(self, account: Account) -> dict[str, Any]:
        """The version in force, compared with the one that was on the page: nobody accepts what they did not read."""
        charter = IN_FORCE.first(timezone.now())
        if charter is None:
            raise Charter.DoesNotExist
        return {"charter": charter}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        """Record the acceptance."""
        accept_charter(account=account, charter=data["charter"])


class DirectoryStep(Step):
    """Say yes or no to the public directory."""

    number, slug, url_name = 3, "annuaire", "activation-directory"
    title = _("Annuaire public")
    template_name = "activation/directory.html"
    form_class = DirectoryForm

    def is_done(self, account: Account) -> bool:
        """Whether there is a decision, yes or no."""
        return is_listed(account) is not None

    def initial(self, account: Account) -> dict[str, Any]:
        """The decision already taken; none is chosen beforehand (PRV-02)."""
        listed = is_listed(account)
        return {} if listed is None else {"listed": "yes" if listed else "no", "understood": True}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        """Record the decision and the question as it was asked."""
        record_directory_consent(account=account, listed=data["listed"] == "yes", wording=data["wording"])


class MailboxStep(Step):
    """Forward the university mailbox, or not."""

    number, slug, url_name = 4, "messagerie", "activation-mailbox"
    title = _("Messagerie")
    template_name = "activation/mailbox.html"
    form_class = MailboxForm

    def applies_to(self, account: Account) -> bool:
        """Only the university's own staff has a mailbox."""
        return account.has_mailbox_right

    def is_done(self, account: Account) -> bool:
        """Whether there is a decision, forwarding or none."""
        return _redirection(account) is not None

    def initial(self, account: Account) -> dict[str, Any]:
        """The decision already taken, else no forwarding, with the recovery address ready in the field."""
        current = _redirection(account)
        return {"forward": current is not None and current.is_wanted, **answer_of(account, current)}

    def form_arguments(self, account: Account) -> dict[str, Any]:
        """Whose mailbox it is."""
        return {"account": account}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        """Record the decision."""
        if data.get("forward"):
            choose_redirection(account=account, target=data["target"], keep_copy=data["keep_copy"])
        else:
            decline_redirection(account=account)


class VerificationStep(Step):
    """Wait for the click in the mail, or go on without waiting."""

    number, slug, url_name = 5, "verification", "activation-verification"
    title = _("Vérification de l’adresse")
    note = _("Seulement si vous redirigez vers une nouvelle adresse")
    template_name = "activation/verification.html"
    form_class = forms.Form

    def applies_to(self, account: Account) -> bool:
        """Only when the address is not the recovery address; it stays in the list once it is confirmed."""
        current = _redirection(account)
        if current is None or not current.is_wanted:
            return False
        return current.is_waiting or current.target != account.recovery_address

    def is_done(self, account: Account) -> bool:
        """Whether the address is confirmed, or the person goes on without waiting (FWD-03)."""
        current = _redirection(account)
        return current is None or not current.is_waiting or current.postponed_at is not None

    def save(self, account: Account, data: dict[str, Any]) -> None:
        """Go on without waiting."""
        postpone_verification(account=account)


class PasswordStep(Step):
    """Choose the password; the account is activated by it."""

    number, slug, url_name = 6, "mot-de-passe", "activation-password"
    title = _("Mot de passe")
    template_name = "activation/password.html"
    form_class = NewPasswordForm

    def is_done(self, account: Account) -> bool:
        """Whether the account is activated."""
        return account.activated_at is not None

    def form_arguments(self, account: Account) -> dict[str, Any]:
        """Whose password it is: it must not be made of their names."""
        return {"account": account}

    def context(self, account: Account) -> dict[str, Any]:
        """The choices made so far, to be read again before the end."""
        return {"redirection": _redirection(account), "is_listed": is_listed(account)}

    def save(self, account: Account, data: dict[str, Any]) -> None:
        """Set the password and activate, in one transaction."""
        complete_activation(account=account, password=data["password"])


STEPS = (CharterStep(), DirectoryStep(), MailboxStep(), VerificationStep(), PasswordStep())
LINK_TITLE, CONFIRMATION_TITLE = _("Lien d’activation"), _("Confirmation")


@dataclass(frozen=True, slots=True)
class ProgressItem:
    """One line of the list of steps: `state` is done, current, skipped or todo."""

    number: int
    title: Promise
    state: str
    note: Promise | str = ""

    def __str__(self) -> str:
        """What one list of steps differs from another by."""
        return f"{self.number} {self.state}"


class Wizard:
    """One person's way through the steps, read once from the facts."""

    def __init__(self, account: Account) -> None:
        self.account = account

    @cached_property
    def steps(self) -> list[Step]:
        """The steps that this person is asked."""
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
        """Where the person should be; the password, when everything else is answered."""
        remaining = self.steps[len(self.done) :]
        return remaining[0] if remaining else self.steps[-1]

    def may_open(self, step: Step) -> bool:
        """Whether a page may be shown: the first open step, or one answered before it (SES-02)."""
        return step is self.first_open or step in self.done

    def before(self, step: Step) -> Step | None:
        """The step to go back to."""
        position = self.steps.index(step)
        return self.steps[position - 1] if position else None

    def marks(self, current: int) -> list[ProgressItem]:
        """All seven steps as the list beside the page shows them."""
        middle = [ProgressItem(step.number, step.title, self._state(step, current), step.note) for step in STEPS]
        last = ProgressItem(7, CONFIRMATION_TITLE, "done" if current == 7 else "todo")
        return [ProgressItem(1, LINK_TITLE, "current" if current == 1 else "done"), *middle, last]

    def _state(self, step: Step, current: int) -> str:
        if step.number == current:
            return "current"
        if step.number > current:
            return "todo"
        return "done" if step in self.steps else "skipped"


def _redirection(account: Account) -> Redirection | None:
    redirection: Redirection | None = getattr(account, "redirection", None)
    return redirection
