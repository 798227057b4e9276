"""`{% icon "mail" %}`: a decorative icon beside a text."""

from typing import Final

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# SVG paths in a view box of 24 by 24.
DRAWINGS: Final = {
    "lock": '<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>',
    "mail": '<rect x="3" y="5" width="18" height="14" rx="2"/><path d="m4 7 8 6 8-6"/>',
    "forward": '<path d="M4 18v-3a5 5 0 0 1 5-5h10"/><path d="m15 6 4 4-4 4"/>',
    "book": '<path d="M6 3h11a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H6z"/><path d="M6 3v18M10 8h5M10 12h5"/>',
    "lifebuoy": '<circle cx="12" cy="12" r="9"/><circle cx="12" cy="12" r="3.5"/>'
    '<path d="m5.6 5.6 3.9 3.9M14.5 14.5l3.9 3.9M18.4 5.6l-3.9 3.9M9.5 14.5l-3.9 3.9"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 8h.01"/>',
    "warning": '<path d="M12 4 2.8 20h18.4z"/><path d="M12 10v4M12 17h.01"/>',
    "check": '<path d="m5 12.5 4.5 4.5L19 7.5"/>',
    "dot": '<circle cx="12" cy="12" r="5"/>',
    "clock": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3 2"/>',
    "minus": '<path d="M6 12h12"/>',
    "back": '<path d="M15 5l-7 7 7 7"/>',
    "next": '<path d="M5 12h14M13 6l6 6-6 6"/>',
    "phone": '<path d="M6 3h3l2 5-2.5 1.5a11 11 0 0 0 5 5L15 12l5 2v3a3 3 0 0 1-3 3A14 14 0 0 1 3 6a3 3 0 0 1 3-3z"/>',
    "person": '<circle cx="12" cy="8" r="4"/><path d="M4.5 20a7.5 7.5 0 0 1 15 0"/>',
    "key": '<circle cx="8" cy="15" r="4"/><path d="m11 12 8-8M16 7l3 3"/>',
    "pen": '<path d="m4 20 1-4L16 5l3 3L8 19z"/><path d="m13 8 3 3"/>',
    "globe": '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c-5 5-5 13 0 18M12 3c5 5 5 13 0 18"/>',
    "shield": '<path d="M12 3 5 6v5c0 4.5 3 8 7 10 4-2 7-5.5 7-10V6z"/>',
}

# Constants of this module, marked safe once.
SVGS: Final[dict[str, SafeString]] = {
    name: mark_safe(  # noqa: S308
        f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{drawing}</svg>'
    )
    for name, drawing in DRAWINGS.items()
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Inline SVG, hidden from assistive technology. Raises KeyError for an unknown name."""
    return SVGS[name]
