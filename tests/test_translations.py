"""English is whole, and says what the French says: no message without it, none left over, none half done."""

import re
import string

import pytest
from babel.messages.catalog import Message
from django.template import Context, Template
from django.test import override_settings
from django.utils import translation
from django.utils.translation import trans_real

from config.messages import (
    catalogue_of_source,
    messages_of,
    python_of_template,
    read_catalogue,
    strings_of,
    untranslated,
    updated_catalogue,
)

CATALOGUE = read_catalogue()
MESSAGES = [message for message in CATALOGUE if message.id]
SAME_IN_BOTH = {"Activation", "Confirmation", "Contact", "Cookies", "Date", "date", "journal", "version"}
FRENCH = re.compile(
    r"\b(vous|votre|vos|nous|une|des|les|est|sont|avec|pour|sur|dans|compte|adresse|lien|cette|jusqu)\b", re.IGNORECASE
)
NAMES_IN_ENGLISH = ("Direction du système d’information et du numérique", "Défenseur des droits", "Libre réponse")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%%|\[(?:nombre|niveau)\]")


def ids_of(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def placeholders(text: str) -> set[str]:
    braces = {name for _, name, _, _ in string.Formatter().parse(text) if name} if "{" in text else set()
    return {found[0] for found in PLACEHOLDER.finditer(text)} | braces


def tags(text: str) -> list[str]:
    return sorted(re.findall(r"<[^>]+>", text))


def test_the_catalogue_holds_exactly_what_the_sources_say():
    """After changing a text: `make messages`, then translate what it says is missing."""
    in_catalogue = {
        (message.context, message.id if isinstance(message.id, str) else tuple(message.id)) for message in MESSAGES
    }

    assert catalogue_of_source() - in_catalogue == set(), "not in the catalogue"
    assert in_catalogue - catalogue_of_source() == set(), "said by nobody any more"
    assert not CATALOGUE.obsolete


def test_every_message_has_its_english():
    assert [message.id for message in untranslated(CATALOGUE)] == []
    assert [message.id for message in MESSAGES if message.fuzzy] == []


def test_both_languages_fill_in_the_same_values_and_use_the_same_markup():
    for message in MESSAGES:
        for english in strings_of(message):
            assert placeholders(english) == placeholders(ids_of(message)[-1]), message.id
            assert tags(english) == tags(ids_of(message)[-1]), message.id
            assert english.count("|") == ids_of(message)[0].count("|"), message.id


def test_no_french_is_left_in_the_english():
    for message in MESSAGES:
        for french, english in zip(ids_of(message), strings_of(message), strict=True):
            assert english != french or french in SAME_IN_BOTH
            for name in NAMES_IN_ENGLISH:
                english = english.replace(name, "")
            english = re.sub(r"<[^>]+>|%\(\w+\)s", "", english)
            assert not FRENCH.search(english), english
            assert "«" not in english


def test_both_languages_begin_and_end_alike():
    """A sentence is put together from neighbours: spaces and the last full stop belong to it."""
    for message in MESSAGES:
        for french, english in zip(ids_of(message), strings_of(message), strict=True):
            assert english[:1].isspace() == french[:1].isspace() or french.startswith("\u00a0"), french
            assert english[-1:].isspace() == french[-1:].isspace(), french
            assert (english[-1:] == ".") == (french[-1:] == "."), french


def test_the_sources_are_french_as_the_french_write_it():
    """A no-break space before : ; ? ! and inside « », the right apostrophe, one word per thing (design §1)."""
    for message in MESSAGES:
        for french in ids_of(message):
            prose = re.sub(r"<[^>]+>|%\(\w+\)[sd]", "x", french)
            assert not re.search(r" [:;?!»]|« |\w[?!»]", prose), french
            assert "'" not in prose, french
            assert not re.search(r"\b(courriel|veuillez|cliquez ici|24 heures)\b", prose, re.IGNORECASE), french


@pytest.mark.parametrize(
    "template",
    [
        "{% load i18n %}{% blocktranslate trimmed with day=when %}\n  Modifié le\n  {{ day }}\n{% endblocktranslate %}",
        "{% load i18n %}{% blocktranslate trimmed count counter=n %}\n {{ counter }} lien \n{% plural %}\n"
        " {{ counter }} liens {% endblocktranslate %}",
        "{% load i18n %}{% translate 'Mon «\u00a0compte\u00a0»' %}",
        '{% load i18n %}{% blocktranslate with rate=n %}{{ rate }} % de "oui" ou d’"autres"{% endblocktranslate %}',
        '{% load i18n %}{{ nothing|default:_("Aucune adresse") }}',
        '  {% load i18n %}<p onclick="x(\'">\n\t{% translate "Retour" as back %}{{ back }}</p>\n {# it\'s ( #}',
    ],
)
def test_what_is_extracted_is_what_django_looks_up(template, monkeypatch):
    asked_for = set()
    for name in ("gettext", "ngettext"):

        def spy(*msgids, real=getattr(trans_real, name), count=1 if name == "gettext" else 2):
            asked_for.add(msgids[0] if count == 1 else msgids[:2])
            return real(*msgids)

        monkeypatch.setattr(trans_real, name, spy)
        monkeypatch.setattr(translation._trans, name, spy, raising=False)
    Template(template).render(Context({"when": "lundi", "n": 3, "nothing": ""}))

    assert {msgid for _, msgid in messages_of(python_of_template(template))} == asked_for


def test_messages_of_python_are_found_whatever_the_call():
    source = (
        '_("a")\ngettext_lazy("b" "c")\nngettext("d", "e", n)\npgettext("menu", "f")\nnpgettext("m", "g", "h", n)\n'
    )

    assert set(messages_of(source)) == {
        (None, "a"),
        (None, "bc"),
        (None, ("d", "e")),
        ("menu", "f"),
        ("m", ("g", "h")),
    }


def test_updating_keeps_translations_and_guesses_nothing():
    known = updated_catalogue(read_catalogue(), {(None, "Accueil"), (None, ("chat", "chats"))})
    known["Accueil"].string = "Home"
    known["chat"].string = ("cat", "cats")

    updated = updated_catalogue(known, {(None, "Accueil"), (None, "Accueils"), (None, ("chat", "chats"))})

    assert updated["Accueil"].string == "Home"
    assert updated["chat"].string == ("cat", "cats")
    assert not any(strings_of(updated["Accueils"]))
    assert len(updated) == 3
    assert not any(message.fuzzy for message in updated if message.id)


@override_settings(LANGUAGE_CODE="fr")
def test_the_compiled_catalogue_is_in_use():
    with translation.override("en"):
        assert translation.gettext("Se connecter") == "Log in"
    with translation.override("fr"):
        assert translation.gettext("Se connecter") == "Se connecter"
