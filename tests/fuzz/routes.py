"""Every address of the URLconf, with an example for each argument."""

from typing import NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import PathConverter, SlugConverter, StringConverter

EXAMPLES: dict[str, str | int] = {
    "token": "A" * 97,
    "handle": "a" * 32,
    "version": "2026-1",
    "pk": 1,
    "reference": "A-BCDEF",
}
NO_EXAMPLE = "{name}: add an example of <{argument}> to EXAMPLES in tests/fuzz/routes.py"


class Route(NamedTuple):
    name: str
    pattern: URLPattern

    @property
    def arguments(self) -> list[str]:
        return list(self.pattern.pattern.converters)

    def path(self) -> str:
        for argument in self.arguments:
            assert argument in EXAMPLES, NO_EXAMPLE.format(name=self.name, argument=argument)
        return reverse(self.name, kwargs={argument: EXAMPLES[argument] for argument in self.arguments})

    def path_with(self, encoded: str) -> str:
        """The address with this, percent-encoded, in place of the last argument."""
        example = str(EXAMPLES[self.arguments[-1]])
        before, _example, after = self.path().rpartition(example)
        return f"{before}{encoded}{after}"

    @property
    def takes_any_text(self) -> bool:
        converter = self.pattern.pattern.converters[self.arguments[-1]]
        return isinstance(converter, StringConverter | PathConverter) and not isinstance(converter, SlugConverter)

    @property
    def is_closed(self) -> bool:
        return getattr(self.pattern.callback, "login_required", True)


def routes() -> list[Route]:
    found: list[Route] = []

    def collect(patterns: list[URLPattern | URLResolver], space: str = "") -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                collect(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space)
            else:
                found.append(Route(f"{space}{pattern.name}", pattern))

    collect(get_resolver().url_patterns)
    return found
