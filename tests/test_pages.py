"""The contract of every page, and what the law asks of it."""

import re
from collections import defaultdict
from html import unescape
from itertools import product

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import resolve, reverse
from django.utils import translation

from accounts.models import Account
from accounts.passwords import RULES
from agents.second_factor.forms import BackupCodeForm, EnrolmentForm, VerificationForm
from tests.pages import ACTIONS, PAGES, QUERIES, REFUSALS
from tests.pages.rendering import assert_contract, load_page, title_of
from tests.project import PROJECT
from tests.provisioning.linked import promises

# In one process, which makes each page once a language.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("pages")]

ALL = {**PAGES, **REFUSALS}
#: Errors that no request provokes here; tests/config looks at them.
OTHER_ERRORS = frozenset({"403.html", "405.html", "413.html", "500.html", "503.html"})
FRENCH = re.compile(r"\b(?:votre|vous|le|la|les|des|une|est|pour|avec)\b", re.IGNORECASE)
NOT_ENGLISH = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*\blang=\"fr\".*?</[^>]+>|<[^>]+>", re.DOTALL)
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
#: Colours that axe does not see, behind colours it may not: of controls and large text, and of text under the pointer.
LEAST_CONTRAST = {
    3.0: {"surface": "control accent warn focus", "page": "control accent focus", "brand": "halo"},
    4.5: {"brand-tint": "brand-strong", "brand-strong": "on-brand"},
}
MARK = re.compile(r'<label for="([^"]+)">[^<]*<span class="field-mark">\s*\((obligatoire|facultatif)\)')


@pytest.mark.parametrize("name", ALL)
def test_page_keeps_the_contract(name):
    """A11Y-01, A11Y-07 (WCAG 3.2.6), A11Y-09, HDR-02 to HDR-04; RGAA 8.1, 8.3, 8.5, 8.6, 9.1, 11.1, 11.10, 11.11."""
    for language, other, prefix in (("fr", "en", ""), ("en", "fr", "/en")):
        page = load_page(name, language)
        outline = assert_contract(page, language, is_refusal=name in REFUSALS)
        for link in outline.links:
            assert_leads_somewhere(link, outline.ids)
        assert f"{prefix}/accessibilite/" in links_in("footer", page.html)
        assert links_in("header", page.html)[-2] == f"{prefix}/aide/"
        # The same page, not the home page, where the page has an address of its own.
        link = re.search(rf'<a href="([^"]+)"\s+lang="{other}"\s+hreflang="{other}"', page.html)
        assert link
        assert link[1].startswith("/en/") == (other == "en")
        if name in REFUSALS:
            summary = page.html.split('id="erreurs"')[1].split("</div>")[0]
            assert "<li>" in summary
            assert set(re.findall(r'href="#([^"]+)"', summary)) <= set(outline.ids)
    # Two French words in a line of text are a message without translation.
    text = unescape(NOT_ENGLISH.sub(" ", load_page(name, "en").html))
    assert [line.strip() for line in text.splitlines() if len(FRENCH.findall(line)) >= 2] == []


def assert_leads_somewhere(link: str, ids: list[str]) -> None:
    """An address outside the URLconf raises Resolver404."""
    path, _hash, anchor = link.partition("#")
    assert path or not anchor or anchor in ids, link
    path = path.partition("?")[0]
    if path.startswith(settings.STATIC_URL):
        assert finders.find(path.removeprefix(settings.STATIC_URL)), link
    elif path.startswith("/"):
        with translation.override("en" if path.startswith("/en/") else "fr"):
            resolve(path)


@pytest.mark.parametrize("name", {**ALL, **ACTIONS})
def test_page_or_accepted_answer_costs_few_queries(name):
    queries = load_page(name, "fr").queries
    assert len(queries) <= QUERIES[name], (len(queries), queries)


def test_every_page_has_its_own_title_and_every_template_a_page():
    """RGAA 8.6. Two states of one address may share their title."""
    for language in ("fr", "en"):
        paths_of = defaultdict(set)
        for page in (load_page(name, language) for name in PAGES):
            if page.status == 200:
                paths_of[title_of(page.html)].add(page.path.split("?")[0])
        assert {title: paths for title, paths in paths_of.items() if len(paths) > 1} == {}
    rendered = {template for name in ALL for template in load_page(name, "fr").templates}
    folder = settings.BASE_DIR / "templates"
    existing = {str(path.relative_to(folder)) for path in folder.rglob("*.html")}
    tested_elsewhere = {name for name in existing if name.startswith("agents/") or "emails/" in name}
    assert existing - tested_elsewhere - OTHER_ERRORS - rendered == set()


def test_pages_promise_no_other_service_unless_one_is_linked():
    """What the password opens outside is said where a directory is linked, and as it is now."""
    # The charter is the university's own text.
    texts = {name: load_page(name, "fr").html for name in ALL if "charter" not in name}
    promising = {name for name, html in texts.items() if promises(html)}
    assert {name for name in promising if not name.endswith("_when_linked")} == set()
    assert promising >= {f"{name}_when_linked" for name in ("home", "help", "password", "account_password")}
    assert "En cours, en général moins d’une minute" in texts["done_when_linked"]
    assert "Accès ouvert" in texts["account_when_linked"]


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
            is_marked_right = not mark or (mark[0] == "o") == ("required" in field)
            wrong += [] if is_marked_right else [f"{name}: {field['name']} is {mark}"]
            compared += bool(mark)
    assert wrong == []
    assert compared > 20


def test_forms_mark_their_fields_and_lead_to_their_errors():
    """A11Y-02: a single field has no mark; with optional fields, only those are marked. A11Y-03: one summary."""
    for name, required, optional in (("forgotten-password", 0, 0), ("login", 2, 0), ("assistance", 0, 1)):
        marks = french(name).count("(obligatoire)"), french(name).count("(facultatif)")
        assert marks == (required, optional), name
    refused = french("forgotten_password_refused")
    assert "Il y a une erreur" in refused
    assert 'aria-describedby="id_login_helptext id_login_error"' in refused.partition('id="id_login_error"')[2]
    assert re.search(r"Il y a \d erreurs", french("assistance_all_wrong"))


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
    """A11Y-08: light and dark."""
    css = re.sub(r"/\*.*?\*/", "", (PROJECT / "static/css/portail.css").read_text(), flags=re.DOTALL)
    blocks = re.findall(r":root\s*{([^}]*)}", css)
    light, differences = (dict(re.findall(r"--([\w-]+):\s*([^;]+);", block)) for block in blocks[:2])
    for (least, pairs), colours in product(LEAST_CONTRAST.items(), (light, light | differences)):
        for behind, fronts in pairs.items():
            for front in fronts.split():
                darker, lighter = sorted((luminance(front, colours), luminance(behind, colours)))
                assert (lighter + 0.05) / (darker + 0.05) >= least, (front, behind, colours)


def luminance(name: str, colours: dict[str, str]) -> float:
    reference = re.fullmatch(r"var\(--([\w-]+)\)", colours[name])
    digits = colours[reference[1] if reference else name].removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
