"""Legal requirements of every page: its forms, autocomplete tokens, help, accessibility declaration, privacy notice, contrast.

The pages are those of `tests/pages`, in one process with `tests/test_pages.py`.
"""

import re
from itertools import product

import pytest
from django.urls import reverse

from accounts.models import Account
from accounts.passwords import RULES
from agents.second_factor.forms import BackupCodeForm, EnrolmentForm, VerificationForm
from tests.pages import PAGES, REFUSALS
from tests.pages.rendering import load_page
from tests.project import PROJECT

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("pages")]

ALL = {**PAGES, **REFUSALS}
#: WCAG 1.3.5, for each field of the public pages that has a token. The last one is the trap for robots.
TOKENS = {"login": "username", "username": "username", "phone": "tel", "website": "off"}
TOKENS |= dict.fromkeys(("address", "contact_address", "target"), "email")
TOKENS |= {f"birth_date_{part}": f"bday-{part}" for part in ("day", "month", "year")}
#: Pages that collect personal data for the first time.
COLLECTING = (
    *("assistance", "assistance_all_wrong", "first-connection", "first_connection_refused", "forgotten-password"),
    *("forgotten_password_refused", "welcome", "directory_choice"),
)
#: RGPD, articles 13 and 14, as the CNIL lists them.
OF_THE_NOTICE = (
    *("Qui est responsable ?", "Pourquoi ces données ?", "article 6, paragraphe 1, e", "Qui y a accès ?"),
    *("Qu’est-ce qui est obligatoire ?", "Durées de conservation", "Quels sont vos droits ?"),
    *("délégué à la protection des données", "Commission nationale de l’informatique et des libertés"),
    "De la direction des ressources humaines",
)
#: The model of the declaration that the DISIC asks for.
OF_THE_DECLARATION = (
    "non conforme</b> avec le référentiel général d’amélioration de l’accessibilité",
    *("article 47 de la loi n° 2005-102", "Contenus non accessibles", "Outils et environnements de test"),
    *("schéma pluriannuel", "plan d’actions", "Retour d’information et contact", "Défenseur des droits"),
)
#: Pages that confirm an action.
CONFIRMING = ("answer_of_first_connection", "forgotten_password_answer", "assistance_sent", "password-reset-done")
TEXT, LARGE_OR_CONTROL = 4.5, 3.0
#: Colours in front, the colour behind them; with a star where controls and large text need less.
PAIRS = """
ink ink-2 brand ok err control* accent* warn* focus* on surface
ink ink-2 brand control* accent* focus* on page
ink ink-2 brand brand-strong on brand-tint
ink brand info on info-tint
ink brand ok on ok-tint
ink brand warn on warn-tint
err on err-tint
on-brand halo* on brand
on-brand on brand-strong
on-identity on identity
surface on accent
surface on err
surface on ok
surface on ink
"""
MARK = re.compile(r'<label for="([^"]+)">[^<]*<span class="field-mark">\s*\((obligatoire|facultatif)\)')


def fields_of(html: str) -> list[dict[str, str]]:
    tags = re.findall(r"<(?:input|select|textarea)\b([^>]*)>", html)
    fields = [dict(re.findall(r'([\w-]+)(?:="([^"]*)")?', tag)) for tag in tags]
    return [field for field in fields if field.get("type") != "hidden"]


def links_in(landmark: str, html: str) -> list[str]:
    inside = html.partition(f"<{landmark} ")[2].partition(f"</{landmark}>")[0]
    return re.findall(r'<a\b[^>]*\bhref="([^"]+)"', inside)


def french(name: str) -> str:
    html = load_page(name, "fr").html
    return html.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_fields_have_their_token_their_group_and_no_placeholder_and_are_required_as_their_labels_say():
    """A11Y-02, A11Y-04: « off » on nothing that is the person's own; no text that goes away when one types."""
    wrong, compared = [], 0
    for name in ALL:
        html = french(name)
        marks, ungrouped = dict(MARK.findall(html)), re.sub(r"<fieldset.*?</fieldset>", "", html, flags=re.DOTALL)
        wrong += [f"{name}: radios in no group"] if 'type="radio"' in ungrouped else []
        wrong += [] if html.count("<fieldset") == html.count("<legend") else [f"{name}: a group without a name"]
        for field in fields_of(html):
            token, mark = field.get("autocomplete"), marks.get(str(field.get("id")))
            expected = {TOKENS.get(str(field["name"]))}
            if field.get("type") == "password":
                expected = {"current-password", "new-password"}
            wrong += [] if token in expected else [f"{name}: {field['name']} has {token}"]
            wrong += [f"{name}: {field['name']} has a placeholder"] if "placeholder" in field else []
            wrong += (
                [f"{name}: {field['name']} is {mark}"] if mark and (mark[0] == "o") != ("required" in field) else []
            )
            compared += bool(mark)
    assert wrong == []
    assert compared > 20


