"""The English catalogue is complete, agrees with the French, and has no unused message."""

import ast
import re
import string

from babel.messages.catalog import Catalog

from devtools.messages import KEYWORDS, read_catalogue, source_catalogue, translations, untranslated
from tests.project import APPS, PROJECT

CATALOGUE = read_catalogue()
PAIRS = [
    pair
    for message in CATALOGUE
    if message.id
    for pair in zip([message.id] if isinstance(message.id, str) else message.id, translations(message), strict=True)
]
SAME_IN_BOTH = {
    *("%(counter)s article", "%(counter)s articles", "%(counter)s minute", "%(counter)s minutes", "page %(number)s"),
    *("Activation", "Confirmation", "Contact", "Cookies", "DSIN", "Date", "Documentation", "E-mails", "Note", "Pages"),
    *("Session", "agent", "date", "description", "journal", "note", "service", "session", "sessions", "version"),
}
FRENCH = re.compile(
    r"\b(vous|votre|vos|nous|une|des|les|est|sont|avec|pour|sur|dans|compte|adresse|lien|cette|jusqu)\b", re.IGNORECASE
)
FRENCH_NAMES = ("Direction du système d’information et du numérique", "Défenseur des droits", "Libre réponse")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%%|\[(?:nombre|niveau)\]")


def values_and_tags(text: str) -> tuple[set[str], list[str], int]:
    braces = {name for _, name, _, _ in string.Formatter().parse(text) if name} if "{" in text else set()
    values = {found[0] for found in PLACEHOLDER.finditer(text)}
    return values | braces, sorted(re.findall(r"<[^>]+>", text)), text.count("|")


def keys(catalogue: Catalog) -> set[tuple[object, ...]]:
    return {(each.context, *([each.id] if isinstance(each.id, str) else each.id)) for each in catalogue if each.id}


def test_catalogue_holds_exactly_the_messages_of_the_sources_in_english():
    """After changing a text: `make messages`, then translate what it says is missing."""
    assert keys(source_catalogue()) - keys(CATALOGUE) == set(), "not in the catalogue"
    assert keys(CATALOGUE) - keys(source_catalogue()) == set(), "no longer used"
    assert not CATALOGUE.obsolete
    assert [message.id for message in untranslated(CATALOGUE)] == []
    assert [message.id for message in CATALOGUE if message.id and message.fuzzy] == []


def test_no_text_to_translate_is_inside_an_f_string():
    """Babel does not look there: « aucune » stayed French in an English history."""
    for path in (found for app in APPS for found in (PROJECT / app).rglob("*.py")):
        joined = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.JoinedStr)]
        calls = (part for node in joined for part in ast.walk(node) if isinstance(part, ast.Call))
        assert not [call.lineno for call in calls if ast.unparse(call.func) in KEYWORDS], path


def test_english_agrees_with_the_french():
    """Neighbouring messages form one sentence: spaces and the last full stop belong to it."""
    for french, english in PAIRS:
        assert values_and_tags(english) == values_and_tags(french), french
        assert english[:1].isspace() == french[:1].isspace() or french.startswith("\u00a0"), french
        assert english[-1:].isspace() == french[-1:].isspace(), french
        assert (english[-1:] == ".") == (french[-1:] == "."), french
        prose = re.sub(rf"{PLACEHOLDER.pattern}|<[^>]+>|{'|'.join(FRENCH_NAMES)}", "", english)
        assert english != french or french in SAME_IN_BOTH
        assert not FRENCH.search(prose), english
        assert "«" not in english


def test_french_typography_is_right():
    """A no-break space before : ; ? ! and inside « », the right apostrophe, one word per thing."""
    for french, _ in PAIRS:
        prose = re.sub(r"<[^>]+>|%\(\w+\)[sd]", "x", french)
        assert not re.search(r" [:;?!»]|« |\w[?!»]", prose), french
        assert "'" not in prose, french
        assert not re.search(r"\b(courriel|veuillez|cliquez ici|24 heures)\b", prose, re.IGNORECASE), french
