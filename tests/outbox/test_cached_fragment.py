"""The parts that all mails share are rendered once, without facts about a person."""

from django.template import Context, Template
from django.utils import translation

TEMPLATE = Template(
    "{% load i18n fragments %}{{ name }}: {% cached_fragment %}{% translate 'Aide' %}, {{ university_name }}, "
    "{% if name %}{{ name }}{% else %}none{% endif %}{% endcached_fragment %}"
)


def rendered(language: str, name: str) -> str:
    with translation.override(language):
        return TEMPLATE.render(Context({"name": name}))


def test_it_is_in_the_language_of_each_mail_and_knows_nothing_of_the_others(settings):
    """PRV-02: not even what stands beside it."""
    settings.UNIVERSITY_NAME = "Université d’Essai <1>"
    assert rendered("fr", "Camille") == "Camille: Aide, Université d’Essai &lt;1&gt;, none"
    assert rendered("en", "Dominique") == "Dominique: Help, Université d’Essai &lt;1&gt;, none"
    assert rendered("fr", "Dominique") == "Dominique: Aide, Université d’Essai &lt;1&gt;, none"
    settings.UNIVERSITY_NAME = "Autre"
    assert rendered("fr", "Camille") == "Camille: Aide, Autre, none"
