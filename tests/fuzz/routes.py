"""Every address of the URLconf, with an example for each argument."""

from typing import NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import PathConverter, SlugConverter, StringConverter

#: A new argument of an address needs its example here.
EXAMPLES = {
    "token": "A" * 97,
    "handle": "a" * 32,
    "version": "2026-1",
    "pk": 1,
    "reference": "A-BCDEF",
    "target": "ldap",
}


class Route(NamedTuple):
    name: str
    pattern: URLPattern

    @property
    def arguments(self) -> list[str]:
        return list(self.pattern.pattern.converters)

    def path(self) -> str:
        return reverse(self.name, kwargs={argument: EXAMPLES[argument] for argument in self.arguments})

    def path_with(self, encoded: str) -> str:
        """The address with this, percent-encoded, in place of the last argument."""
        before, _example, after = self.path().rpartition(str(EXAMPLES[self.arguments[-1]]))
        return f"{before}{encoded}{after}"

    @property
    def takes_any_text(self) -> bool:
        converter = self.pattern.pattern.converters[self.arguments[-1]]
        return isinstance(converter, StringConverter | PathConverter) and not isinstance(converter, SlugConverter)

    @property
    def is_closed(self) -> bool:
        return getattr(self.pattern.callback, "login_required", True)


def routes(patterns: list[URLPattern | URLResolver] | None = None, space: str = "") -> list[Route]:
    found: list[Route] = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            found += routes(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space)
        else:
            found.append(Route(f"{space}{pattern.name}", pattern))
    return found
