"""`manage.py load_demo`: demonstration accounts."""

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
def debug(settings) -> None:
    settings.DEBUG = True


def load() -> str:
    output = StringIO()
    call_command("load_demo", stdout=output, stderr=output)
    return output.getvalue()


def test_creates_accounts_of_each_state_and_category():
    """One is active and in the directory, one is locked and has asked for assistance; Camille gets the first mail."""
    assert load() == ""

    camille = Account.objects.get(institutional_address="camille.durand@univ-exemple.fr")
    assert (camille.recovery_address, camille.category) == ("camille.durand@exemple.net", Category.STAFF)
    assert {account.state for account in Account.objects.all()} == {State.PENDING, State.ACTIVE, State.LOCKED}
    assert set(Account.objects.values_list("category", flat=True)) == set(Category.values)
    assert set(Account.objects.values_list("language", flat=True)) == {"fr", "en"}
    assert (Account.objects.count(), Account.objects.active().count(), Account.objects.locked().count()) == (7, 2, 1)
    assert Message.objects.earliest("pk").address == camille.recovery_address

    nadia = Account.objects.get(institutional_address="nadia.lefevre@univ-exemple.fr")
    assert authenticate(login=nadia.login, password=PASSWORD) == nadia
    assert [person.family_name for person in find_people("lefevre").people] == ["Lefèvre"]
    assert f"{nadia.login.partition('@')[0]}    {PASSWORD}" in WELCOME

    [request] = AssistanceRequest.objects.all()
    assert request.account.state == State.LOCKED
    assert request.phone != request.account.phone


def test_adds_nothing_the_second_time_nor_after_camille_is_active():
    load()
    mails = Message.objects.count()
    load()
    assert (Account.objects.count(), Message.objects.count()) == (7, mails)

    Account.objects.filter(given_name="Camille").update(
        activated_at=timezone.now(), charter_accepted_at=timezone.now(), recovery_address="a.moi@exemple.org"
    )
    Account.objects.filter(given_name="Grace").update(hr_id=None)
    load()
    assert Account.objects.count() == 7


def test_is_refused_without_debug(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        load()
    assert not Account.objects.exists()
