"""Dangerous patterns that ruff does not know, and the reviewed exceptions: INP-02, INP-03, INP-05, INP-06."""

import re
from pathlib import Path

from tests.project import APPS, PROJECT

#: An address lower-cased or compared without case outside core.email_addresses (INP-03).
ADDRESS_COMPARED = re.compile(
    r"(?:address|login|email|mail|target|domain)\w*(?:\[[^]]*\]|\([^()]*\))?\.(?:lower|casefold|upper|strip)\(\)"
    r"|(?:address|login|email|target)\w*__i(?:exact|contains|startswith|endswith|regex|in)\b"
    r"|parseaddr\("
)
REVIEWED = {
    ADDRESS_COMPARED: {
        # The module itself.
        "core/email_addresses.py: return canonical_address(login).lower()",
        "core/email_addresses.py: return canonical_address(address).lower()",
        "core/email_addresses.py: intended = intended_domain(domain.lower()) if domain else None",
        # Rows of an HR file that share an address: a warning.
        "hr_feed/parsing/rows.py: self._recovery_addresses.setdefault(person.recovery_address.lower(), first)",
        # Settings, and canonical targets.
        "mailrouting/domains.py: return {parseaddr(address)[1].lower() for address in (settings.DEFAULT_FROM_EMAIL, settings.SUPPORT_ADDRESS)}",
        "mailrouting/domains.py: refused |= Q(target__iexact=address)",
    },
    # Request data as names of columns or lookups (INP-06, CVE-2025-64459).
    re.compile(
        r"(?:filter|exclude|get|create|update|Q|order_by|values)\(\*\*?(?:self\.)?(?:request|kwargs|data|form|GET|POST)"
    ): set(),
    # Views without CSRF protection (SES-07).
    re.compile(r"csrf_exempt\b"): {
        "accounts/locking/api.py: from django.views.decorators.csrf import csrf_exempt",
        'accounts/locking/api.py: @method_decorator([csrf_exempt, login_not_required], name="dispatch")',
    },
    # Text marked as HTML (INP-05): the cleaned charter, the QR code, escaped attributes, icons.
    re.compile(r"\b(?:mark_safe|format_html(?:_join)?|SafeString|SafeText)\(|\b(?:html_safe|__html__)\b"): {
        "activation/charter/rendering.py: return mark_safe(  # noqa: S308 -- cleaned by nh3 on this very line",
        "agents/second_factor/views.py: return mark_safe(drawing)  # noqa: S308",
        'core/forms/renderer.py: return format_html("<input{}>", flatatt(attributes | widget["attrs"]))',
        "core/templatetags/icons.py: name: mark_safe(  # noqa: S308",
    },
    # The host of the request (TOK-08).
    re.compile(r"build_absolute_uri|get_current_site|get_host\(\)"): set(),
}
#: Filters that let HTML through or make it (INP-05).
UNESCAPED = re.compile(r"\|\s*(?:safe|safeseq|urlize|urlizetrunc|striptags|unordered_list)\b|{%\s*autoescape\s+off")


def found(pattern: re.Pattern[str], files: list[Path]) -> set[str]:
    lines = ((path.relative_to(PROJECT), line.strip()) for path in files for line in path.read_text().splitlines())
    return {f"{path}: {line}" for path, line in lines if pattern.search(line)}


def test_dangerous_pattern_is_used_in_reviewed_places_only():
    """INP-03, INP-05, INP-06, SES-07, TOK-08"""
    sources = [path for app in (*APPS, "config") for path in (PROJECT / app).rglob("*.py")]
    sources = [path for path in sources if "migrations" not in path.parts]
    for pattern, reviewed in REVIEWED.items():
        assert found(pattern, sources) == reviewed, pattern.pattern
    assert found(UNESCAPED, list((PROJECT / "templates").rglob("*.html"))) == set()
