"""Searching the public directory in a real browser (PRV-02)."""

from collections.abc import Callable

import pytest

from tests.browser.visitor import NEEDS_BROWSER, Visitor
from tests.directory.listed import listed_people_called, listed_person

pytestmark = NEEDS_BROWSER


@pytest.mark.parametrize("has_scripts", [True, False], ids=["with scripts", "without scripts"])
def test_results_span_several_pages(has_scripts: bool, new_visitor: Callable[..., Visitor]):
    visitor = new_visitor(java_script_enabled=has_scripts)
    listed_people_called("Durand", 21)
    listed_person("Jean-Baptiste", "Durand-Lefèvre de la Tour d’Auvergne", institutional_address=f"{'a' * 60}@univ.fr")
    visitor.open("/annuaire/")
    visitor.type("Nom ou prénom", "durand")
    visitor.page.keyboard.press("Enter")
    visitor.reads_aloud("22 résultats")
    visitor.follow("Page suivante")
    visitor.reads("Page 2 sur 2")
    assert visitor.page.locator(".people li").count() == 2
    visitor.type("Nom ou prénom", "lefevbre")
    visitor.press("Rechercher")
    visitor.reads("Voici les plus proches")
    visitor.type("Nom ou prénom", "Xavier Personne")
    visitor.press("Rechercher")
    visitor.reads("Vérifiez l’orthographe")
    assert visitor.page.locator(".people li").count() == 0
