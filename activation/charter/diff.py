"""Review of a draft before it is published: what will not be rendered as typed, and what changes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from markdown_it.token import Token

from activation.charter.rendering import LINK_SCHEMES, article_count, markdown_tokens, reading_minutes
from activation.models import Charter

#: Longer lists of paragraphs are not compared: it would take seconds.
MOST_PARAGRAPHS: Final = 1_000
SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
#: Links that Markdown itself refuses to make are left in the text as they were typed.
LINK_AS_TYPED: Final = re.compile(r"\]\(\s*<?\s*([a-z][a-z0-9+.-]*:[^)\s]*)", re.IGNORECASE)
HTML_AS_TYPED: Final = re.compile(r"</?[a-z][^>]*>|<!--", re.IGNORECASE)
BLANK_LINES: Final = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class TextChange:
    """Paragraphs of the version in force that are gone, and those that stand there instead; one side may be empty."""

    removed: Sequence[str]
    added: Sequence[str]


@dataclass(frozen=True, slots=True)
class CharterDifference:
    """How a text differs from another; `changes` is None when there are too many paragraphs to compare."""

    changes: Sequence[TextChange] | None
    unchanged: int


@dataclass(frozen=True, slots=True)
class Side:
    """One language of a charter."""

    language: str
    is_empty: bool
    articles: int
    minutes: int
    points: int
    dead_links: Sequence[str]
    has_html: bool
    has_images: bool


@dataclass(frozen=True, slots=True)
class CharterReview:
    """Both languages, and what they say beside each other."""

    french: Side
    english: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.french, self.english

    @property
    def articles_differ(self) -> bool:
        """Whether one language has an article that the other has not."""
        return self.french.articles != self.english.articles

    @property
    def points_differ(self) -> bool:
        """Whether one language has a point that the other has not."""
        return self.french.points != self.english.points

    @property
    def is_complete(self) -> bool:
        """Whether there is a text to accept in each language."""
        return not any(side.is_empty for side in self.sides)


def review_draft(charter: Charter) -> CharterReview:
    """What there is to know of `charter`."""
    return CharterReview(_side(charter, "fr"), _side(charter, "en"))


def differences(*, before: Charter, after: Charter) -> dict[str, CharterDifference]:
    """How each text of `after` differs from `before`, by the name of its column; those alike are left out."""
    return {
        name: difference(getattr(before, name), getattr(after, name))
        for name in Charter.TEXTS
        if getattr(before, name) != getattr(after, name)
    }


def difference(before: str, after: str) -> CharterDifference:
    """What changed between two texts, in whole paragraphs."""
    old, new = _paragraphs(before), _paragraphs(after)
    if max(len(old), len(new)) > MOST_PARAGRAPHS:
        return CharterDifference(None, 0)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    changes = [
        TextChange(old[old_start:old_end], new[new_start:new_end])
        for kind, old_start, old_end, new_start, new_end in matcher.get_opcodes()
        if kind != "equal"
    ]
    return CharterDifference(changes, sum(block.size for block in matcher.get_matching_blocks()))


def _side(charter: Charter, language: str) -> Side:
    text = charter.text_in(language)
    pieces = list(_pieces(text))
    words = " ".join(piece.content for piece in pieces if piece.type == "text")
    return Side(
        language=language,
        is_empty=not text,
        articles=article_count(text),
        minutes=reading_minutes(text),
        points=len(charter.key_points_in(language)),
        dead_links=[*_dropped_targets(pieces), *LINK_AS_TYPED.findall(words)],
        has_html=HTML_AS_TYPED.search(words) is not None,
        has_images="![" in text,
    )


def _paragraphs(text: str) -> list[str]:
    blocks = BLANK_LINES.split(text) if BLANK_LINES.search(text) else text.split("\n")
    return [block.strip() for block in blocks if block.strip()]


def _pieces(text: str) -> Iterator[Token]:
    for block in markdown_tokens(text):
        yield from block.children or ()


def _dropped_targets(pieces: Sequence[Token]) -> list[str]:
    targets = (str(piece.attrs.get("href", "")) for piece in pieces if piece.type == "link_open")
    return [target for target in targets if (scheme := SCHEME.match(target)) and scheme[1].lower() not in LINK_SCHEMES]
