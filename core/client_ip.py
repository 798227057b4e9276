"""Who is at the other end of the connection, behind the proxies that the operators named (ENU-06, HDR-05)."""

import ipaddress
from functools import cache

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def client_address(request: HttpRequest) -> str | None:
    """The address of the client: the last one that a trusted proxy saw and that is no trusted proxy itself."""
    address = _valid(request.META.get("REMOTE_ADDR", ""))
    hops = [_valid(hop) for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    while hops and is_trusted_proxy(address):
        hop = hops.pop()
        if hop is None:
            # What stands before it was written by who knows whom.
            break
        address = hop
    return address


def is_trusted_proxy(address: str | None) -> bool:
    """Whether TRUSTED_PROXIES names the address or its network."""
    known = _valid(address or "")
    return known is not None and any(ipaddress.ip_address(known) in network for network in _trusted_networks())


def is_on_campus(address: str) -> bool:
    """Whether CAMPUS_NETWORKS names the address: many people reach the portal from it (ENU-06)."""
    return any(ipaddress.ip_address(address) in network for network in _networks(tuple(settings.CAMPUS_NETWORKS)))


def device_name(request: HttpRequest) -> str:
    """ "Firefox (Android)"…: enough for people to recognise a device, never the whole user agent (LOG-02)."""
    user_agent = request.headers.get("User-Agent", "")
    browser, system = _first_named(BROWSERS, user_agent), _first_named(SYSTEMS, user_agent)
    return f"{browser} ({system})" if browser and system else browser or system


def _first_named(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")


def _valid(text: str) -> str | None:
    """The address in one spelling: an IPv4 client of an IPv6 socket is an IPv4 client, and no network card is named."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _trusted_networks() -> tuple[Network, ...]:
    return _networks(tuple(settings.TRUSTED_PROXIES))


@cache
def _networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(name, strict=False) for name in names)
