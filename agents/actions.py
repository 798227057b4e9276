"""The actions on an account: the buttons of its page and of the page of a request about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from accounts.enums import State
from accounts.models import Account
from accounts.permissions import AgentPermission, may_act_on


@dataclass(frozen=True, slots=True)
class AccountAction:
    """A button: its page, its permission, its label, and for which accounts it is shown."""

    url_name: str
    permission: AgentPermission
    label: str
    is_available: Callable[[Account], bool]


def _can_be_locked(account: Account) -> bool:
    # An account that is closed may be opened again by HR; an erased one is not.
    return not account.is_locked and account.erased_at is None


ACCOUNT_ACTIONS = [
    AccountAction(
        "account-release",
        AgentPermission.RELEASE,
        "Débloquer le compte",
        lambda account: account.state == State.LOCKED,
    ),
    AccountAction(
        "account-resend",
        AgentPermission.RESEND_LINK,
        "Renvoyer le lien d’activation",
        lambda account: account.state == State.PENDING,
    ),
    AccountAction(
        "account-resend",
        AgentPermission.RESEND_LINK,
        "Renvoyer le lien de réactivation",
        lambda account: account.state == State.TO_REACTIVATE,
    ),
    AccountAction(
        "account-correct",
        AgentPermission.CORRECT_ADDRESS,
        "Corriger l’adresse de secours",
        lambda account: account.state != State.CLOSED,
    ),
    AccountAction("account-lock", AgentPermission.LOCK, "Bloquer le compte", _can_be_locked),
]


def available_actions(account: Account, agent: Account) -> Iterator[tuple[str, str]]:
    """The view name and the label of each action that the agent may do to the account in its present state."""
    if not may_act_on(agent, account):
        return
    for action in ACCOUNT_ACTIONS:
        if action.is_available(account) and agent.has_perm(action.permission):
            yield f"admin:{action.url_name}", action.label
