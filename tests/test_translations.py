"""The English catalogue is complete, agrees with the French, and has no unused message."""

import re
import string
from io import BytesIO

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from django.template import Context, Template
from django.test import override_settings
from django.utils import translation
from django.utils.translation import trans_real

from devtools.environment import PROJECT
from devtools.messages import KEYWORDS, extract_template, read_catalogue, source_catalogue, translations, untranslated

CATALOGUE = read_catalogue()
MESSAGES = [message for message in CATALOGUE if message.id]
PAIRS = [
    pair
    for message in MESSAGES
    for pair in zip([message.id] if isinstance(message.id, str) else message.id, translations(message), strict=True)
]
SAME_IN_BOTH = {
    *("%(counter)s article", "%(counter)s articles", "%(counter)s minute", "%(counter)s minutes", "page %(number)s"),
    *("Activation", "Confirmation", "Contact", "Cookies", "DSIN", "Date", "E-mails", "Note", "Pages", "Session"),
    *("agent", "date", "description", "journal", "note", "session", "sessions", "version"),
}
SAME_EVERYWHERE = {"ENT", "Moodle", "Français", "English", "oublie"}
# The agents' pages are an internal tool, in French alone.
AGENTS = PROJECT / "templates" / "agents"
TEMPLATES = sorted(
    path
    for path in (PROJECT / "templates").rglob("*.*")
    if path.suffix in (".html", ".txt") and not path.is_relative_to(AGENTS)
)
FRENCH = re.compile(
    r"\b(vous|votre|vos|nous|une|des|les|est|sont|avec|pour|sur|dans|compte|adresse|lien|cette|jusqu)\b", re.IGNORECASE
)
FRENCH_NAMES = ("Direction du système d’information et du numérique", "Défenseur des droits", "Libre réponse")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%%|\[(?:nombre|niveau)\]")


def placeholders(text: str) -> set[str]:
    braces = {name for _, name, _, _ in string.Formatter().parse(text) if name} if "{" in text else set()
    return {found[0] for found in PLACEHOLDER.finditer(text)} | braces


def tags(text: str) -> list[str]:
    return sorted(re.findall(r"<[^>]+>", text))


def keys(catalogue: Catalog) -> set[tuple[object, ...]]:
    return {(each.context, *([each.id] if isinstance(each.id, str) else each.id)) for each in catalogue if each.id}


def test_catalogue_holds_exactly_the_messages_of_the_sources():
    """After changing a text: `make messages`, then translate what it says is missing."""
    assert keys(source_catalogue()) - keys(CATALOGUE) == set(), "not in the catalogue"
    assert keys(CATALOGUE) - keys(source_catalogue()) == set(), "no longer used"
    assert not CATALOGUE.obsolete


def test_every_message_has_its_english():
    assert [message.id for message in untranslated(CATALOGUE)] == []
    assert [message.id for message in MESSAGES if message.fuzzy] == []


def test_both_languages_fill_in_the_same_values_and_use_the_same_markup():
    for french, english in PAIRS:
        assert placeholders(english) == placeholders(french), french
        assert tags(english) == tags(french), french
        assert english.count("|") == french.count("|"), french


def test_no_french_is_left_in_the_english():
    for french, english in PAIRS:
        prose = re.sub(rf"{PLACEHOLDER.pattern}|<[^>]+>|{'|'.join(FRENCH_NAMES)}", "", english)

        assert english != french or french in SAME_IN_BOTH
        assert not FRENCH.search(prose), english
        assert "«" not in english


def test_both_languages_begin_and_end_alike():
    """Neighbouring messages form one sentence: spaces and the last full stop belong to it."""
    for french, english in PAIRS:
        assert english[:1].isspace() == french[:1].isspace() or french.startswith("\u00a0"), french
        assert english[-1:].isspace() == french[-1:].isspace(), french
        assert (english[-1:] == ".") == (french[-1:] == "."), french


def test_french_typography_is_right():
    """A no-break space before : ; ? ! and inside « », the right apostrophe, one word per thing."""
    for french, _ in PAIRS:
        prose = re.sub(r"<[^>]+>|%\(\w+\)[sd]", "x", french)

        assert not re.search(r" [:;?!»]|« |\w[?!»]", prose), french
        assert "'" not in prose, french
        assert not re.search(r"\b(courriel|veuillez|cliquez ici|24 heures)\b", prose, re.IGNORECASE), french


def words_outside_translations(template: str) -> set[str]:
    for markup, instead in (
        (
            r"{% comment.*?endcomment %}|{% blocktranslate.*?endblocktranslate %}|{% block layout %}.*?{% endblock %}",
            "",
        ),
        (r"{%.*?%}|{{.*?}}|{#.*?#}|<!--.*?-->|<style>.*?</style>|<meta [^>]*>", ""),
        (r'(aria-label|title|alt|placeholder)="([^"]*)"', r">\2<"),
        (r"<[^>]*>|&#?\w+;", " "),
        (r"(https://|www\.)\S+|\S+\.fr\b\S*", ""),
    ):
        template = re.sub(markup, instead, template, flags=re.DOTALL)
    return set(re.findall(r"[^\W\d_]{2,}", template))


def test_templates_have_no_words_outside_translations():
    for template in TEMPLATES:
        assert words_outside_translations(template.read_text(encoding="utf-8")) <= SAME_EVERYWHERE, template


@pytest.mark.parametrize(
    "template",
    [
        "{% load i18n %}{% blocktranslate trimmed with day=when %}\n  Modifié le\n  {{ day }}\n{% endblocktranslate %}",
        "{% load i18n %}{% blocktranslate trimmed count n=n %}\n lien{% plural %}{{ n }} liens{% endblocktranslate %}",
        "{% load i18n %}{% translate 'Mon «\u00a0compte\u00a0»' %}",
        '{% load i18n %}{% blocktranslate with rate=n %}{{ rate }} % de "oui" ou d’"autres"{% endblocktranslate %}',
        '{% load i18n %}{{ nothing|default:_("Aucune adresse") }}',
        '  {% load i18n %}<p onclick="x(\'">\n\t{% translate "Retour" as back %}{{ back }}</p>\n {# it\'s ( #}',
    ],
)
def test_extracted_messages_are_those_that_django_looks_up(template, monkeypatch):
    asked_for = set()
    singular, plural = trans_real.gettext, trans_real.ngettext

    def gettext(msgid):
        asked_for.add(msgid)
        return singular(msgid)

    def ngettext(one, many, number):
        asked_for.add((one, many))
        return plural(one, many, number)

    monkeypatch.setattr(translation._trans, "gettext", gettext, raising=False)
    monkeypatch.setattr(translation._trans, "ngettext", ngettext, raising=False)
    Template(template).render(Context({"when": "lundi", "n": 3, "nothing": ""}))

    extracted = extract(extract_template, BytesIO(template.encode()), KEYWORDS)
    assert {message for _line, message, _comments, _context in extracted} == asked_for


@override_settings(LANGUAGE_CODE="fr")
def test_compiled_catalogue_is_in_use():
    with translation.override("en"):
        assert translation.gettext("Se connecter") == "Log in"
    with translation.override("fr"):
        assert translation.gettext("Se connecter") == "Se connecter"
