"""What an agent may do to an account as it is: the buttons of its page and of a request about it."""

from collections.abc import Iterator

from accounts.enums import State
from accounts.models import Account
from accounts.permissions import Ability, may_act_on
from activation.resend import KINDS

RESENT = {State.PENDING: "Renvoyer le lien d’activation", State.TO_REACTIVATE: "Renvoyer le lien de réactivation"}


def acts_on(account: Account, agent: Account) -> Iterator[tuple[str, str]]:
    """What the agent may do to the account as it is: the names of the pages, and what their buttons say."""
    if not may_act_on(agent, account):
        return
    state = account.state
    possible = {
        Ability.RELEASE: (state == State.LOCKED, "admin:account-release", "Débloquer le compte"),
        Ability.RESEND_LINK: (state in KINDS, "admin:account-resend", RESENT.get(state, "")),
        Ability.CORRECT_ADDRESS: (state != State.CLOSED, "admin:account-correct", "Corriger l’adresse de secours"),
        Ability.LOCK: (may_be_locked(account), "admin:account-lock", "Bloquer le compte"),
    }
    for ability, (fits, page, label) in possible.items():
        if fits and agent.has_perm(ability.permission):
            yield page, label


def may_be_locked(account: Account) -> bool:
    """Whether there is something to lock; somebody who has left may come back, somebody who was erased does not."""
    return not account.is_locked and account.erased_at is None
