"""Legal requirements of every page: autocomplete tokens, help, accessibility declaration, privacy notice.

The pages are those of `tests/pages`, in one process with `tests/test_pages.py`.
"""

import re
from collections import defaultdict
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from django.urls import reverse

from accounts.models import Account
from agents.second_factor.forms import BackupCodeForm, EnrolmentForm, VerificationForm
from tests.pages import PAGES, REFUSALS
from tests.pages.rendering import load_page

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("pages")]

ALL = {**PAGES, **REFUSALS}
STATIC = Path(__file__).resolve().parent.parent / "static"
#: WCAG 1.3.5, for each field of the public pages; None: there is no token for it. The last one is the trap for robots.
TOKENS = {
    "login": "username",
    "username": "username",
    "password2": "new-password",
    "current_password": "current-password",
    "address": "email",
    "contact_address": "email",
    "target": "email",
    "phone": "tel",
    "birth_date_day": "bday-day",
    "birth_date_month": "bday-month",
    "birth_date_year": "bday-year",
    "website": "off",
}
PASSWORDS = {"current-password", "new-password"}
#: Pages that collect personal data for the first time.
COLLECTING = (
    *("assistance", "assistance_all_wrong", "first-connection", "first_connection_refused", "forgotten-password"),
    *("forgotten_password_refused", "welcome", "directory_choice"),
)
#: RGPD, articles 13 and 14, as the CNIL lists them.
OF_THE_NOTICE = {
    "controller": "Qui est responsable ?",
    "purposes": "Pourquoi ces données ?",
    "legal basis": "article 6, paragraphe 1, e",
    "mandatory or not": "Qu’est-ce qui est obligatoire ?",
    "recipients": "Qui y a accès ?",
    "retention": "Durées de conservation",
    "rights": "Quels sont vos droits ?",
    "data protection officer": "délégué à la protection des données",
    "complaint": "Commission nationale de l’informatique et des libertés",
    "source": "De la direction des ressources humaines",
}
#: The model of the declaration that the DISIC asks for.
OF_THE_DECLARATION = {
    "state": "non conforme</b> avec le référentiel général d’amélioration de l’accessibilité",
    "law": "article 47 de la loi n° 2005-102",
    "defects": "Contenus non accessibles",
    "tests": "Outils et environnements de test",
    "scheme of several years": "schéma pluriannuel",
    "action plan": "plan d’actions",
    "contact": "Retour d’information et contact",
    "appeal": "Défenseur des droits",
}


class Controls(HTMLParser):
    """Fields of a page with their attributes, links by the landmark that they are in, groups without a name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.path: list[str] = []
        self.fields: list[dict[str, str | None]] = []
        self.links: dict[str, list[str]] = defaultdict(list)
        self.groups_with_a_name: set[str] = set()
        self.radios_in: dict[str, set[bool]] = defaultdict(set)
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("header", "main", "footer", "fieldset"):
            self.path.append(tag)
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            self.fields.append({"tag": tag, **given})
        if given.get("type") == "radio":
            self.radios_in[str(given["name"])].add("fieldset" in self.path)
        if tag == "a" and self.path:
            self.links[self.path[0]].append(str(given.get("href")))

    def handle_endtag(self, tag: str) -> None:
        if self.path and self.path[-1] == tag:
            self.path.pop()


def text_of(html: str) -> str:
    return html.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


class TestFields:
    def test_have_the_right_autocomplete_token(self):
        """A11Y-04: tokens where there is one, none elsewhere, « off » on nothing that is the person's own."""
        wrong = []
        for name in ALL:
            for field in Controls(load_page(name, "fr").html).fields:
                kind, token = field.get("type"), field.get("autocomplete")
                right = token in PASSWORDS if kind == "password" else token == TOKENS.get(str(field["name"]))
                wrong += [] if right else [f"{name}: {field['name']} has {token}"]
        assert wrong == []

    def test_for_codes_are_one_time_codes(self):
        """A11Y-04: codes of an application have figures only, those on paper and of enrolment letters too."""
        forms = {VerificationForm: "numeric", BackupCodeForm: None, EnrolmentForm: None}
        for form, keyboard in forms.items():
            [field] = [field for field in Controls(str(form(account=Account()))).fields if field["name"] == "code"]
            assert field["autocomplete"] == "one-time-code", form
            assert field.get("inputmode") == keyboard, form

    def test_have_no_placeholder_and_groups_have_a_name(self):
        """A11Y-02: no text that goes away when one types; that each has its label, `tests/test_pages.py` looks at."""
        wrong = []
        for name in ALL:
            controls = Controls(load_page(name, "fr").html)
            wrong += [
                f"{name}: {field['name']} has a placeholder" for field in controls.fields if "placeholder" in field
            ]
            wrong += [f"{name}: {group} in no group" for group, held in controls.radios_in.items() if held != {True}]
            html = load_page(name, "fr").html
            wrong += [] if html.count("<fieldset") == html.count("<legend") else [f"{name}: a group without a name"]
        assert wrong == []

    def test_are_required_as_their_labels_say(self):
        """A11Y-02"""
        wrong, compared = [], 0
        for name in ALL:
            html = load_page(name, "fr").html
            marks = dict(
                re.findall(r'<label for="([^"]+)">[^<]*<span class="field-mark">\s*\((obligatoire|facultatif)\)', html)
            )
            for field in Controls(html).fields:
                mark = marks.get(str(field.get("id")))
                compared += bool(mark)
                if mark and (mark == "obligatoire") != ("required" in field):
                    wrong.append(f"{name}: {field['name']} is {mark}")
        assert wrong == []
        assert compared > 20


