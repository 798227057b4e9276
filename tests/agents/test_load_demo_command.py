"""The demonstration: a few people to try the portal with."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.auth.login import authenticate
from accounts.enums import Category, State
from accounts.models import Account
from agents.management.commands.load_demo import PASSWORD
from assistance.models import AssistanceRequest
from devtools.run import WELCOME
from directory.search import find_people
from outbox.models import Message

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_machine_of_ones_own(settings) -> None:
    settings.DEBUG = True


def load() -> str:
    """What the command says."""
    output = StringIO()
    call_command("load_demo", stdout=output, stderr=output)
    return output.getvalue()


def test_camille_and_a_few_others_can_activate_their_accounts():
    assert load() == ""

    camille = Account.objects.get(institutional_address="camille.durand@univ-exemple.fr")
    assert (camille.recovery_address, camille.category) == ("camille.durand@exemple.net", Category.STAFF)
    assert {account.state for account in Account.objects.all()} == {State.PENDING, State.ACTIVE, State.LOCKED}
    assert set(Account.objects.values_list("category", flat=True)) == set(Category.values)
    assert set(Account.objects.values_list("language", flat=True)) == {"fr", "en"}
    assert Account.objects.count() == 7


def test_two_are_active_and_in_the_directory_one_of_them_to_sign_in_with():
    load()

    nadia = Account.objects.get(institutional_address="nadia.lefevre@univ-exemple.fr")
    assert authenticate(login=nadia.login, password=PASSWORD) == nadia
    assert [person.family_name for person in find_people("lefevre").people] == ["Lefèvre"]
    assert Account.objects.active().count() == 2
    assert f"{nadia.login.partition('@')[0]}    {PASSWORD}" in WELCOME


def test_somebody_is_locked_out_and_has_asked_for_help():
    load()

    [request] = AssistanceRequest.objects.all()
    assert request.account.state == State.LOCKED
    assert request.phone != request.account.phone
    assert Account.objects.locked().count() == 1


def test_camille_is_the_first():
    load()

    assert Message.objects.earliest("pk").address == "camille.durand@exemple.net"


def test_loading_twice_is_loading_once():
    load()
    before = Message.objects.count()
    load()

    assert Account.objects.count() == 7
    assert Message.objects.count() == before


def test_once_camille_is_active_nothing_is_added():
    load()
    Account.objects.filter(given_name="Camille").update(
        activated_at=timezone.now(), charter_accepted_at=timezone.now(), recovery_address="a.moi@exemple.org"
    )
    Account.objects.filter(given_name="Grace").update(hr_id=None)

    load()

    assert Account.objects.count() == 7


def test_a_real_portal_gets_no_imaginary_people(settings):
    settings.DEBUG = False

    with pytest.raises(CommandError, match="DEBUG"):
        load()
    assert not Account.objects.exists()
