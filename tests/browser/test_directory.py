"""Searching the public directory, and leaving it, in a real browser (PRV-02, A11Y-01)."""

from collections.abc import Callable

from tests.browser.inspection import Inspection
from tests.browser.visitor import NEEDS_BROWSER, Visitor, sign_in
from tests.directory.listed import listed_people_called, listed_person
from tests.people import active_person

pytestmark = NEEDS_BROWSER


def test_somebody_is_found_page_after_page(new_visitor: Callable[..., Visitor]):
    visitor, inspection = new_visitor(), Inspection()
    listed_people_called("Durand", 21)
    listed_person("Jean-Baptiste", "Durand-Lefèvre de la Tour d’Auvergne", institutional_address=f"{'a' * 60}@univ.fr")
    visitor.open("/annuaire/")
    inspection.look(visitor, "directory")
    visitor.type("Nom ou prénom", "d")
    visitor.press("Rechercher")
    inspection.look(visitor, "directory, one letter")
    visitor.type("Nom ou prénom", "durand")
    visitor.page.keyboard.press("Enter")
    visitor.reads_aloud("22 résultats")
    inspection.look(visitor, "directory, first page")
    visitor.follow("Page suivante")
    visitor.reads("Page 2 sur 2")
    visitor.type("Nom ou prénom", "lefevbre")
    visitor.press("Rechercher")
    visitor.reads("Voici les plus proches")
    inspection.look(visitor, "directory, a slip")
    visitor.type("Nom ou prénom", "Xavier Personne")
    visitor.press("Rechercher")
    visitor.reads("Vérifiez l’orthographe")
    inspection.look(visitor, "directory, nobody")
    assert not inspection.findings, inspection.report()


def test_somebody_leaves_the_directory_without_javascript(new_visitor: Callable[..., Visitor]):
    person, visitor = active_person(), new_visitor(width=320, java_script_enabled=False)
    visitor.open("/connexion/")
    sign_in(visitor, person)
    for answer, said in [
        ("Oui, afficher ma fiche", "vous figurez"),
        ("Non, ne pas afficher ma fiche", "ne figurez pas"),
    ]:
        visitor.open("/compte/annuaire/")
        visitor.tick(answer)
        visitor.tick("Je confirme mon choix")
        visitor.press("Enregistrer")
        visitor.sees("Votre compte informatique")
        visitor.reads_aloud(said)


def test_the_page_of_the_choice(new_visitor: Callable[..., Visitor]):
    person, visitor, inspection = active_person(), new_visitor(), Inspection()
    visitor.open("/connexion/")
    sign_in(visitor, person)
    visitor.sees("Votre compte informatique")
    visitor.open("/compte/annuaire/")
    inspection.look(visitor, "choice about the directory")
    visitor.press("Enregistrer")
    inspection.look(visitor, "choice about the directory, not confirmed")
    assert not inspection.findings, inspection.report()