class TestFiles:
    def test_the_stylesheet_cuts_no_text_off(self):
        """A11Y-08 (WCAG 1.4.4, 1.4.12): however large it is, and whatever is between its lines."""
        rules = re.findall(r"{([^{}]*)}", (STATIC / "css/portail.css").read_text())
        cutting = re.compile(r"overflow(?:-[xy])?:\s*(?:hidden|clip)|text-overflow|line-clamp|max-height")
        hidden_from_sight = "clip-path: inset(50%)"
        assert [rule for rule in rules if cutting.search(rule) and hidden_from_sight not in rule] == []
        assert any(hidden_from_sight in rule for rule in rules)

    def test_no_script_handles_pasting(self):
        """A11Y-05 (WCAG 3.3.8): passwords, codes and addresses come from managers and mails."""
        script = (STATIC / "js/portail.js").read_text()
        assert not re.search(r"paste|clipboard|beforeinput", script)


class TestEveryPage:
    def test_links_to_the_declaration_in_its_footer_and_to_help_in_its_header(self):
        """A11Y-09, A11Y-07 (WCAG 3.2.6): error pages too."""
        wrong = []
        for name, (language, prefix) in product(ALL, (("fr", ""), ("en", "/en"))):
            links = Controls(load_page(name, language).html).links
            wrong += [] if f"{prefix}/accessibilite/" in links["footer"] else [f"{name}: no declaration"]
            wrong += [] if links["header"][-2] == f"{prefix}/aide/" else [f"{name}: help is elsewhere"]
        assert wrong == []

    def test_of_the_wizard_marks_the_current_step(self):
        """A11Y-07: progress as text, in the title and in the list of steps."""
        for name in ("charter", "directory_choice", "mailbox", "verification", "password"):
            html = load_page(name, "fr").html
            assert html.count('aria-current="step"') == 1, name
            assert re.search(r"<title>\s*Étape \d sur \d :", text_of(html)), name

    def test_that_confirms_an_action_is_announced(self):
        """A11Y-07 (WCAG 4.1.3): screen readers read out « un e-mail est parti » although nothing has the focus."""
        for name in (
            "answer_of_first_connection",
            "forgotten_password_answer",
            "assistance_sent",
            "password-reset-done",
        ):
            assert 'role="status"' in load_page(name, "fr").html.partition("<main")[2].partition("</main>")[0], name


class TestDeclarations:
    def test_the_home_page_says_how_accessible_the_portal_is(self):
        """A11Y-09: in the words of the law."""
        assert "Accessibilité : non conforme" in text_of(load_page("home", "fr").html)

    def test_the_page_has_all_its_parts(self):
        """A11Y-09, PRV-03"""
        for page, parts in (("accessibility", OF_THE_DECLARATION), ("privacy", OF_THE_NOTICE)):
            text = text_of(load_page(page, "fr").html)
            assert [part for part, words in parts.items() if words not in text] == [], page

    def test_form_that_collects_data_links_to_the_privacy_notice(self):
        """PRV-03: beside the question, not only at the foot of the page."""
        for name in COLLECTING:
            assert reverse("privacy") in Controls(load_page(name, "fr").html).links["main"], name
