"""Security events in the log, named after the OWASP logging vocabulary."""

import logging
from typing import Literal

from core.request_context import current_request_context

logger = logging.getLogger(__name__)

Outcome = Literal["success", "failure"]


def log_security_event(event: str, *, outcome: Outcome, **facts: object) -> None:
    """Log one line; a failure as a warning. `facts` hold ids and constants, never user input."""
    context = current_request_context()
    fields = {"outcome": outcome, "source": context.source, "client_address": context.client_address, **facts}
    logger.log(logging.WARNING if outcome == "failure" else logging.INFO, event, extra={"facts": fields})
