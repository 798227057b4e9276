"""What the reason of an event is one of; of other events, an agent has written it."""

from accounts.enums import Event, LockReason, ReleaseReason
from activation.enums import ResendReason

# By event, for « autre » is in each of them.
REASONS = {Event.LOCKED: LockReason, Event.RELEASED: ReleaseReason, Event.LINK_REQUESTED: ResendReason}
