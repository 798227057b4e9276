"""What an agent may do to an account as it is: the buttons of its page and of a request about it."""

from collections.abc import Iterator

from accounts.enums import State
from accounts.models import Account
from accounts.permissions import AgentPermission, may_act_on
from activation.resend import KINDS

RESENT = {State.PENDING: "Renvoyer le lien d’activation", State.TO_REACTIVATE: "Renvoyer le lien de réactivation"}


def available_actions(account: Account, agent: Account) -> Iterator[tuple[str, str]]:
    """What the agent may do to the account as it is: the names of the pages, and what their buttons say."""
    if not may_act_on(agent, account):
        return
    state = account.state
    possible = {
        AgentPermission.RELEASE: (state == State.LOCKED, "admin:account-release", "Débloquer le compte"),
        AgentPermission.RESEND_LINK: (state in KINDS, "admin:account-resend", RESENT.get(state, "")),
        AgentPermission.CORRECT_ADDRESS: (
            state != State.CLOSED,
            "admin:account-correct",
            "Corriger l’adresse de secours",
        ),
        AgentPermission.LOCK: (can_be_locked(account), "admin:account-lock", "Bloquer le compte"),
    }
    for ability, (fits, page, label) in possible.items():
        if fits and agent.has_perm(ability.permission):
            yield page, label


def can_be_locked(account: Account) -> bool:
    """Whether there is something to lock; somebody who has left may come back, somebody who was erased does not."""
    return not account.is_locked and account.erased_at is None
