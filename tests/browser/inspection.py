"""Checks that hold on every page: accessibility, layout, language, what browsers store."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

from tests.browser.visitor import COOKIES, Visitor

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
RUN_AXE = """async options => {
    const {violations} = await axe.run(document, {...options, preload: false, resultTypes: ["violations"]});
    return violations.map(rule => `${rule.id}: ${rule.nodes.map(node => node.target.join(" ")).join(" | ")}`);
}"""
Rules = dict[str, Any]
ALL_RULES: Rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# Contrast takes two thirds of axe's time.
STRUCTURE: Rules = {**ALL_RULES, "rules": {"color-contrast": {"enabled": False}}}
# What depends on the colour scheme or the width.
APPEARANCE: Rules = {"runOnly": ["color-contrast", "target-size", "scrollable-region-focusable"]}
LARGE, NARROWEST = 1280, 320
OPEN_DETAILS = "document.querySelectorAll('details').forEach(details => { details.open = true; })"
# WCAG 1.4.4: text twice as large; WCAG 1.4.12: spacing that a reader may set.
ENLARGED = "html { font-size: 200% !important }"
SPACED = """* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
    p { margin-bottom: 2em !important }"""
# Elements wider than the page under a style sheet, outside a part that scrolls by itself.
TOO_WIDE = """style => {
    const sheet = new CSSStyleSheet(), root = document.documentElement;
    sheet.replaceSync(style);
    document.adoptedStyleSheets = [sheet];
    const wide = root.scrollWidth <= root.clientWidth ? []
        : [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > root.clientWidth);
    const found = wide.map(element => `too wide: ${element.tagName}.${element.className}`);
    document.adoptedStyleSheets = [];
    return found;
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


@dataclass
class Inspection:
    """Findings of a walk over several pages; each is checked in a large light and in a narrow dark window."""

    language: str = "fr"
    light: Rules | None = field(default_factory=lambda: ALL_RULES)
    dark: Rules | None = field(default_factory=lambda: APPEARANCE)
    findings: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    def look(self, visitor: Visitor, name: str) -> None:
        page = visitor.page
        page.locator("h1").first.wait_for()
        found = [*self._facts(visitor, name), *errors_of(visitor), *page.evaluate(PASSWORDS)]
        page.evaluate(OPEN_DETAILS)
        found += [*violations(page, self.light), *page.evaluate(TOO_WIDE, ENLARGED)]
        page.set_viewport_size({"width": NARROWEST, "height": 800})
        found += [*page.evaluate(TOO_WIDE, ""), *page.evaluate(TOO_WIDE, SPACED)]
        if self.dark:
            page.emulate_media(color_scheme="dark")
            found += [f"{violation} (dark)" for violation in violations(page, self.dark)]
            page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": LARGE, "height": 800})
        self.findings += [f"{name}: {finding}" for finding in found]

    def report(self) -> str:
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


def violations(page: Page, rules: Rules | None) -> list[str]:
    if rules and not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    return page.evaluate(RUN_AXE, rules) if rules else []


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
