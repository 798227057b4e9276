import pytest
from django.test import Client

from accounts.models import Account
from tests.factories import active_account
from tests.signing_in import browser_of


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture
def browser(person) -> Client:
    """Signed in as `person`, who has just given the password."""
    return browser_of(person)
