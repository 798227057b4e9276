"""Requests to a provider: short timeouts, and two exceptions for every failure."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from requests.exceptions import RequestException

from accounts.auth.sso.base import IdentityNotConfirmed, ProviderUnavailable
from core.security_log import log_security_event

logger = logging.getLogger(__name__)

#: Seconds to connect, and to read.
TIMEOUTS = (3, 5)


@contextmanager
def provider_request() -> Iterator[None]:
    """Turn every failure into ProviderUnavailable or IdentityNotConfirmed, and log it without ticket or code."""
    try:
        yield
    except (IdentityNotConfirmed, ProviderUnavailable):
        raise
    except RequestException as failure:
        log_security_event("sign_in_provider_unavailable", outcome="failure", reason=type(failure).__name__)
        raise ProviderUnavailable from failure
    # The libraries parse what an attacker may have written, and raise many exceptions on it.
    except Exception as failure:
        log_security_event("authn_login_fail", outcome="failure", reason=type(failure).__name__)
        raise IdentityNotConfirmed from failure


def single_value(attributes: dict[str, object], name: str) -> str:
    """Raises ProviderUnavailable when the provider does not send the attribute: it has to be configured there."""
    value = attributes.get(name)
    if not isinstance(value, str) or not value:
        logger.error("The sign-in provider sends no single value of %s: see SIGN_IN_ATTRIBUTE.", name)
        raise ProviderUnavailable
    return value
