"""Which domains mail may be forwarded to, by settings."""

from collections.abc import Iterable
from email.utils import parseaddr

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from core.email_addresses import UNIVERSITY, InvalidAddress, address_key, external_address, suggested_correction


def forwarding_address(raw: str) -> str:
    """The canonical spelling of an address that mail may be forwarded to; else InvalidAddress, saying why.

    Not the university's own, nor the one that this portal writes from; and as `FORWARDING_ALLOWED_DOMAINS` and
    `FORWARDING_DENIED_DOMAINS` say.
    """
    address = external_address(raw)
    if address_key(address) in _own_addresses():
        raise InvalidAddress(UNIVERSITY, code="university")
    domain = domain_of(address)
    if _is_in(domain, settings.FORWARDING_DENIED_DOMAINS):
        text = _("L’université ne permet pas de rediriger vers %(domain)s. Choisissez une autre adresse")
        raise InvalidAddress(text % {"domain": domain}, code="denied_domain")
    allowed = settings.FORWARDING_ALLOWED_DOMAINS
    if allowed and not _is_in(domain, allowed):
        text = _("L’université ne permet de rediriger que vers ces domaines\N{NO-BREAK SPACE}: %(domains)s")
        raise InvalidAddress(text % {"domains": ", ".join(allowed)}, code="not_an_allowed_domain")
    return address


def may_receive(address: str) -> bool:
    """Whether mail may be forwarded to the address, as the settings are now."""
    try:
        forwarding_address(address)
    except InvalidAddress:
        return False
    return True


def suggested_target(typed: str) -> str | None:
    """What was probably meant, as `suggested_correction`; never an address that would be refused as well."""
    suggestion = suggested_correction(typed)
    return suggestion if suggestion is not None and may_receive(suggestion) else None


def domain_of(address: str) -> str:
    """What follows the @ of a canonical address."""
    return address.rpartition("@")[2]


def allowed_targets() -> Q:
    """The rule of `may_receive` as a condition on `Redirection.target`, whose addresses are canonical already."""
    refused = _targets_in([*settings.UNIVERSITY_DOMAINS, *settings.FORWARDING_DENIED_DOMAINS])
    for address in _own_addresses():
        refused |= Q(target__iexact=address)
    allowed = settings.FORWARDING_ALLOWED_DOMAINS
    return ~refused & _targets_in(allowed) if allowed else ~refused


def _is_in(domain: str, domains: Iterable[str]) -> bool:
    return any(domain == listed or domain.endswith(f".{listed}") for listed in domains)


def _targets_in(domains: Iterable[str]) -> Q:
    found = Q(pk__in=[])
    for domain in domains:
        found |= Q(target__endswith=f"@{domain}") | Q(target__endswith=f".{domain}")
    return found


def _own_addresses() -> set[str]:
    return {parseaddr(address)[1].lower() for address in (settings.DEFAULT_FROM_EMAIL, settings.SUPPORT_ADDRESS)}