def test_forms_mark_their_fields_and_lead_to_their_errors():
    """A11Y-02: a single field has no mark; with optional fields, only those are marked. A11Y-03: one summary."""
    assert "(obligatoire)" not in french("forgotten-password")
    assert french("login").count("(obligatoire)") == 2
    assistance = french("assistance")
    assert "Tous les champs sont obligatoires sauf mention contraire." in assistance
    assert "(facultatif)" in assistance
    assert "(obligatoire)" not in assistance
    refused = french("forgotten_password_refused")
    assert "Un point est à corriger" in refused
    assert re.search(r"\d points sont à corriger", french("assistance_all_wrong"))
    parts = [
        refused.index(part)
        for part in (
            '<label for="id_login"',
            'id="id_login_error"',
            'aria-describedby="id_login_helptext id_login_error"',
        )
    ]
    assert parts == sorted(parts)


def test_a_new_password_has_its_rules_is_asked_twice_without_javascript_and_never_rendered():
    """A11Y-05"""
    html = french("password")
    assert html.count("data-rule=") == len(RULES)
    [password] = [field for field in fields_of(html) if field["name"] == "password"]
    assert str(password["aria-describedby"]).split() == ["id_password_helptext", "id_password_rules"]
    before, inside = html.split("<noscript>", 1)
    inside, after = inside.split("</noscript>", 1)
    assert 'name="password2"' in inside
    assert "password2" not in before + after
    for name in ALL:
        given = [field for field in fields_of(french(name)) if field.get("type") == "password"]
        assert not [field for field in given if field.get("value")], name


def test_codes_are_one_time_codes():
    """A11Y-04: codes of an application have figures only; those on paper and of enrolment have letters too."""
    for form, keyboard in {VerificationForm: "numeric", BackupCodeForm: None, EnrolmentForm: None}.items():
        [field] = [field for field in fields_of(str(form(account=Account()))) if field["name"] == "code"]
        assert (field["autocomplete"], field.get("inputmode")) == ("one-time-code", keyboard), form


def test_the_stylesheet_cuts_no_text_off_and_no_script_handles_pasting():
    """A11Y-05 (WCAG 3.3.8), A11Y-08 (WCAG 1.4.4, 1.4.12): however large a text is; passwords come from managers."""
    rules = re.findall(r"{([^{}]*)}", (PROJECT / "static/css/portail.css").read_text())
    cutting = re.compile(r"overflow(?:-[xy])?:\s*(?:hidden|clip)|text-overflow|line-clamp|max-height")
    assert {"clip-path: inset(50%)" in rule for rule in rules if cutting.search(rule)} == {True}
    assert not re.search(r"paste|clipboard|beforeinput", (PROJECT / "static/js/portail.js").read_text())


def test_each_page_links_to_the_declaration_in_its_footer_and_to_help_in_its_header():
    """A11Y-09, A11Y-07 (WCAG 3.2.6): error pages too."""
    for name in ALL:
        for language, prefix in (("fr", ""), ("en", "/en")):
            html = load_page(name, language).html
            assert f"{prefix}/accessibilite/" in links_in("footer", html), name
            assert links_in("header", html)[-2] == f"{prefix}/aide/", name


def test_pages_of_the_wizard_mark_their_step_and_confirmations_are_announced():
    """A11Y-07: progress in the title and in the list of steps; « un e-mail est parti » is read out (WCAG 4.1.3)."""
    for name in ("charter", "directory_choice", "mailbox", "verification", "password"):
        assert french(name).count('aria-current="step"') == 1, name
        assert re.search(r"<title>\s*Étape \d sur \d :", french(name)), name
    for name in CONFIRMING:
        assert 'role="status"' in french(name).partition("<main")[2].partition("</main>")[0], name


def test_declaration_and_privacy_notice_have_all_their_parts_and_stand_where_they_have_to():
    """A11Y-09: in the words of the law; PRV-03: the notice beside the question, not only at the foot of the page."""
    assert "Accessibilité : non conforme" in french("home")
    for page, parts in (("accessibility", OF_THE_DECLARATION), ("privacy", OF_THE_NOTICE)):
        assert [words for words in parts if words not in french(page)] == [], page
    for name in COLLECTING:
        assert reverse("privacy") in links_in("main", french(name)), name


def test_colours_keep_their_contrast():
    """A11Y-08: of every pair in use, light and dark."""
    css = re.sub(r"/\*.*?\*/", "", (PROJECT / "static/css/portail.css").read_text(), flags=re.DOTALL)
    blocks = re.findall(r":root\s*{([^}]*)}", css)
    light, differences = (dict(re.findall(r"--([\w-]+):\s*([^;]+);", block)) for block in blocks[:2])
    for pair, colours in product(PAIRS.strip().splitlines(), (light, light | differences)):
        fronts, behind = pair.split(" on ")
        for front in fronts.split():
            least, front = LARGE_OR_CONTROL if front.endswith("*") else TEXT, front.removesuffix("*")
            assert contrast(followed(front, colours), followed(behind, colours)) >= least, (front, behind, colours)


def followed(name: str, colours: dict[str, str]) -> str:
    reference = re.fullmatch(r"var\(--([\w-]+)\)", colours[name])
    return colours[reference[1]] if reference else colours[name]


def contrast(one: str, other: str) -> float:
    """Ratio of WCAG 2, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
