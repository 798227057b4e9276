"""`make messages`: bring the English catalogue in step with the French of templates and Python files.

Babel instead of Django's makemessages, which needs the gettext programs. Translations are kept, new messages wait for
theirs, unused ones are removed.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_python
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from devtools.environment import PROJECT

CATALOGUE: Final = PROJECT / "locale" / "en" / "LC_MESSAGES" / "django.po"
TEMPLATES: Final = "devtools.messages:extract_template"
#: The first pattern that matches decides.
METHODS: Final = [
    *((f"{folder}/**", "ignore") for folder in ("benchmarks", "devtools", "tests", "**/migrations")),
    ("**.py", "python"),
    *((f"{folder}/**.{kind}", TEMPLATES) for folder in ("templates", "**/templates") for kind in ("html", "txt")),
]
LAZY: Final = {f"{name}_lazy": DEFAULT_KEYWORDS[name] for name in ("gettext", "ngettext", "pgettext", "npgettext")}
KEYWORDS: Final = {**DEFAULT_KEYWORDS, **LAZY}
# Without dates and names, which would change at every run.
HEADER: Final = rb"""# English of the portal; `make messages` keeps it in step with the sources.
msgid ""
msgstr ""
"Language: en\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""


def extract_template(file: Any, keywords: Any, tags: Any, options: Any) -> Iterator[Any]:
    """Babel extraction method: the Python that Django derives from a template, without its indentation."""
    lines = templatize(file.read().decode()).splitlines()
    return extract_python(BytesIO("\n".join(map(str.lstrip, lines)).encode()), keywords, tags, options)


def source_catalogue() -> Catalog:
    """The messages of the sources, without translations."""
    catalogue = Catalog(locale="en", domain="django", fuzzy=False)
    found = extract_from_dir(PROJECT, METHODS, keywords=KEYWORDS, comment_tags=())
    for _file, _line, message, _comments, context in found:
        catalogue.add(message, context=context)
    return catalogue


def read_catalogue() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en", domain="django")


def untranslated(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id and not all(translations(message))]


def translations(message: Message) -> tuple[str, ...]:
    """One, or two for a message with a plural."""
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)


def main() -> None:
    catalogue = read_catalogue()
    catalogue.update(source_catalogue(), no_fuzzy_matching=True)
    with CATALOGUE.open("wb") as file:
        file.write(HEADER)
        write_po(file, catalogue, width=0, no_location=True, sort_output=True, omit_header=True, ignore_obsolete=True)
    print(f"{len(catalogue)} messages, {len(untranslated(catalogue))} without English in {CATALOGUE}")


if __name__ == "__main__":
    main()
