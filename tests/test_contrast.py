"""Contrast of every pair of colours in use, recomputed from the stylesheet, light and dark (A11Y-08)."""

import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest

STYLESHEET = Path(__file__).parent.parent / "static" / "css" / "portail.css"
TEXT, LARGE_OR_CONTROL = 4.5, 3.0

# (in front, behind, least ratio)
PAIRS = [
    ("ink", "surface", TEXT),
    ("ink", "page", TEXT),
    ("ink", "info-tint", TEXT),
    ("ink", "ok-tint", TEXT),
    ("ink", "warn-tint", TEXT),
    ("ink", "brand-tint", TEXT),
    ("ink-2", "surface", TEXT),
    ("ink-2", "page", TEXT),
    ("ink-2", "brand-tint", TEXT),
    ("brand", "surface", TEXT),
    ("brand", "page", TEXT),
    ("brand", "brand-tint", TEXT),
    ("brand", "info-tint", TEXT),
    ("brand", "ok-tint", TEXT),
    ("brand", "warn-tint", TEXT),
    ("brand-strong", "brand-tint", TEXT),
    ("on-brand", "brand", TEXT),
    ("on-brand", "brand-strong", TEXT),
    ("on-identity", "identity", TEXT),
    ("surface", "accent", TEXT),
    ("surface", "err", TEXT),
    ("surface", "ok", TEXT),
    ("surface", "ink", TEXT),
    ("ok", "surface", TEXT),
    ("ok", "ok-tint", TEXT),
    ("warn", "warn-tint", TEXT),
    ("err", "surface", TEXT),
    ("err", "err-tint", TEXT),
    ("info", "info-tint", TEXT),
    ("control", "surface", LARGE_OR_CONTROL),
    ("control", "page", LARGE_OR_CONTROL),
    ("accent", "page", LARGE_OR_CONTROL),
    ("accent", "surface", LARGE_OR_CONTROL),
    ("warn", "surface", LARGE_OR_CONTROL),
    ("focus", "page", LARGE_OR_CONTROL),
    ("focus", "surface", LARGE_OR_CONTROL),
    ("halo", "brand", LARGE_OR_CONTROL),
]


def test_colours_keep_their_contrast():
    for (front, behind, least), (scheme, colours) in product(PAIRS, palettes().items()):
        assert contrast(colours[front], colours[behind]) >= least, (front, behind, scheme)


def test_formula_gives_the_known_ratios():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@cache
def palettes() -> dict[str, dict[str, str]]:
    """The dark scheme declares only its differences."""
    css = re.sub(r"/\*.*?\*/", "", STYLESHEET.read_text(encoding="utf-8"), flags=re.DOTALL)
    light, dark = (declarations(block) for block in re.findall(r":root\s*{([^}]*)}", css)[:2])
    return {"light": resolved(light), "dark": resolved(light | dark)}


def declarations(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", block))


def resolved(values: dict[str, str]) -> dict[str, str]:
    """Follows `var(--name)`; colours only."""
    followed = {
        name: values[reference[1]] if (reference := re.fullmatch(r"var\(--([\w-]+)\)", value)) else value
        for name, value in values.items()
    }
    return {name: value for name, value in followed.items() if value.startswith("#")}


def contrast(one: str, other: str) -> float:
    """Ratio of WCAG 2, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = (linear(int(digits[start : start + 2], 16) / 255) for start in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
