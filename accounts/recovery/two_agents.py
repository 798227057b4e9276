"""Who gives an account another recovery address: an agent with the permission; for a replacement two, neither new."""

from accounts.enums import State
from accounts.models import Account, RecoveryAddressCorrection
from accounts.permissions import AgentPermission, may_approve
from core.security_log import log_security_event


class CorrectionRefused(Exception):
    """Base class: nothing has changed."""


class CorrectionNotAllowed(CorrectionRefused):
    """Without the permission, or for an agent's account."""


class OwnProposal(CorrectionNotAllowed):
    """The proposer does not approve."""


class NewAgent(CorrectionRefused):
    """A colleague appointed the agent, or gave them an enrolment code, too recently."""


class ProposerNotCounted(CorrectionRefused):
    """The proposer is an agent no more, or a new one."""


def may_correct(agent: Account | None, account: Account) -> bool:
    """Not an agent who was erased since, nor one who is locked."""
    if agent is None or agent.pk == account.pk or account.is_staff:
        return False
    return agent.is_staff and agent.state == State.ACTIVE and agent.has_perm(AgentPermission.CORRECT_ADDRESS)


def require_correction_permission(agent: Account, account: Account) -> None:
    """Raises CorrectionNotAllowed."""
    if not may_correct(agent, account):
        raise CorrectionNotAllowed


def require_second_agent(correction: RecoveryAddressCorrection, agent: Account) -> None:
    """Raises CorrectionNotAllowed, OwnProposal."""
    require_correction_permission(agent, correction.account)
    if correction.proposed_by_id == agent.pk:
        raise OwnProposal


def require_tenure(agent: Account) -> None:
    """Raises NewAgent."""
    if not may_approve(agent):
        log_security_event("authz_fail", outcome="failure", account=agent.pk, why="new-agent")
        raise NewAgent


def require_two_with_tenure(correction: RecoveryAddressCorrection, agent: Account) -> None:
    """Whichever of the two is new may be under the other's hand. Raises NewAgent, ProposerNotCounted."""
    require_tenure(agent)
    proposer = correction.proposed_by
    if proposer is None or not may_correct(proposer, correction.account) or not may_approve(proposer):
        raise ProposerNotCounted
