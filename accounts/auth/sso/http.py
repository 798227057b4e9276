"""How the portal speaks to a provider: never for long, and whatever comes back ends in one of two ways."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from requests.exceptions import RequestException

from accounts.auth.sso.providers import IdentityNotConfirmed, ProviderUnavailable
from core.security_log import log_security_event

logger = logging.getLogger(__name__)

#: Seconds to connect, and to wait for an answer (AVL-08).
WAITS = (3, 5)


@contextmanager
def provider_request() -> Iterator[None]:
    """Turn every failure inside into ProviderUnavailable or NotVouchedFor. The log names it without ticket or code."""
    try:
        yield
    except (IdentityNotConfirmed, ProviderUnavailable):
        raise
    except RequestException as failure:
        log_security_event("sign_in_provider_unavailable", outcome="failure", reason=type(failure).__name__)
        raise ProviderUnavailable from failure
    # A stranger may have written what the libraries read: they fail on it in any way there is.
    except Exception as failure:
        log_security_event("authn_login_fail", outcome="failure", reason=type(failure).__name__)
        raise IdentityNotConfirmed from failure


def given_name(facts: dict[str, object], attribute: str) -> str:
    """The attribute that names the person. Raises ProviderUnavailable when the provider was not told to send it."""
    name = facts.get(attribute)
    if not isinstance(name, str) or not name:
        logger.error("The sign-in provider sends no single value of %s: see SIGN_IN_ATTRIBUTE.", attribute)
        raise ProviderUnavailable
    return name
