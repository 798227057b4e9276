"""Every address of the portal, read from the URLconf, with something in place of what it asks for."""

from typing import NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import PathConverter, SlugConverter, StringConverter

#: What an address may ask for, by the name of its argument: something that could stand there.
EXAMPLES: dict[str, str | int] = {
    "token": "A" * 97,
    "handle": "a" * 32,
    "version": "2026-1",
    "pk": 1,
    "reference": "A-BCDEF",
}
NO_EXAMPLE = "{name}: nobody has given an example of <{argument}>; add one to EXAMPLES in tests/fuzz/routes.py"


class Route(NamedTuple):
    """One address of the URLconf."""

    name: str
    pattern: URLPattern

    @property
    def arguments(self) -> list[str]:
        return list(self.pattern.pattern.converters)

    def path(self) -> str:
        """The address with an example for each argument, in the language of now."""
        for argument in self.arguments:
            assert argument in EXAMPLES, NO_EXAMPLE.format(name=self.name, argument=argument)
        return reverse(self.name, kwargs={argument: EXAMPLES[argument] for argument in self.arguments})

    def path_with(self, encoded: str) -> str:
        """The same with this in place of the last argument, percent-encoded already."""
        example = str(EXAMPLES[self.arguments[-1]])
        before, _example, after = self.path().rpartition(example)
        return f"{before}{encoded}{after}"

    @property
    def takes_any_text(self) -> bool:
        """Whether the last argument may be any text, as far as the URLconf is concerned."""
        converter = self.pattern.pattern.converters[self.arguments[-1]]
        return isinstance(converter, StringConverter | PathConverter) and not isinstance(converter, SlugConverter)

    @property
    def is_closed(self) -> bool:
        """Whether it asks who one is."""
        return getattr(self.pattern.callback, "login_required", True)


def routes() -> list[Route]:
    """All of them: a new one is among them the day it appears."""
    found: list[Route] = []

    def look_into(patterns: list[URLPattern | URLResolver], space: str = "") -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                look_into(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space)
            else:
                found.append(Route(f"{space}{pattern.name}", pattern))

    look_into(get_resolver().url_patterns)
    return found
