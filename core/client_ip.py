"""The client of a request, behind the proxies of TRUSTED_PROXIES."""

import ipaddress
import re
from functools import cache

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: As Azure and some configurations of HAProxy write X-Forwarded-For: 203.0.113.7:51234, [2001:db8::7]:51234.
WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5}")
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
    """The last address in X-Forwarded-For that was added by a trusted proxy and is not one itself."""
    address = _canonical(request.META.get("REMOTE_ADDR", ""))
    hops = [_canonical(hop) for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    while hops and is_trusted_proxy(address):
        hop = hops.pop()
        if hop is None:
            # Anyone may have written what precedes it.
            break
        address = hop
    return address


def is_trusted_proxy(address: str | None) -> bool:
    canonical = _canonical(address or "")
    return canonical is not None and any(ipaddress.ip_address(canonical) in network for network in _trusted_networks())


def is_on_campus(address: str) -> bool:
    """Whether the address is in CAMPUS_NETWORKS: many users share it."""
    return any(ipaddress.ip_address(address) in network for network in _networks(tuple(settings.CAMPUS_NETWORKS)))


def device_name(request: HttpRequest) -> str:
    """Such as "Firefox (Android)": enough to recognise a device, never the whole user agent."""
    user_agent = request.headers.get("User-Agent", "")
    browser, system = _first_match(BROWSERS, user_agent), _first_match(SYSTEMS, user_agent)
    return f"{browser} ({system})" if browser and system else browser or system


def _first_match(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for token, name in names if token in user_agent), "")


def _canonical(text: str) -> str | None:
    """The canonical spelling: IPv4-mapped IPv6 as IPv4, without the port or zone that some proxies add."""
    match = WITH_PORT.fullmatch(text.strip())
    try:
        address = ipaddress.ip_address((match[1] or match[2] if match else text.strip()).partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _trusted_networks() -> tuple[Network, ...]:
    return _networks(tuple(settings.TRUSTED_PROXIES))


@cache
def _networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(name, strict=False) for name in names)
