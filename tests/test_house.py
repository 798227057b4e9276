"""The house rules that a linter does not know: size of files and folders, names, words."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp

from tests.project import APPS, PACKAGES, PROJECT

VAGUE_WORDS = re.compile(r"\b(?:whoever|somebody|nobody|something)\b", re.IGNORECASE)
DOCUMENTS = [*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")]
MOST_LINES, MOST_LINES_OF_TESTS, MOST_MODULES, MOST_VAGUE_WORDS = 300, 500, 15, 20
#: Of the documents in docs/.
MOST_WORDS = 12_000
TEMPLATE_WIDTH = 120


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in (PROJECT / folder).rglob("*.py") if "migrations" not in path.parts)


def longer_than(limit: int, paths: Iterator[Path]) -> list[str]:
    return [str(path.relative_to(PROJECT)) for path in paths if len(path.read_text().splitlines()) > limit]


def test_files_and_folders_are_small():
    assert longer_than(MOST_LINES, python_files(*PACKAGES, "benchmarks")) == []
    assert longer_than(MOST_LINES_OF_TESTS, python_files("tests")) == []
    modules = Counter(path.parent for path in python_files(*PACKAGES) if path.name != "__init__.py")
    assert [str(folder) for folder, number in modules.items() if number > MOST_MODULES] == []
    templates = (PROJECT / "templates").rglob("*.html")
    wide = {path.name for path in templates for line in path.read_text().splitlines() if len(line) > TEMPLATE_WIDTH}
    assert wide == set()


def test_no_two_classes_share_a_name():
    """But for `Command`, which Django asks for."""
    trees = (ast.parse(path.read_text()) for path in python_files(*PACKAGES))
    names = Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))
    assert [name for name, number in names.items() if number > 1 and name != "Command"] == []


def test_no_files_import_each_other_in_a_circle():
    graph = grimp.build_graph("config", *APPS, "devtools")
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # Remove what imports nothing that is left, again and again: what stays is a circle, or imports one.
    while free := {module for module, others in imported.items() if not others & imported.keys()}:
        imported = {module: others for module, others in imported.items() if module not in free}
    assert sorted(imported) == []


def test_words_are_plain_and_few():
    sources = [*python_files(*PACKAGES, "benchmarks"), *DOCUMENTS, *(PROJECT / "static").rglob("*.[cj]s*")]
    found = Counter({str(path.relative_to(PROJECT)): len(VAGUE_WORDS.findall(path.read_text())) for path in sources})
    assert found.total() < MOST_VAGUE_WORDS, found.most_common(10)
    documents = (PROJECT / "docs").glob("*.md")
    assert sum(len(path.read_text().split()) for path in documents) < MOST_WORDS
