"""HDR-04, PRV-02: a form that nobody has answered is drawn once for everybody, and keeps nothing of anybody."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.activation.wizard.client import CHARTER, DIRECTORY, PASSWORD, answer, begun_until
from tests.factories import pending_account

pytestmark = pytest.mark.django_db

WRONG = {
    CHARTER: {"version": "1999-01"},
    DIRECTORY: {"listed": "yes"},
    PASSWORD: {"password": "azerty", "password2": "ytreza"},
}
MARKS_OF_AN_ANSWER = ("checked", "field--err", "1999-01", "azerty")


def shown(client: Client, step: str) -> str:
    return client.get(reverse(step)).content.decode()


def test_what_one_person_answers_is_not_on_the_page_of_the_next(client):
    """Neither a choice nor an error, whoever comes first, in both languages; who answered finds the answer again."""
    seen = {}
    for step, wrong in WRONG.items():
        begun_until(first := Client(), pending_account(uid=f"first-{step}"), step)
        begun_until(second := Client(), pending_account(uid=f"second-{step}"), step)
        refused = answer(first, step, wrong).content.decode()
        for who, page in (("refused", refused), ("first", shown(first, step)), ("second", shown(second, step))):
            seen[step, who] = [mark for mark in MARKS_OF_AN_ANSWER if mark in page]
    assert {key for key, marks in seen.items() if marks} == {(step, "refused") for step in WRONG}

    begun_until(first := Client(), pending_account(uid="yes"), DIRECTORY)
    begun_until(second := Client(), pending_account(uid="none"), DIRECTORY)
    answer(first, DIRECTORY, {"listed": "yes", "understood": "on"})
    for _twice in range(2):
        assert "checked" in shown(first, DIRECTORY)
        assert "checked" not in shown(second, DIRECTORY)
    assert "Yes, show" not in shown(second, DIRECTORY)
    assert "Oui, afficher" not in second.get("/en" + reverse(DIRECTORY)).content.decode()
