"""Security events in the log, named after the OWASP vocabulary; people by number only (LOG-01, LOG-02)."""

import logging
from typing import Literal

from core.request_context import current_request_context

logger = logging.getLogger(__name__)

Outcome = Literal["success", "failure"]


def log_security_event(event: str, *, outcome: Outcome, **facts: object) -> None:
    """Write one line; a failure as a warning. `facts` hold numbers and words of ours, nothing that anybody typed."""
    origin = current_request_context()
    told = {"outcome": outcome, "source": origin.source, "client_address": origin.client_address, **facts}
    logger.log(logging.WARNING if outcome == "failure" else logging.INFO, event, extra={"facts": told})
