"""The HTML part of a mail, as a mail program shows it."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from tests.test_contrast import TEXT, contrast


@dataclass
class Anchor:
    href: str
    text: str = ""
    is_button: bool = False


@dataclass
class Reader(HTMLParser):
    """What a mail program makes of the HTML."""

    html: str
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    painted: set[tuple[str, str, bool]] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.path: list[dict[str, str | None]] = []
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in ("meta", "br"):
            return
        self.path.append({"tag": tag, **dict(attrs)})
        if tag == "a":
            in_button = any(outer.get("class") == "button" for outer in self.path)
            self.anchors.append(Anchor(dict(attrs)["href"] or "", is_button=in_button))

    def handle_endtag(self, tag: str) -> None:
        assert self.path.pop()["tag"] == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if any(outer["tag"] == "style" for outer in self.path):
            return
        self.texts.append(data)
        if data.strip() and not any("display:none" in (outer.get("style") or "") for outer in self.path):
            self.painted |= {self.colours_here(is_night=is_night) for is_night in (False, True)}
        if any(outer["tag"] == "a" for outer in self.path):
            self.anchors[-1].text += data

    def colours_here(self, *, is_night: bool) -> tuple[str, str, bool]:
        """In front and behind: what each element around the text says itself, and at night what its class says."""
        night = self.html.partition("prefers-color-scheme: dark")[2].partition("@media")[0]
        here = PLAIN[is_night]
        around: set[str] = set()
        for outer in self.path:
            own = {f".{name}" for name in (outer.get("class") or "").split()}
            around |= own
            if outer["tag"] == "a":
                here = here | {"color": here["link"]}
                own |= {f"{name} a" for name in around}
            here = here | dict(COLOURS.findall(outer.get("style") or ""))
            for selectors, says in re.findall(r"([^{}]+){([^{}]*)}", night) if is_night else []:
                if own & {selector.strip() for selector in selectors.split(",")}:
                    here = here | dict(COLOURS.findall(says))
        return here["color"], here["background"], is_night

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split(" "))

    @property
    def preheader(self) -> str:
        hidden = re.search(r'<div style="display:none[^>]*>(.*?)</div>', self.html, re.DOTALL)
        assert hidden
        return hidden[1].replace("&#8199;&#847;", "").strip()


#: What mail programs show where nothing is said, by day and by night.
PLAIN = {
    False: {"color": "#000000", "background": "#ffffff", "link": "#0000ee"},
    True: {"color": "#ffffff", "background": "#121212", "link": "#9e9eff"},
}
COLOURS = re.compile(r"(?<![\w-])(color|background):\s*(#[0-9a-f]{6})")


def hard_to_read(reader: Reader) -> set[tuple[str, str, bool]]:
    """Colours, in front and behind, that have some text and less contrast than 4.5; and whether it is night."""
    return {pair for pair in reader.painted if contrast(*pair[:2]) < TEXT}
