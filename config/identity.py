"""Readers of what makes the portal the university's own: colour, logo, contacts."""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from config.env import is_mailbox, is_web_address, refused, text

COLOUR = re.compile(r"#[0-9a-f]{6}")
#: Of white letters on the colour (WCAG 1.4.3).
LEAST_CONTRAST = 4.5
LARGEST_LOGO = 200_000
#: The media type and what such a file holds near its beginning.
LOGO_TYPES = {
    ".svg": ("image/svg+xml", b"<svg"),
    ".png": ("image/png", b"\x89PNG"),
    ".webp": ("image/webp", b"WEBP"),
}


@dataclass(frozen=True, slots=True)
class Logo:
    """`url` changes with the file: browsers keep it for a year."""

    content: bytes
    media_type: str
    url: str


def colour(name: str) -> str:
    value = text(name).lower()
    if value and not (COLOUR.fullmatch(value) and contrast_with_white(value) >= LEAST_CONTRAST):
        raise refused(name, "a colour such as #0b5563, with a contrast of at least 4.5 to 1 on white")
    return value


def contrast_with_white(colour: str) -> float:
    """The ratio of WCAG 2.2."""
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05)


def logo(name: str) -> Logo | None:
    """The file is read once, at start; the portal serves it itself."""
    path = text(name)
    if not path:
        return None
    media_type, mark = LOGO_TYPES.get(Path(path).suffix.lower(), ("", b""))
    try:
        content = Path(path).read_bytes()
    except OSError:
        content = b""
    if not media_type or mark not in content[:2_000] or len(content) > LARGEST_LOGO:
        raise refused(name, "the path of an SVG, PNG or WebP file of at most 200 kB")
    return Logo(content, media_type, f"/identite/logo?v={sha256(content).hexdigest()[:12]}")


def contact(name: str) -> str:
    value = text(name)
    is_address = is_mailbox(value) and not re.search(r"[\s<>\"]", value)
    if value and not is_address and not is_web_address(value, debug=True):
        raise refused(name, "an e-mail address, or the address of a page that starts with https:// or http://")
    return value
