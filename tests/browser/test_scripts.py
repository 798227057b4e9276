"""What scripts add to pages that work without them."""

from collections.abc import Callable

from django.conf import settings
from playwright.sync_api import expect

from tests.browser.inspection import Inspection
from tests.browser.visitor import NEEDS_BROWSER, Visitor, begin_until_the_mailbox, forward_to
from tests.factories import A_GOOD_PASSWORD, pending_account

pytestmark = NEEDS_BROWSER


def until_the_password(visitor: Visitor) -> None:
    begin_until_the_mailbox(visitor, pending_account(given_name="Camille", family_name="Berthelot"))
    visitor.press("Suivant")
    visitor.sees("Votre mot de passe")


def test_a_password_is_shown_on_demand_and_the_rules_follow_the_typing(new_visitor: Callable[..., Visitor]):
    """A11Y-05."""
    visitor, inspection = new_visitor(), Inspection()
    until_the_password(visitor)
    typed, page = visitor.field("Choisissez un mot de passe"), visitor.page
    button = page.locator("[data-toggle]")
    expect(typed).to_have_attribute("type", "password")
    visitor.press("Afficher le mot de passe")
    expect(typed).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")
    visitor.reads_aloud("Votre mot de passe est affiché")
    typed.fill("berthelot")
    expect(page.locator("[data-rule=length]")).not_to_have_class("ok")
    expect(page.locator("[data-rule=personal]")).not_to_have_class("ok")
    typed.fill(A_GOOD_PASSWORD)
    expect(page.locator("[data-rule=length]")).to_have_class("ok")
    expect(page.locator("[data-rule=personal]")).to_have_class("ok")
    visitor.reads_aloud("Les règles visibles sont respectées.")
    inspection.look(visitor, "password, being typed")
    assert not inspection.findings, inspection.report()
    typed.fill("Berthelot-2026-xyz")
    visitor.press("Activer mon compte")
    visitor.reads("Un point est à corriger")
    expect(typed).to_have_attribute("type", "password")
    expect(typed).to_have_value("")


def test_a_password_can_be_pasted(new_visitor: Callable[..., Visitor]):
    """A11Y-05."""
    visitor = new_visitor(permissions=["clipboard-read", "clipboard-write"])
    until_the_password(visitor)
    visitor.page.evaluate("text => navigator.clipboard.writeText(text)", A_GOOD_PASSWORD)
    visitor.field("Choisissez un mot de passe").press("Control+v")
    visitor.press("Activer mon compte")
    visitor.sees("Votre compte est activé")


def test_the_session_can_be_extended_two_minutes_before_its_end(new_visitor: Callable[..., Visitor]):
    """A11Y-06: ten times (WCAG 2.2.1)."""
    visitor, inspection = new_visitor(), Inspection()
    visitor.page.clock.install()
    until_the_password(visitor)
    question, clock = visitor.page.get_by_text("Êtes-vous toujours là ?"), visitor.page.clock
    clock.fast_forward((settings.WIZARD_IDLE_SECONDS - 200) * 1000)
    expect(question).to_be_hidden()
    clock.fast_forward(74_000)
    assert question.is_visible()
    inspection.look(visitor, "are you still there?")
    assert not inspection.findings, inspection.report()
    for _time in range(10):
        with visitor.page.expect_response("**/activation/continuer/") as answer:
            visitor.press("Continuer")
        assert answer.value.status == 204
        expect(question).to_be_hidden()
        clock.fast_forward((settings.WIZARD_IDLE_SECONDS - 100) * 1000)
    clock.fast_forward((settings.WIZARD_IDLE_SECONDS + 5) * 1000)
    visitor.reads("La session est terminée.")


def test_forwarding_asks_for_an_address_and_offers_another_mail_after_a_minute(new_visitor: Callable[..., Visitor]):
    visitor = new_visitor()
    visitor.page.clock.install()
    begin_until_the_mailbox(visitor, pending_account())
    expect(visitor.field("Adresse de redirection")).to_be_hidden()
    forward_to(visitor, "zoe@ailleurs.example")
    visitor.sees("Vérifiez votre adresse de redirection")
    expect(visitor.button("Renvoyer l’e-mail")).to_be_hidden()
    visitor.page.clock.fast_forward(61_000)
    expect(visitor.button("Renvoyer l’e-mail")).to_be_visible()
