"""What mails have in common is rendered once: nobody's own facts may be in it."""

from django.template import Context, Template
from django.utils import translation

TEMPLATE = Template(
    "{% load i18n fragments %}{{ name }}: {% cached_fragment %}{% translate 'Aide' %}, {{ university_name }}, "
    "{% if name %}{{ name }}{% else %}nobody{% endif %}{% endcached_fragment %}"
)


def rendered(language: str, name: str) -> str:
    with translation.override(language):
        return TEMPLATE.render(Context({"name": name}))


def test_it_is_in_the_language_of_each_mail_and_knows_nothing_of_the_others(settings):
    """PRV-02: not even what stands beside it."""
    settings.UNIVERSITY_NAME = "Université d’Essai <1>"
    assert rendered("fr", "Camille") == "Camille: Aide, Université d’Essai &lt;1&gt;, nobody"
    assert rendered("en", "Dominique") == "Dominique: Help, Université d’Essai &lt;1&gt;, nobody"
    assert rendered("fr", "Dominique") == "Dominique: Aide, Université d’Essai &lt;1&gt;, nobody"
    settings.UNIVERSITY_NAME = "Autre"
    assert rendered("fr", "Camille") == "Camille: Aide, Autre, nobody"
