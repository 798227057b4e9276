"""`{% cached_fragment %}`: renders once what all mails of one language have in common."""

from typing import cast

from django import template
from django.template.base import NodeList, Parser, Template, Token
from django.template.context import Context
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from outbox.rendering import shared_context

register = template.Library()


class CachedFragment(template.Node):
    """Renders without the surrounding context, so that no personal data is cached."""

    # No blocks inside: the content of one mail would appear in all.
    child_nodelists = ()

    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist
        self._rendered: dict[tuple[object, ...], SafeString] = {}

    def render(self, context: Context) -> SafeString:
        """Rendered with `shared_context` only; cached by language and settings."""
        shared, engine = shared_context(), cast(Template, context.template).engine
        key = (get_language(), context.autoescape, engine.string_if_invalid, *shared.values())
        if key not in self._rendered:
            self._rendered[key] = self.nodelist.render(context.new(shared))
        return self._rendered[key]


@register.tag
def cached_fragment(parser: Parser, token: Token) -> CachedFragment:
    """Ends with `{% endcached_fragment %}`."""
    nodelist = parser.parse(("endcached_fragment",))
    parser.delete_first_token()
    return CachedFragment(nodelist)
