"""The second factor of agents with real codes (ADM-02 to ADM-04)."""

from collections.abc import Callable

import pytest
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import expect

from accounts.models import Account
from agents.roles import Role
from journal.events import Event
from tests.browser.agent_steps import created_agent_code, enrol, give_code
from tests.browser.visitor import NEEDS_BROWSER, Visitor, sign_in
from tests.factories import active_account
from tests.stack import Stack

pytestmark = NEEDS_BROWSER


@pytest.mark.parametrize(
    "options",
    [{}, {"width": 390, "is_mobile": True, "has_touch": True, "java_script_enabled": False}],
    ids=["on a large screen", "on a phone without JavaScript"],
)
def test_an_agent_enrols_then_signs_in_with_each_kind_of_code(
    options: dict[str, object], stack: Stack, new_visitor: Callable[..., Visitor]
):
    """ADM-03, ADM-04: the codes are those that an application computes from what the screen shows."""
    person = active_account(given_name="Nadia", family_name="Cherif")
    code = created_agent_code(stack, person, Role.ASSISTANCE)
    visitor = new_visitor(**options)
    visitor.open("/admin/comptes/")
    sign_in(visitor, person)
    application, codes = enrol(visitor, code)
    assert len(set(codes)) == 10
    visitor.follow("C’est fait")
    visitor.sees("Espace agents")

    # The key is shown once.
    visitor.open("/admin/inscription/application/")
    visitor.sees("Mon application de vérification")
    expect(visitor.page.get_by_role("img", name="QR code")).to_have_count(0)

    sign_in_again(visitor, person, "/admin/comptes/")
    give_code(visitor, "000000" if application.code() != "000000" else "111111")
    visitor.reads("Le code ne correspond pas ou a déjà servi")
    TOTPDevice.objects.filter(user=person).update(throttling_failure_count=0)
    give_code(visitor, application.code(later=1))
    visitor.sees("Comptes")

    sign_in_again(visitor, person, "/admin/comptes/")
    visitor.follow("Utiliser un code de secours")
    visitor.type("Code de secours", codes[0].upper().replace("-", " "))
    visitor.press("Entrer")
    visitor.reads("Codes de secours encore bons : 9 sur 10.")
    visitor.sees("Comptes")

    recorded = set(Account.objects.get(pk=person.pk).journal.values_list("event", flat=True))
    expected = {Event.SECOND_FACTOR_ENROLLED, Event.SECOND_FACTOR_GIVEN, Event.SECOND_FACTOR_REFUSED}
    assert recorded >= {*expected, Event.BACKUP_CODE_USED}


def sign_in_again(visitor: Visitor, person: Account, address: str) -> None:
    visitor.press("Se déconnecter")
    visitor.open(address)
    sign_in(visitor, person)
    visitor.sees("Code de vérification")
