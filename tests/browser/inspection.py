"""What must hold on every page in every state, whoever made it: looked at in each rendering that people use."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

from tests.browser.visitor import COOKIES, Visitor

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = """async runOnly => {
    const {violations} = await axe.run(document, {runOnly, preload: false, resultTypes: ["violations"]});
    return violations.map(rule => `${rule.id}: ${rule.nodes.map(node => node.target.join(" ")).join(" | ")}`);
}"""
CONTRAST = ["color-contrast"]
LARGE, SMALL, NARROWEST = 1280, 390, 320
# Structure does not depend on colours, and measuring contrast is nearly all of axe's time.
RENDERINGS = ((LARGE, "light", TAGS), (LARGE, "dark", CONTRAST), (SMALL, "dark", TAGS))
OPEN_DETAILS = "document.querySelectorAll('details').forEach(details => { details.open = true; })"
# WCAG 1.4.12: what a reader may set without losing anything.
SPACE_OUT = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; "
        + "word-spacing: .16em !important } p { margin-bottom: 2em !important }");
    document.adoptedStyleSheets = [sheet];
}"""
# WCAG 1.4.4: text twice as large.
ENLARGE = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("html { font-size: 200% !important }");
    document.adoptedStyleSheets = [sheet];
}"""
AS_IT_WAS = "document.adoptedStyleSheets = []"
# Elements that stick out, and not into a part of the page that scrolls by itself.
STICKING_OUT = """() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    const wide = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > root.clientWidth);
    return wide.map(element => `${element.tagName}.${element.className}`);
}"""
FACTS = """() => ({
    title: document.title,
    language: document.documentElement.lang,
    heading: document.querySelector("h1").textContent,
    headings: document.querySelectorAll("h1").length,
    skips: [...document.querySelectorAll("h1, h2, h3, h4")].map(heading => Number(heading.tagName[1]))
        .filter((level, place, levels) => place && level > levels[place - 1] + 1),
    stored: localStorage.length + sessionStorage.length,
    inline: document.querySelectorAll("[style], style, script:not([src])").length,
})"""
# What a password manager goes by, and what tells two buttons apart.
PASSWORDS = """() => {
    const passwords = [...document.querySelectorAll("input[type=password]")];
    const names = [...document.querySelectorAll("[data-toggle]:not([hidden])")].map(button => button.ariaLabel);
    return [
        ...passwords.filter(input => !input.form?.querySelector("[autocomplete=username]:not([type=hidden])"))
            .map(input => `no username beside ${input.name}`),
        ...passwords.filter(input => !["current-password", "new-password"].includes(input.autocomplete))
            .map(input => `${input.name} has autocomplete "${input.autocomplete}"`),
        ...names.filter((name, place) => names.indexOf(name) !== place).map(name => `two buttons "${name}"`),
    ];
}"""
# Each line of the summary, and whether it leads to an input that is marked and says the same beside itself.
ERRORS = """() => {
    const summary = document.getElementById("erreurs");
    const explained = link => {
        const input = document.getElementById(link.hash.slice(1));
        if (!input) return false;
        const group = input.closest("fieldset.field");
        const ids = (input.getAttribute("aria-describedby") || group?.getAttribute("aria-describedby") || "").split(" ");
        const texts = ids.map(id => document.getElementById(id)?.textContent ?? "");
        return input.getAttribute("aria-invalid") === "true" && texts.some(text => text.includes(link.textContent));
    };
    return {
        focused: document.activeElement === summary,
        unexplained: [...summary.querySelectorAll("a")].filter(link => !explained(link)).map(link => link.textContent),
        marked: document.querySelectorAll("[aria-invalid=true]").length > 0 || !summary.querySelector("a"),
    };
}"""


Renderings = tuple[tuple[int, str, list[str]], ...]


@dataclass
class Inspection:
    """Findings of a walk over several pages; a test ends with `assert not inspection.findings`."""

    language: str = "fr"
    renderings: Renderings = RENDERINGS
    findings: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    def look(self, visitor: Visitor, name: str) -> None:
        """Look at the page as it is now; `name` is the state in which it is."""
        page = visitor.page
        page.locator("h1").first.wait_for()
        found = [*self._facts(visitor, name), *errors_of(visitor), *page.evaluate(PASSWORDS)]
        page.evaluate(OPEN_DETAILS)
        found += [*accessibility_of(page, self.renderings), *narrow(page)]
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": LARGE, "height": 800})
        self.findings += [f"{name}: {finding}" for finding in found]

    def report(self) -> str:
        """One finding a line."""
        return "\n".join(self.findings)

    def _facts(self, visitor: Visitor, name: str) -> list[str]:
        """One main heading, no level skipped, the right language, its own title; nothing inline or stored (HDR-02)."""
        facts: dict[str, Any] = visitor.page.evaluate(FACTS)
        title, heading = facts.pop("title"), facts.pop("heading")
        other = self.titles.setdefault(title, heading)
        expected = {"language": self.language, "headings": 1, "skips": [], "stored": 0, "inline": 0}
        found = [f"{fact} is {facts[fact]}" for fact in expected if facts[fact] != expected[fact]]
        found += [f"shares its title with « {other} »: {title}"] if other != heading else []
        strangers = {cookie["name"] for cookie in visitor.context.cookies()} - COOKIES
        return [*found, *(f"cookie {cookie}" for cookie in strangers)]


def accessibility_of(page: Page, renderings: Renderings) -> list[str]:
    """What axe finds, in each rendering."""
    if renderings and not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = []
    for width, scheme, rules in renderings:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        found += [f"{violation} ({width} px, {scheme})" for violation in page.evaluate(RUN_AXE, rules)]
    return found


def narrow(page: Page) -> list[str]:
    """What does not fit into the narrowest window, also with the widest spacing, or with large text (A11Y-08)."""
    page.set_viewport_size({"width": NARROWEST, "height": 800})
    plain = page.evaluate(STICKING_OUT)
    page.evaluate(SPACE_OUT)
    spaced = page.evaluate(STICKING_OUT)
    page.set_viewport_size({"width": LARGE, "height": 800})
    page.evaluate(ENLARGE)
    enlarged = page.evaluate(STICKING_OUT)
    page.evaluate(AS_IT_WAS)
    return [f"too wide: {element}" for element in [*plain, *spaced, *enlarged]]


def errors_of(visitor: Visitor) -> list[str]:
    """What is wrong with the summary of errors, when there is one; only a script gives it the focus (A11Y-03)."""
    page = visitor.page
    if not page.locator("#erreurs").count():
        return []
    errors: dict[str, Any] = page.evaluate(ERRORS)
    found = [f"not explained: {text}" for text in errors["unexplained"]]
    found += [] if errors["focused"] == visitor.has_scripts else ["the summary of errors has no focus"]
    found += [] if errors["marked"] else ["no input is marked"]
    return found if page.title().startswith(("Erreur", "Error")) else [*found, f"title without error: {page.title()}"]
