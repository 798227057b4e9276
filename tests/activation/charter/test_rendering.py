import re
from html.parser import HTMLParser

import pytest
from django.db import DatabaseError, transaction
from django.utils import translation

from activation.charter.rendering import article_count, reading_minutes, rendered_charter
from activation.models import Charter

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <b onclick=alert(1)>bold</b>",
    "<iframe src=https://exemple.net></iframe>",
    "<style>body{display:none}</style>",
    "<form action=https://exemple.net><input name=password></form>",
    "<svg onload=alert(1)>",
    "<!-- <script> --><script>alert(1)</script>",
    "[link](javascript:alert(1))",
    "[link](JaVaScRiPt:alert(1))",
    "[link](java\tscript:alert(1))",
    "[link](&#106;avascript:alert(1))",
    "[link](vbscript:alert(1))",
    "[link](data:text/html;base64,PHNjcmlwdD4=)",
    "[link](file:///etc/passwd)",
    "[link][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    '[link](https://exemple.net "\\" onmouseover=\\"alert(1)")',
    "![picture](https://exemple.net/pixel.png)",
    "![picture](javascript:alert(1))",
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "# <h1>title</h1>",
    "{{ 7|add:7 }} {% load static %}",
    "\x00<script>\x00",
]
ALLOWED_TAGS = {"h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "strong", "em", "blockquote", "br", "a"}


class Page(HTMLParser):
    """What a browser would make of the HTML: its tags and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_hostile_markdown_becomes_harmless():
    """INP-02: only a few plain tags and web or mail links remain."""
    for text in HOSTILE:
        page = Page(rendered_charter(text))
        assert set(page.tags) <= ALLOWED_TAGS
        assert {name for name, _ in page.attributes} <= {"href", "rel", "title", "start"}
        for name, value in page.attributes:
            assert name != "href" or str(value).startswith(("https://", "http://", "mailto:"))


def test_markdown_becomes_headings_below_the_title_of_the_page() -> None:
    """Raw HTML is shown as typed; an outside link gives no referrer; articles and reading time are counted."""
    assert rendered_charter("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"
    html = rendered_charter("# Charter\n\n## Article 1\n\n### Detail\n\n###### Small print\n\nOld style\n===\n")
    assert re.findall(r"<(h\d)>", html) == ["h2", "h3", "h4", "h6", "h2"]
    assert 'rel="noopener noreferrer"' in rendered_charter("[CNIL](https://www.cnil.fr/)")
    assert article_count("# Charter\n\n## One\n\n### Detail\n\n## Two\n\nText with ## inside\n") == 2
    minutes = [reading_minutes("mot " * words) for words in (0, 1, 220, 221, 1300)]
    assert minutes == [1, 1, 1, 2, 6]


@pytest.mark.django_db
def test_a_new_portal_has_a_charter_in_both_languages() -> None:
    """PRV-01: the text is there, complete, readable as HTML, and says which version it is."""
    charter = Charter.objects.in_force()
    assert charter.version == "2026-09"
    assert article_count(charter.text_fr) == article_count(charter.text_en) == 12
    for text in (charter.text_fr, charter.text_en):
        assert 900 <= len(text.split()) <= 1400
        assert rendered_charter(text).count("<h3>") == 12
    for language in ("fr", "en"):
        with translation.override(language):
            assert len(charter.key_points) == 5


@pytest.mark.django_db
def test_the_first_charter_cannot_be_rewritten() -> None:
    """PRV-01: what people accepted stays what it was."""
    with pytest.raises(DatabaseError), transaction.atomic():
        Charter.objects.filter(version="2026-09").update(text_fr="Autre texte")
    assert Charter.objects.get(version="2026-09").text_fr.startswith("Cette charte")
