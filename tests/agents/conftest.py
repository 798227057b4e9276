"""Fixtures of the agents' area."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.test.utils import override_settings

from accounts.models import Account
from agents.roles import Role
from tests.agents.signed_in import verified_agent
from tests.provisioning.linked import link


@pytest.fixture
def agent_and_browser(request) -> tuple[Account, Client]:
    """Of the role that the module names `ROLE`."""
    role = getattr(request.module, "ROLE", Role.ASSISTANCE)
    return verified_agent(role, given_name="Lea", family_name="Martin")


@pytest.fixture
def linked(db: None) -> Iterator[None]:
    """The settings link a directory."""
    with override_settings():
        link()
        yield


@pytest.fixture
def agent(agent_and_browser: tuple[Account, Client]) -> Account:
    return agent_and_browser[0]


@pytest.fixture
def browser(agent_and_browser: tuple[Account, Client]) -> Client:
    return agent_and_browser[1]
