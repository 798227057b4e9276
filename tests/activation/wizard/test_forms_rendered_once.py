"""HDR-04, PRV-02: an unanswered form is rendered once for all users and keeps nothing of any of them."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.activation.wizard.client import CHARTER, DIRECTORY, PASSWORD, answer, begun_until
from tests.factories import pending_account

pytestmark = pytest.mark.django_db

WRONG = {
    CHARTER: {"version": "1999-01"},
    PASSWORD: {"password": "azerty", "password2": "ytreza"},
    # Last: reading a page in English changes the language of this thread.
    DIRECTORY: {"listed": "yes"},
}
MARKS_OF_AN_ANSWER = ("checked", "field--err", "1999-01", "azerty")


def shown(client: Client, step: str, prefix: str = "") -> str:
    return client.get(prefix + reverse(step)).content.decode()


def test_what_one_user_answers_is_not_on_the_page_of_the_next():
    seen = {}
    for step, wrong in WRONG.items():
        first, second = Client(), Client()
        for browser in (first, second):
            begun_until(browser, pending_account(), step)
        refused = answer(first, step, wrong).content.decode()
        pages = {"refused": refused, "first": shown(first, step), "second": shown(second, step)}
        seen |= {(step, who): [mark for mark in MARKS_OF_AN_ANSWER if mark in page] for who, page in pages.items()}
        if step == DIRECTORY:
            answer(first, DIRECTORY, {"listed": "yes", "understood": "on"})
            for _twice in range(2):
                assert ("checked" in shown(first, step), "checked" in shown(second, step)) == (True, False)
            assert "Yes, show" not in shown(second, step)
            assert "Oui, afficher" not in shown(second, step, "/en")
    assert {key for key, marks in seen.items() if marks} == {(step, "refused") for step in WRONG}
