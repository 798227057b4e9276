"""Where text becomes HTML in the code (INP-05). What agents' pages make of hostile input: `tests/fuzz`, and in a browser
`tests/browser/test_hostile_text.py`."""

import re

from django.conf import settings as portal

from tests.project import PACKAGES

#: Where text becomes HTML without being escaped. Reviewed: none of them gets user input, except the
#: charter, which `nh3` cleans on the line that says so.
UNESCAPED = {
    "activation/charter/rendering.py": "mark_safe",
    "agents/second_factor/views.py": "mark_safe",
    "core/forms/renderer.py": "format_html",
    "core/templatetags/icons.py": "mark_safe",
}
WAYS = re.compile(
    r"\b(mark_safe|format_html(?:_join)?|html_safe|is_safe\s*=\s*True|__html__|autoescape\s*=\s*False)\b(?=[\s(=,:)])"
    r"|\|\s*(safe|safeseq|urlize|urlizetrunc|striptags|truncate\w+_html)\b"
)
IMPORTED = re.compile(r"^\s*(?:from|import) .*$", re.MULTILINE)
# `{% autoescape off %}` is for texts, where nothing is HTML.
NOT_ESCAPED = re.compile(r"{%-?\s*autoescape\s+off")


def sources(*endings: str) -> dict[str, str]:
    """The portal's own files, without the tests, by their names."""
    folders = (*PACKAGES, "templates")
    paths = [path for folder in folders for path in (portal.BASE_DIR / folder).rglob("*") if path.suffix in endings]
    return {str(path.relative_to(portal.BASE_DIR)): path.read_text() for path in paths}


def test_nothing_else_becomes_html_unescaped():
    """INP-05: a new one has to be looked at, and added to the list."""
    texts = {name: IMPORTED.sub("", text) for name, text in sources(".py", ".html", ".txt").items()}
    found = {name: {way for groups in WAYS.findall(text) for way in groups if way} for name, text in texts.items()}
    assert {name: ", ".join(ways) for name, ways in found.items() if ways} == UNESCAPED


def test_only_texts_are_not_escaped():
    """INP-05"""
    assert [name for name, text in sources(".html", ".py").items() if NOT_ESCAPED.search(text)] == []


def test_scripts_make_no_html_of_what_they_read():
    """INP-05: text goes into a page as text."""
    scripts = list((portal.BASE_DIR / "static").rglob("*.js"))
    assert scripts
    for path in scripts:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", path.read_text()
        )
        assert found == [], path.name
