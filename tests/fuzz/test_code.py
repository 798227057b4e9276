"""What must not be written in the code of the portal, since hostile input would reach it: INP-02, INP-03, INP-05, INP-06.

Each pattern has the places that somebody has looked at and found harmless; one more fails until it is looked at too.
"""

import re
from pathlib import Path

import pytest
from django.conf import settings

APPS = (
    "accounts",
    "activation",
    "agents",
    "assistance",
    "config",
    "core",
    "directory",
    "hr_feed",
    "journal",
    "mailrouting",
    "monitoring",
    "outbox",
    "privacy",
)
SOURCES = sorted(
    path.relative_to(settings.BASE_DIR)
    for app in APPS
    for path in (settings.BASE_DIR / app).rglob("*.py")
    if "migrations" not in path.parts
)
TEMPLATES = sorted(path.relative_to(settings.BASE_DIR) for path in (settings.BASE_DIR / "templates").rglob("*.html"))

#: An address in small letters, or compared without case, anywhere but in the one module that knows how (INP-03).
ADDRESS_BY_HAND = re.compile(
    r"(?:address|login|email|mail|target|domain)\w*(?:\[[^]]*\]|\([^()]*\))?\.(?:lower|casefold|upper|strip)\(\)"
    r"|(?:address|login|email|target)\w*__i(?:exact|contains|startswith|endswith|regex|in)\b"
    r"|parseaddr\("
)
LOOKED_AT = {
    ADDRESS_BY_HAND: {
        # The module itself.
        "core/email_addresses.py: return canonical_address(login).lower()",
        "core/email_addresses.py: return canonical_address(address).lower()",
        "core/email_addresses.py: intended = intended_domain(domain.lower()) if domain else None",
        # The operators' settings, and targets that are canonical already.
        "mailrouting/domains.py: return {parseaddr(address)[1].lower() for address in (settings.DEFAULT_FROM_EMAIL, settings.SUPPORT_ADDRESS)}",
        "mailrouting/domains.py: refused |= Q(target__iexact=address)",
        'config/env.py: idna.encode(domain.strip().removesuffix("."), uts46=True, std3_rules=True).decode() for domain in domains',
    },
    # What a request says as names of columns or lookups (INP-06, CVE-2025-64459).
    re.compile(
        r"(?:filter|exclude|get|create|update|Q|order_by|values)\(\*\*?(?:self\.)?(?:request|kwargs|data|form|GET|POST)"
    ): set(),
    # SQL that is put together.
    re.compile(r"(?:execute|raw|RawSQL|extra)\(\s*(?:f[\"']|[\"'][^\"']*[\"']\s*%|[^)]*\.format\()"): set(),
    # Programs, code and objects made of what somebody sends.
    re.compile(
        r"\b(?:subprocess\.\w+|os\.system|os\.popen|eval|exec|pickle\.loads?|marshal\.loads?|yaml\.load|__import__)\("
    ): set(),
    # Pages of ours that another site may send forms to (SES-07).
    re.compile(r"csrf_exempt\b"): {
        "accounts/locking/api.py: from django.views.decorators.csrf import csrf_exempt",
        'accounts/locking/api.py: @method_decorator([csrf_exempt, login_not_required], name="dispatch")',
    },
    # Text that is declared to be HTML (INP-05): a charter that was cleaned, squares, attributes that Django escapes, icons.
    re.compile(r"\b(?:mark_safe|format_html(?:_join)?|SafeString|SafeText)\(|\b(?:html_safe|__html__)\b"): {
        "activation/charter/rendering.py: return mark_safe(  # noqa: S308 -- cleaned by nh3 on this very line",
        "agents/second_factor/views.py: return mark_safe(drawing)  # noqa: S308",
        'core/forms/renderer.py: return format_html("<input{}>", flatatt(attributes | widget["attrs"]))',
        "core/templatetags/icons.py: name: mark_safe(  # noqa: S308",
    },
    # The portal's address as the request says it (TOK-08).
    re.compile(r"build_absolute_uri|get_current_site|get_host\(\)"): set(),
}
#: Filters that let HTML through, or make some (INP-05).
UNESCAPED = re.compile(r"\|\s*(?:safe|safeseq|urlize|urlizetrunc|striptags|unordered_list)\b|{%\s*autoescape\s+off")


def found(pattern: re.Pattern[str], files: list[Path]) -> set[str]:
    """Each line that has it, with its file."""
    return {
        f"{path}: {line.strip()}"
        for path in files
        for line in (settings.BASE_DIR / path).read_text().splitlines()
        if pattern.search(line)
    }


@pytest.mark.parametrize("pattern", LOOKED_AT, ids=lambda pattern: pattern.pattern[:30])
def test_nothing_is_written_that_nobody_has_looked_at(pattern):
    """INP-03, INP-05, INP-06, SES-07, TOK-08"""
    assert found(pattern, SOURCES) == LOOKED_AT[pattern]


def test_every_page_escapes_what_it_shows():
    """INP-05"""
    assert found(UNESCAPED, TEMPLATES) == set()


def test_the_patterns_find_what_they_are_for():
    """A pattern that finds nothing any more would let everything through."""
    culprits = (
        "person = Account.objects.get(recovery_address__iexact=typed)",
        "known = address.lower() == other.recovery_address.lower()",
        "Account.objects.filter(**request.GET.dict())",
        'cursor.execute(f"SELECT {name}")',
        'os.system("mail " + address)',
        "@csrf_exempt ",
        "link = request.build_absolute_uri()",
        "return mark_safe(person.full_name)",
    )
    for pattern in LOOKED_AT:
        assert any(pattern.search(line) for line in culprits), pattern.pattern
    assert UNESCAPED.search("{{ text|safe }}")
