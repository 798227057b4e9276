"""An agent works with the keyboard only (A11Y-07)."""

from collections.abc import Callable

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account
from assistance.enums import RequestState
from assistance.models import AssistanceRequest
from assistance.services import create_request
from mailrouting.services import change_redirection
from tests.agents.signed_in import an_agent, code_of, enrol_device
from tests.assistance.asking import request_data
from tests.browser.test_keyboard import Keyboard
from tests.browser.visitor import NEEDS_BROWSER, Visitor
from tests.factories import A_GOOD_PASSWORD, active_account

pytestmark = NEEDS_BROWSER


def locked_out_request() -> AssistanceRequest:
    person = active_account(given_name="Zoé", family_name="Lefebvre", phone="+33467123456")
    change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
    lock_account(account=person, reason=LockReason.SUSPICIOUS_ACTIVITY)
    return create_request(**request_data(login=person.login))


def test_a_request_is_solved_with_the_keyboard(new_visitor: Callable[..., Visitor]):
    request, agent = locked_out_request(), an_agent()
    application = enrol_device(agent)
    visitor = new_visitor()
    keyboard, page = Keyboard(visitor), visitor.page

    visitor.open("/admin/")
    keyboard.type(visitor.field("Identifiant"), agent.login)
    keyboard.type(visitor.field("Mot de passe"), A_GOOD_PASSWORD)
    page.keyboard.press("Enter")
    visitor.sees("Code de vérification")
    keyboard.type(visitor.field("Code de vérification"), code_of(application))
    page.keyboard.press("Enter")
    visitor.sees("Espace agents")
    keyboard.press(page.get_by_role("link", name="Voir les demandes"))
    visitor.sees("Demandes d’assistance")
    keyboard.press(page.get_by_role("link", name=request.reference, exact=True))
    visitor.sees(f"Demande {request.reference}")
    keyboard.press(visitor.button("Prendre en charge"))
    visitor.reads("Vous avez pris cette demande en charge.")

    keyboard.press(page.locator("summary", has_text="Noter un appel"))
    keyboard.press(page.get_by_label("Joint", exact=True), "Space")
    keyboard.press(visitor.button("Noter l’appel"), "Space")
    visitor.reads("Appel noté.")

    keyboard.press(page.get_by_role("link", name="Débloquer le compte"))
    visitor.sees("Débloquer le compte de Zoé Lefebvre")
    keyboard.press(visitor.field("Motif du déblocage"), "ArrowDown")
    keyboard.press(page.get_by_label("Rappel au numéro connu des RH"), "Space")
    keyboard.type(visitor.field("Compte rendu"), "Rappelée au numéro des RH, elle décrit son bureau.")
    keyboard.press(visitor.button("Débloquer et prévenir la personne"))
    visitor.reads("Vérifiez chaque changement de la liste")
    assert Account.objects.get(pk=request.account_id).state == State.LOCKED
    boxes = page.get_by_role("checkbox")
    assert boxes.count() >= 1
    for box in boxes.all():
        keyboard.press(box, "Space")
    keyboard.press(visitor.button("Débloquer et prévenir la personne"))
    visitor.reads("Compte débloqué. E-mail envoyé à l’adresse de secours.")

    keyboard.press(page.locator("summary", has_text="Clore la demande"))
    keyboard.press(page.get_by_label("Résolue", exact=True), "Space")
    keyboard.press(visitor.button("Clore"))
    visitor.reads("Demande close.")
    # Down to the last link of the page, and nothing in between is a trap.
    keyboard.reach(page.get_by_role("contentinfo").get_by_role("link").last)
    assert Account.objects.get(pk=request.account_id).state == State.TO_REACTIVATE
    request.refresh_from_db()
    assert (request.state, request.taken_by) == (RequestState.SOLVED, agent)
