"""« Mot de passe oublié »: one answer for every login, and a mail to those whom it helps."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.models import LinkRequest
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.passwords.reset_link import ANSWER, PAGE, choose, opened
from tests.activation.states import EVERY_STATE, active, pending, sharing_a_recovery_address, to_reactivate
from tests.factories import active_account, pending_account
from tests.mail_delivery import link_in, text_of
from tests.normalised import Answer, normalised_answer
from tests.signing_in import is_signed_in

pytestmark = pytest.mark.django_db


def bounced() -> Account:
    person = active_account()
    Message.objects.create(
        kind=Kind.ACCOUNT_ACTIVATED,
        person=person,
        address=person.recovery_address,
        language="fr",
        status=Status.BOUNCED,
    )
    return person


def active_with_a_disputed_address() -> Account:
    return active_account(recovery_address_disputed_at=timezone.now())


def active_without_address() -> Account:
    return active_account(recovery_address="")


def departed_after_activation() -> Account:
    return active_account(end_date=timezone.localdate() - timedelta(days=1))


STATES = [
    *EVERY_STATE,
    bounced,
    active_with_a_disputed_address,
    active_without_address,
    departed_after_activation,
]
MAILED = {
    pending: Kind.NEW_LINK,
    sharing_a_recovery_address: Kind.NEW_LINK,
    active: Kind.PASSWORD_RESET,
    bounced: Kind.PASSWORD_RESET,
    to_reactivate: Kind.REACTIVATION,
}


def answers_for(login: str) -> tuple[Answer, Answer]:
    browser = Client()
    browser.get(reverse(PAGE))
    redirected = browser.post(reverse(PAGE), {"login": login})
    return normalised_answer(redirected, login), normalised_answer(browser.get(reverse(ANSWER)), login)


class TestRequest:
    def test_gets_one_same_answer_for_every_login(self):
        """ENU-01: status, headers, cookies and body; no address is shown, masked or not."""
        people = [make() for make in STATES]

        [(redirected, page)] = {answers_for(person.login) for person in people}

        assert (redirected.status, page.status) == (302, 200)
        assert "correspond à un compte" in page.body
        assert "***" not in page.body

    def test_costs_the_same_work_for_every_login(self):
        """ENU-03: the same statements, one row, and no query on accounts."""
        for make in STATES:
            person, statements = make(), []
            for login in (person.login, "personne.du.tout@univ-exemple.fr"):
                with CaptureQueriesContext(connection) as captured:
                    Client().post(reverse(PAGE), {"login": login})
                statements.append([query["sql"].split(" ")[0] for query in captured])
                assert not any("accounts_account" in query["sql"] for query in captured), make

            assert statements[0] == statements[1], make
            assert LinkRequest.objects.filter(login=person.login).count() == 1, make

    def test_mails_the_link_that_suits_the_state(self, client, mail_delivery):
        """HLP-02: pending, active and unlocked accounts each get their link; the others get no mail."""
        for make in STATES:
            person = make()
            known = Message.objects.filter(person_id=person.pk).count() if person.pk else 0
            mail_delivery.deliver().clear()

            client.post(reverse(PAGE), {"login": person.login})
            mails = mail_delivery.deliver()

            kinds = [message.kind for message in Message.objects.filter(person_id=person.pk).order_by("pk")][known:]
            assert kinds == ([MAILED[make]] if make in MAILED else []), make
            assert [mail["To"] for mail in mails] == ([person.recovery_address] if make in MAILED else []), make
            if make in MAILED:
                assert ("/activation/" in text_of(mails[0])) == (MAILED[make] == Kind.NEW_LINK), make

    def test_twenty_times_in_an_hour_mails_three_links_that_all_work(self, mail_delivery):
        """ENU-05, TOK-07: silently, in any spelling of the login; activation links share the count."""
        person = active_account(given_name="Jean", family_name="Dupont")
        spellings = [person.login, "jean.dupont", "JEAN.DUPONT", " Jean.Dupont@Univ-Exemple.FR "]
        answers = set()
        for number in range(20):
            answers.add(answers_for(spellings[number % 4])[0])
            mail_delivery.deliver()

        assert len(answers) == 1
        mails = list(mail_delivery.deliver())
        assert len(mails) == 3
        assert all(Client().get(link_in(mail)).status_code == 302 for mail in mails)
        assert choose(opened(link_in(mails[-1]))).status_code == 302

        mail_delivery.deliver().clear()
        newcomer = pending_account()
        for name in (PAGE, "first-connection") * 4:
            Client().post(reverse(name), {"login": newcomer.login})
        assert len(mail_delivery.deliver()) == 3

    def test_may_come_from_a_session_and_not_from_a_robot(self, person, browser, mail_delivery):
        """ENU-08: the change-password page links here, and the session goes on; the hidden field catches robots."""
        browser.post(reverse(PAGE), {"login": person.login, "website": "https://robot.example"})
        assert mail_delivery.deliver() == []

        browser.post(reverse(PAGE), {"login": person.login})
        assert len(mail_delivery.deliver()) == 1
        assert is_signed_in(browser)

    def test_mails_a_link_to_the_host_of_the_settings(self, client, person, mail_delivery):
        """TOK-08"""
        client.post(reverse(PAGE), {"login": person.login}, headers={"x-forwarded-host": "evil.example"})

        mail = text_of(mail_delivery.last_mail())
        assert "evil" not in mail
        assert f"{settings.PORTAL_URL}/reinitialisation/" in mail
