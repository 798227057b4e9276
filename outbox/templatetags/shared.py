"""`{% same_for_everybody %}`: what pages or mails of one language have in common is rendered once for all of them."""

from typing import cast

from django import template
from django.template.base import NodeList, Parser, Template, Token
from django.template.context import Context
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from outbox.rendering import shared_context

register = template.Library()


class SameForEverybody(template.Node):
    """A part that knows nothing of the page or mail it stands in: nobody can read there what is about another."""

    # No block inside: what one page puts into it would stand in all.
    child_nodelists = ()

    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist
        self._rendered: dict[tuple[object, ...], SafeString] = {}

    def render(self, context: Context) -> SafeString:
        """With what every mail may name, and nothing else; anew for another language or other settings."""
        shared, engine = shared_context(), cast(Template, context.template).engine
        key = (get_language(), context.autoescape, engine.string_if_invalid, *shared.values())
        if key not in self._rendered:
            self._rendered[key] = self.nodelist.render(context.new(shared))
        return self._rendered[key]


@register.tag
def same_for_everybody(parser: Parser, token: Token) -> SameForEverybody:
    """Ends with `{% endsame_for_everybody %}`."""
    nodelist = parser.parse(("endsame_for_everybody",))
    parser.delete_first_token()
    return SameForEverybody(nodelist)
