"""Render the Markdown of the charter. Agents type it, so it is sanitized like any untrusted text."""

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import nh3
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.text import BLANKS, FORBIDDEN_IN_PARAGRAPH, LINE_BREAK, LONGEST_PARAGRAPH, InvalidText

#: Longest text of a charter, in characters: a quarter of an hour of reading. Hostile Markdown of that length takes a
#: second to render.
LONGEST_TEXT: Final = 50_000
ARTICLE_HEADING: Final = "h2"
WORDS_PER_MINUTE: Final = 220
TAGS: Final = frozenset({"h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "strong", "em", "blockquote", "br", "a"})
ATTRIBUTES: Final = {"a": {"href"}, "ol": {"start"}}
LINK_SCHEMES: Final = frozenset({"http", "https", "mailto"})

_markdown = MarkdownIt("commonmark", {"html": False}).disable("image")


# Published texts never change, and few are in use.
@lru_cache(maxsize=8)
def rendered_charter(text: str) -> SafeString:
    """The Markdown as harmless HTML whose headings go one level down, below the h1 of the page.

    An article, `## ` in the text, is an h3. Raw HTML is shown as typed; images, scripts and links to anything but
    a page or a mail address do not come through.
    """
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = _lower_heading(token.tag)
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    return mark_safe(  # noqa: S308 -- cleaned by nh3 on this very line
        nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=LINK_SCHEMES, link_rel="noopener noreferrer")
    )


def markdown_tokens(text: str) -> Sequence[Token]:
    """The block tokens; their `children` are text and links."""
    return _markdown.parse(text)


def clean_charter_text(value: str) -> str:
    """The Markdown to store: what `core.text` does with a paragraph, indents and ends of lines kept.

    Raises InvalidText for more than 50,000 characters, or 10,000 in one line.
    """
    lines = LINE_BREAK.sub("\n", value).split("\n")
    if len(value) > LONGEST_TEXT or any(len(line) > LONGEST_PARAGRAPH for line in lines):
        raise InvalidText(_("Ce texte est trop long. Raccourcissez-le"), code="too_long")
    # Line by line, so that hostile input cannot make it slow.
    kept = (unicodedata.normalize("NFC", FORBIDDEN_IN_PARAGRAPH.sub("", line)) for line in lines)
    return "\n".join(kept).strip(BLANKS)


@lru_cache(maxsize=8)
def article_count(text: str) -> int:
    """How many articles the text announces."""
    return sum(_is_article(token) for token in _markdown.parse(text))


@lru_cache(maxsize=8)
def reading_minutes(text: str) -> int:
    """How long reading it takes an adult, in whole minutes, at least one."""
    return max(1, math.ceil(len(text.split()) / WORDS_PER_MINUTE))


def _lower_heading(tag: str) -> str:
    return f"h{min(int(tag[1:]) + 1, 6)}"


def _is_article(token: Token) -> bool:
    return token.type == "heading_open" and token.tag == ARTICLE_HEADING
