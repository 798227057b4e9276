"""The English catalogue, kept in step with the sources by `make messages`.

Reads the French of every template and of every Python file of the applications, and rewrites
locale/en/LC_MESSAGES/django.po: translations are kept, new messages wait for theirs, those that nobody says any more
leave. Babel compiles it (`make install`), so that no machine needs the gettext programs.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).resolve().parent.parent
CATALOGUE: Final = ROOT / "locale" / "en" / "LC_MESSAGES" / "django.po"
NOT_SHOWN: Final = frozenset({"benchmarks", "local", "tests"})
CONTEXT_FIRST: Final = ((1, "c"), 2)
KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": CONTEXT_FIRST,
    "pgettext_lazy": CONTEXT_FIRST,
    "npgettext": (*CONTEXT_FIRST, 3),
    "npgettext_lazy": (*CONTEXT_FIRST, 3),
}
# Without dates and names, which would make every run a difference.
HEADER: Final = rb"""# English of the portal; `make messages` keeps it in step with the sources.
msgid ""
msgstr ""
"Language: en\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""

Msgid = str | tuple[str, str]
Key = tuple[str | None, Msgid]


def catalogue_of_source() -> set[Key]:
    """Every message of the sources as its context, or None, and its msgid: a pair when it has a plural."""
    return {key for python in _python_of_sources() for key in messages_of(python)}


def messages_of(python: str) -> Iterator[Key]:
    """The messages that some Python code asks gettext for."""
    for _line, message, _comments, context in extract("python", BytesIO(python.encode()), KEYWORDS):
        yield context, message if isinstance(message, str) else (message[0], message[1])


def python_of_template(template: str) -> str:
    """The calls that Django itself reads in a template, without the indentation that is none of Python's."""
    return "\n".join(line.lstrip() for line in templatize(template).splitlines())


def read_catalogue() -> Catalog:
    """The English catalogue as it stands."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en", domain="django")


def updated_catalogue(known: Catalog, wanted: set[Key]) -> Catalog:
    """The wanted messages with the translations that are known; nothing is guessed, so nothing is fuzzy."""
    catalogue = Catalog(locale="en", domain="django", fuzzy=False)
    for context, msgid in wanted:
        message = known.get(msgid if isinstance(msgid, str) else msgid[0], context)
        same = message is not None and message.id == msgid
        catalogue.add(msgid, message.string if message is not None and same else None, context=context)
    return catalogue


def write_catalogue(catalogue: Catalog) -> None:
    """Write the file in an order and a form that make small differences small."""
    with CATALOGUE.open("wb") as file:
        file.write(HEADER)
        write_po(file, catalogue, width=0, sort_output=True, omit_header=True, ignore_obsolete=True)


def untranslated(catalogue: Catalog) -> list[Message]:
    """The messages that have no English yet."""
    return [message for message in catalogue if message.id and not all(strings_of(message))]


def strings_of(message: Message) -> tuple[str, ...]:
    """The English of a message, in as many forms as it has."""
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)


def main() -> None:
    """Bring the file in step and say what is left to translate."""
    catalogue = updated_catalogue(read_catalogue(), catalogue_of_source())
    write_catalogue(catalogue)
    waiting = untranslated(catalogue)
    print(f"{len(catalogue)} messages, {len(waiting)} without English in {CATALOGUE.relative_to(ROOT)}")  # noqa: T201


def _python_of_sources() -> Iterator[str]:
    for path in _files("*.py"):
        yield path.read_text(encoding="utf-8")
    for pattern in ("*.html", "*.txt"):
        for path in _files(pattern):
            yield python_of_template(path.read_text(encoding="utf-8"))


def _files(pattern: str) -> Iterator[Path]:
    for folder in _folders():
        yield from sorted(path for path in folder.rglob(pattern) if "migrations" not in path.parts)


def _folders() -> Iterator[Path]:
    """The templates, and every application."""
    yield ROOT / "templates"
    for package in sorted(ROOT.glob("*/__init__.py")):
        if package.parent.name not in NOT_SHOWN:
            yield package.parent


if __name__ == "__main__":
    main()
