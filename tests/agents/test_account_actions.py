"""Agents lock, release, put an address back and mail a link once more (HLP-01 to HLP-06, ADM-05, ADM-06)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.locking.lock import AlreadyLocked, lock_account, lock_as_agent
from accounts.locking.unlock import (
    AddressNotRestorable,
    NotLocked,
    UnlockNotAllowed,
    changes_to_review,
    restorable_addresses,
    restore_address,
)
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.recovery.mail_quota import MailQuotaExceeded
from activation.enums import LinkRequestKind
from activation.resend import resend_link
from activation.services import request_link
from agents.roles import Role
from assistance.models import AssistanceRequest
from assistance.services import create_request
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery.correcting import in_force, proposed
from tests.accounts.recovery.recovering import at_once, browser_of, change_to
from tests.activation.wizard.test_concurrency import wait_until_somebody_waits_for_us
from tests.agents.intruders import INTRUDERS, OWN, act_on, robbed_person
from tests.agents.signed_in import an_agent, inside
from tests.assistance.asking import written
from tests.factories import active_account, pending_account
from tests.locking import fresh, locked_person, release, released_person
from tests.mail_delivery import html_of, link_in, text_of

pytestmark = pytest.mark.django_db

REPORT = "Rappelée, elle a reconnu le faux formulaire."
ELSEWHERE = "une.autre@exemple.org"
#: A weekday, far from midnight and from changes of the clock.
ONE_MORNING = datetime(2026, 3, 11, 10, 0, tzinfo=ZoneInfo("Europe/Paris"))


def said(answer: HttpResponse) -> str:
    """What the page says, on one line, with plain spaces."""
    text = unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))
    return re.sub(r"\s+", " ", text)


def next_page(browser: Client, answer: HttpResponse) -> str:
    """What the page says to which the answer leads."""
    assert answer.status_code == 302, said(answer)
    return said(browser.get(answer["Location"]))


def a_request_about(person: Account) -> AssistanceRequest:
    """Somebody has written from an address that anybody could have typed."""
    return create_request(**written(login=person.login, contact_address=ELSEWHERE))


def ticked(person: Account) -> list[int]:
    return [entry.pk for entry in changes_to_review(person)]


def good_release(person: Account, **changed: Any) -> dict[str, Any]:
    """A form in which nothing is missing; `changed` is what another agent sends."""
    good = {"reason": "phishing-over", "proof": "call-back", "report": REPORT, "reviewed": ticked(person)}
    return good | changed


def boxes_of(answer: HttpResponse) -> dict[int, bool]:
    """The changes to look at, in the order of the page, and whether each is ticked."""
    boxes = re.findall(r'<input[^>]*name="reviewed"[^>]*>', answer.content.decode())
    return {int(re.search(r'value="(\d+)"', box)[1]): " checked" in box for box in boxes}


def events_of(person: Account) -> list[str]:
    return [entry.event for entry in person.journal.order_by("pk")]


def state_of(person: Account) -> tuple[Any, ...]:
    """Everything that a refused act leaves as it was."""
    openings = [Event.ACCOUNT_OPENED, Event.SIGNED_IN, Event.SECOND_FACTOR_GIVEN]
    return (
        Account.objects.values().get(pk=person.pk),
        list(person.locks.order_by("pk").values()),
        list(person.journal.exclude(event__in=openings).order_by("pk").values()),
        list(Message.objects.filter(person=person).order_by("pk").values()),
        list(RecoveryAddressChange.objects.filter(account=person).order_by("pk").values()),
    )


def written_to(person: Account) -> set[str]:
    return set(Message.objects.filter(person=person).values_list("address", flat=True))


@pytest.fixture
def agent_and_browser() -> tuple[Account, Client]:
    return inside(given_name="Lea", family_name="Martin")


@pytest.fixture
def agent(agent_and_browser: tuple[Account, Client]) -> Account:
    return agent_and_browser[0]


@pytest.fixture
def browser(agent_and_browser: tuple[Account, Client]) -> Client:
    return agent_and_browser[1]


@pytest.mark.parametrize("act", ["lock", "release", "put-back", "resend"])
class TestEachAct:
    def test_is_not_for_oneself_nor_for_another_agent(self, act, agent, browser):
        """ADM-05: by GET and by POST, whatever is sent."""
        other, locked = an_agent(Role.LECTURE), an_agent()
        lock_account(account=locked, reason=LockReason.PHISHING)
        for account in (agent, other, locked):
            before = state_of(account)
            for answer in (
                browser.get(act_on(act, account)),
                browser.post(act_on(act, account), good_release(account)),
                browser.post(act_on(act, account), {}),
            ):
                assert answer.status_code == 403
            assert state_of(account) == before

    def test_is_not_done_by_looking(self, act, browser):
        """ADM-06: GET never locks, unlocks or resends; but the opening is in the journal."""
        people = [
            robbed_person(),
            active_account(),
            pending_account(),
            released_person(),
            active_account(given_name="Al"),
        ]
        before = [state_of(person) for person in people]
        query = "?reason=phishing&proof=in-person&report=Carte+vue+au+guichet&change=1"
        for person in people:
            assert browser.get(act_on(act, person) + query).status_code == 200
            assert browser.head(act_on(act, person) + query).status_code == 200
            assert person.journal.filter(event=Event.ACCOUNT_OPENED).count() == 2
        assert [state_of(person) for person in people] == before

    def test_of_nobody_is_not_found(self, act, browser):
        assert browser.get(act_on(act, Account(pk=10**9))).status_code == 404
        assert browser.post(act_on(act, Account(pk=10**9)), {}).status_code == 404

    @pytest.mark.parametrize("reference", ["A-22222", "x" * 5000, "a\0b", "' OR 1=1", "-1", "é"])
    def test_comes_from_a_request_of_that_person_or_from_none(self, act, browser, reference):
        """ADM-06: a made up request, or somebody else's, is not found."""
        person = robbed_person()
        others = a_request_about(active_account()).reference
        before = state_of(person)
        for one in (reference, others):
            for ask in (browser.get, browser.post):
                assert ask(act_on(act, person), query_params={"demande": one}).status_code == 404
        assert state_of(person) == before

    def test_keeps_the_request_when_the_form_comes_back(self, act, browser):
        person = pending_account() if act == "resend" else active_account() if act == "lock" else robbed_person()
        one = a_request_about(person)
        page = browser.post(f"{act_on(act, person)}?demande={one.reference}", {})
        assert page.status_code == 200
        assert f"Demande {one.reference}" in said(page)
        # Without an address of its own, a form goes where it came from.
        assert '<form method="post" novalidate' in page.content.decode()


class TestLocking:
    def test_shuts_everything_at_once_and_tells_the_person_why(self, agent, browser, postman):
        """HLP-01: in the very words that the agent has chosen; the comment is for colleagues."""
        person = active_account()
        signed_in = browser_of(person)
        page = browser.get(act_on("lock", person))
        for reason in LockReason:
            assert str(reason.label) in page.content.decode()
        assert "Autre\N{NO-BREAK SPACE}: contactez la DSIN" in page.content.decode()

        answer = browser.post(act_on("lock", person), {"reason": "fraudulent-site", "comment": "Vu avec le RSSI"})

        assert "Compte bloqué. La personne est prévenue" in next_page(browser, answer)
        assert signed_in.get(reverse("account")).status_code == 302
        kept = Lock.objects.get()
        assert (kept.account, kept.reason, kept.locked_by, kept.comment) == (
            person,
            "fraudulent-site",
            agent,
            "Vu avec le RSSI",
        )
        entry = person.journal.get(event=Event.LOCKED)
        assert (entry.actor, entry.details) == (agent, {"reason": "fraudulent-site"})
        [mail] = postman.deliver()
        assert mail["To"] == person.recovery_address
        assert "Votre mot de passe a été saisi sur un faux site" in text_of(mail)
        assert "RSSI" not in text_of(mail) + html_of(mail)

    def test_from_a_request_goes_back_to_it_and_keeps_its_number(self, browser):
        """HLP-05: nobody writes to the address that the request gives, but the one acknowledgement."""
        person = active_account()
        one = a_request_about(person)
        answer = browser.post(f"{act_on('lock', person)}?demande={one.reference}", {"reason": "at-request"})
        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        details = person.journal.get(event=Event.LOCKED).details
        assert details == {"reason": "at-request", "request": one.pk, "reference": one.reference}
        assert Message.objects.filter(address=ELSEWHERE).count() == 1
        assert written_to(person) == {person.recovery_address}

    @pytest.mark.parametrize(
        "facts",
        [
            {"recovery_address": ""},
            {"recovery_address_disputed_at": timezone.now()},
            {"end_date": timezone.localdate() - timedelta(days=9)},
        ],
        ids=["no address", "disputed", "left"],
    )
    def test_says_when_nobody_can_be_told(self, browser, facts):
        person = active_account(**facts)
        page = browser.get(act_on("lock", person))
        assert "aucun e-mail ne part" in said(page)
        assert "Bloquer et prévenir" not in said(page)
        answer = browser.post(act_on("lock", person), {"reason": "phishing"})
        assert "n’a pas pu être prévenue" in next_page(browser, answer)
        assert person.is_locked
        assert not Message.objects.filter(person=person).exists()

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ({}, "Choisissez un motif"),
            ({"reason": "parce que"}, "Choisissez un motif de la liste"),
            ({"reason": "phishing", "comment": "x" * 501}, "Le commentaire dépasse 500"),
        ],
    )
    def test_says_what_is_missing(self, browser, typed, sentence):
        person = active_account()
        answer = browser.post(act_on("lock", person), typed)
        assert sentence in said(answer)
        assert not person.is_locked

    def test_by_somebody_faster_is_told_and_nothing_typed_is_lost(self, browser):
        """HLP-01: a second lock is a no-op; the person reads the reason of the first."""
        person, other = active_account(), an_agent(given_name="Paul", family_name="Girard")
        lock_as_agent(account=person, agent=other, reason=LockReason.PHISHING)
        before = state_of(person)
        typed = {"reason": "other", "comment": "Elle a tout raconté au téléphone"}
        answer = browser.post(act_on("lock", person), typed)
        assert "Ce compte est déjà bloqué par Paul Girard, depuis le" in said(answer)
        assert typed["comment"] in said(answer)
        assert "Bloquer et prévenir" not in said(answer)
        assert state_of(person) == before

    def test_of_somebody_erased_is_refused_on_the_page(self, browser):
        person = active_account()
        erase_person(account=person)
        page = browser.get(act_on("lock", person))
        assert "il n’y a plus rien à bloquer" in said(page)
        assert "Motif" not in said(page)

    def test_hidden_fields_change_nothing_else(self, agent, browser):
        """ADM-06, INP-06"""
        person = active_account()
        forged = {
            "locked_by": "1",
            "account": "1",
            "is_staff": "1",
            "recovery_address": "a@evil.example",
            "system": "x",
        }
        browser.post(act_on("lock", person), {"reason": "phishing", **forged})
        now = fresh(person)
        assert (now.is_staff, now.recovery_address, now.password) == (False, person.recovery_address, person.password)
        assert Lock.objects.get().locked_by == agent
        assert person.journal.get(event=Event.LOCKED).details == {"reason": "phishing"}

    @pytest.mark.django_db(transaction=True)
    def test_of_two_agents_one_locks_and_the_other_is_told(self):
        """HLP-01"""
        person, agents = active_account(), [an_agent(), an_agent()]

        def lock(agent: Account) -> Lock:
            return lock_as_agent(account=person, agent=agent, reason=LockReason.PHISHING)

        answered = at_once(*[lambda agent=agent: lock(agent) for agent in agents])
        assert {type(one) for one in answered} == {Lock, AlreadyLocked}
        assert events_of(person).count(Event.LOCKED) == 1
        assert Message.objects.filter(person=person, kind=Kind.ACCOUNT_LOCKED).count() == 1


class TestReleasing:
    def test_after_a_call_back_mails_the_address_on_file_alone(self, agent, browser, postman):
        """HLP-03 to HLP-06: what was done is kept, the link goes to the person, never where the request says."""
        person = locked_person(phone="+33499000000")
        one = a_request_about(person)
        postman.deliver()
        page = browser.get(act_on("release", person))
        assert "Rappel au numéro connu des RH : 04 99 00 00 00" in said(page)
        assert person.recovery_address not in page.content.decode()

        answer = browser.post(f"{act_on('release', person)}?demande={one.reference}", good_release(person))

        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert "Compte débloqué. E-mail envoyé à l’adresse de secours." in next_page(browser, answer)
        assert fresh(person).state == State.TO_REACTIVATE
        kept = Lock.objects.get()
        assert (kept.released_by, kept.released_reason, kept.proof, kept.number_called, kept.report) == (
            agent,
            "phishing-over",
            "call-back",
            "+33499000000",
            REPORT,
        )
        entry = person.journal.get(event=Event.RELEASED)
        assert entry.actor == agent
        assert (entry.details["request"], entry.details["reference"]) == (one.pk, one.reference)
        mail = postman.last_mail()
        assert mail["To"] == person.recovery_address
        assert link_in(mail).startswith("/reactivation/")
        assert written_to(person) == {person.recovery_address}
        assert Message.objects.filter(address=ELSEWHERE).count() == 1

    def test_without_a_request_leads_back_to_the_account(self, browser):
        person = locked_person(phone="+33499000000")
        answer = browser.post(act_on("release", person), good_release(person))
        assert answer["Location"] == reverse("admin:account", args=[person.pk])
        assert "request" not in person.journal.get(event=Event.RELEASED).details

    def test_shows_the_mail_that_will_leave_without_its_link(self, browser, postman):
        person = locked_person(phone="+33499000000")
        preview = said(browser.get(act_on("release", person)))
        browser.post(act_on("release", person), good_release(person))
        mail = text_of(postman.last_mail())
        for line in mail.splitlines():
            if line.strip() and "/reactivation/" not in line:
                assert re.sub(r"\s+", " ", line).strip() in preview
        assert "/reactivation/" not in preview

    @pytest.mark.parametrize(
        ("changed", "sentence"),
        [
            ({"reason": ""}, "Choisissez un motif"),
            ({"reason": "phishing"}, "Choisissez un motif de la liste"),
            ({"proof": ""}, "Indiquez comment l’identité a été vérifiée"),
            ({"proof": "birth-date"}, "Cette preuve ne suffit pas"),
            ({"proof": "ine"}, "Cette preuve ne suffit pas"),
            ({"proof": "date de naissance"}, "Cette preuve ne suffit pas"),
            ({"report": ""}, "Écrivez un compte rendu"),
            ({"report": "neuf cara"}, "Écrivez un compte rendu de 10 caractères au moins"),
            ({"report": " \n\t         "}, "Écrivez un compte rendu"),
            ({"report": "x" * 2_001}, "Le compte rendu dépasse 2000 caractères"),
            ({"reviewed": []}, "Vérifiez chaque changement de la liste"),
        ],
    )
    def test_says_what_is_missing(self, browser, changed, sentence):
        """HLP-03, HLP-06, ux A4"""
        person = robbed_person()
        before = state_of(person)
        answer = browser.post(act_on("release", person), good_release(person, **changed))
        assert answer.status_code == 200
        assert sentence in said(answer)
        assert state_of(person) == before

    def test_without_a_number_of_hr_no_call_counts_whatever_the_request_says(self, browser):
        """HLP-04"""
        person = locked_person(phone="")
        one = a_request_about(person)
        address = f"{act_on('release', person)}?demande={one.reference}"
        page = browser.get(address)
        assert "call-back" not in page.content.decode()
        assert "Les RH ne connaissent aucun numéro" in said(page)
        assert "Cette preuve ne suffit pas" in said(browser.post(address, good_release(person)))
        assert person.is_locked

    def test_lists_each_change_with_its_addresses_masked(self, browser):
        """HLP-06: what, when, from where."""
        person = robbed_person()
        page = browser.get(act_on("release", person))
        assert boxes_of(page) == dict.fromkeys(ticked(person), False)
        for words in ("Mot de passe changé", "Adresse de secours changée", "Redirection choisie"):
            assert words in said(page)
        assert "i•••l@exemple.net → i•••s@exemple.org" in said(page)
        assert OWN not in page.content.decode()
        assert INTRUDERS not in page.content.decode()

    def test_keeps_the_ticks_that_were_made_and_asks_for_the_others(self, browser):
        """HLP-06: each has to be ticked."""
        person = robbed_person()
        first, *others = ticked(person)
        for reviewed in ([first], others, [first] * 4, [*others, 10**9]):
            answer = browser.post(act_on("release", person), good_release(person, reviewed=reviewed))
            assert "Vérifiez chaque changement de la liste" in said(answer)
            assert boxes_of(answer) == {pk: pk in reviewed for pk in (first, *others)}
        assert person.is_locked

    def test_does_not_take_ticks_of_another_person(self, browser):
        """ADM-06"""
        person, other = robbed_person(), robbed_person(given_name="Zoé", recovery_address="zoe@exemple.net")
        answer = browser.post(act_on("release", person), good_release(person, reviewed=ticked(other)))
        assert "Vérifiez chaque changement de la liste" in said(answer)
        assert person.is_locked

    def test_a_change_that_comes_between_looking_and_sending_is_not_ticked(self, browser):
        """HLP-06"""
        person = robbed_person()
        seen = ticked(person)
        record_event(account=person, event=Event.RECOVERY_ADDRESS_RESTORED, address="ancienne@exemple.net")
        answer = browser.post(act_on("release", person), good_release(person, reviewed=seen))
        assert "Vérifiez chaque changement de la liste" in said(answer)
        assert "Ancienne adresse de secours rétablie a•••e@exemple.net" in said(answer)
        assert person.is_locked

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"recovery_address": ""}, "Ce compte n’a aucune adresse de secours"),
            ({"recovery_address_disputed_at": timezone.now()}, "a été signalée comme erronée"),
        ],
        ids=["none", "disputed"],
    )
    def test_to_nowhere_leads_to_the_correction_of_the_address(self, facts, sentence):
        """HLP-05: by whoever may correct it."""
        person = locked_person(phone="+33499000000", **facts)
        for role, where in ((Role.ASSISTANCE, "Demandez à un responsable"), (Role.RESPONSABLES, "Corriger l’adresse")):
            _agent, browser = inside(role)
            page = browser.get(act_on("release", person))
            assert sentence in said(page)
            assert where in said(page)
            assert "Débloquer et prévenir" not in said(page)
            answer = browser.post(act_on("release", person), good_release(person))
            assert "faites-la d’abord corriger" in said(answer)
            assert REPORT in said(answer)
        assert person.is_locked

    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (active_account, "Ce compte n’est pas bloqué"),
            (released_person, "Ce compte a été débloqué par"),
            (lambda: locked_person(end_date=timezone.localdate() - timedelta(days=1)), "Ce compte est fermé"),
        ],
        ids=["active", "released", "left"],
    )
    def test_of_an_account_that_is_not_locked_says_so_and_loses_nothing(self, browser, make, sentence):
        person = make()
        before = state_of(person)
        answer = browser.post(act_on("release", person), good_release(person, proof="in-person"))
        assert sentence in said(answer)
        assert REPORT in said(answer)
        assert "Débloquer et prévenir" not in said(answer)
        assert state_of(person) == before

    def test_of_somebody_who_never_activated_mails_the_activation_link(self, browser, postman):
        person = pending_account(phone="+33499000000")
        lock_account(account=person, reason=LockReason.PHISHING)
        browser.post(act_on("release", person), good_release(person))
        assert link_in(postman.last_mail()).startswith("/activation/")

    def test_hidden_fields_change_nothing_else(self, browser):
        """ADM-06, INP-06"""
        person = locked_person(phone="+33499000000")
        forged = {"number_called": "+33600000000", "account": "1", "agent": "1", "recovery_address": "a@evil.example"}
        browser.post(act_on("release", person), good_release(person, **forged))
        assert Lock.objects.get().number_called == "+33499000000"
        assert written_to(person) == {person.recovery_address}


class TestAtTheSameTime:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_of_two_agents_one_releases_and_the_other_reads_who(self):
        """HLP-03: one release, one mail; nothing that the second has typed is lost."""
        browsers = [inside(family_name=name)[1] for name in ("Premier", "Second")]
        person = locked_person(phone="+33499000000")
        form = good_release(person)

        answers = at_once(*[lambda one=one: one.post(act_on("release", person), form) for one in browsers])

        late = next(answer for answer in answers if answer.status_code == 200)
        assert sorted(answer.status_code for answer in answers) == [200, 302]
        assert re.search(r"Ce compte a été débloqué par Camille (Premier|Second), le", said(late))
        assert REPORT in said(late)
        assert events_of(person).count(Event.RELEASED) == 1
        assert Message.objects.filter(person=person, kind=Kind.REACTIVATION).count() == 1

    def test_a_change_that_comes_while_the_release_waits_is_shown_and_not_ticked(self):
        """HLP-06: the service looks again once it holds the row."""
        _agent, browser = inside()
        person = robbed_person()
        form = good_release(person)
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                Account.objects.select_for_update().get(pk=person.pk)
                answer = pool.submit(posted, browser, act_on("release", person), form)
                wait_until_somebody_waits_for_us()
                record_event(account=person, event=Event.RECOVERY_ADDRESS_RESTORED, address="ancienne@exemple.net")
            page = answer.result(30)

        assert "Un changement est arrivé entre-temps : vérifiez-le aussi" in said(page)
        [new, *seen] = boxes_of(page)
        assert seen == form["reviewed"]
        assert boxes_of(page) == {new: False} | dict.fromkeys(seen, True)
        assert fresh(person).is_locked

    def test_a_lock_that_meets_a_release_is_not_lost(self):
        """HLP-01: locked before, it is told; after, it is another lock."""
        (_one, releasing), (_two, locking) = inside(), inside()
        person = locked_person(phone="+33499000000")
        form = good_release(person)

        freed, locked = at_once(
            lambda: releasing.post(act_on("release", person), form),
            lambda: locking.post(act_on("lock", person), {"reason": "phishing"}),
        )

        assert freed.status_code == 302
        assert fresh(person).is_locked == (locked.status_code == 302)
        assert person.locks.count() == (2 if locked.status_code == 302 else 1)

    def test_of_two_agents_one_puts_the_address_back(self):
        person, agents = robbed_person(), [an_agent(), an_agent()]
        [change] = to_put_back(person)

        answered = at_once(
            *[
                lambda agent=agent: restore_address(account=person, agent=agent, change=change, reason="Pas elle")
                for agent in agents
            ]
        )

        assert {type(one) for one in answered} == {Account, AddressNotRestorable}
        assert events_of(person).count(Event.RECOVERY_ADDRESS_RESTORED) == 1

    def test_of_two_agents_one_mails_the_link(self):
        """ENU-05"""
        person, agents = pending_account(), [an_agent(), an_agent()]

        answered = at_once(
            *[lambda agent=agent: resend_link(account=person, agent=agent, reason="lost") for agent in agents]
        )

        assert sorted(type(one).__name__ for one in answered) == ["MailQuotaExceeded", "Message"]
        assert Message.objects.filter(person=person).count() == 1


def posted(browser: Client, address: str, form: dict[str, Any]) -> HttpResponse:
    """The answer, on a connection of its own."""
    try:
        return browser.post(address, form)
    finally:
        connection.close()


def to_put_back(person: Account) -> list[int]:
    """The changes that can be taken back."""
    account = fresh(person)
    return list(restorable_addresses(account, changes_to_review(account)))


def good_put_back(person: Account, **changed: Any) -> dict[str, Any]:
    return {"change": to_put_back(person)[0], "reason": "Rappelée, elle ne connaît pas cette adresse."} | changed


class TestPuttingTheAddressBack:
    def test_the_link_of_the_release_does_not_go_to_the_intruder(self, agent, browser, postman):
        """HLP-05, HLP-06: an agent is warned, asks the person, puts the address back, releases."""
        person = robbed_person()
        one = a_request_about(person)
        postman.deliver()
        query = f"?demande={one.reference}"
        page = browser.get(act_on("release", person) + query)
        assert "L’adresse de secours a changé récemment" in said(page)
        assert f'href="{act_on("put-back", person)}{query}"' in page.content.decode()
        assert "Remettre i•••l@exemple.net" in said(browser.get(act_on("put-back", person) + query))

        answer = browser.post(act_on("put-back", person) + query, good_put_back(person))

        assert answer["Location"] == act_on("release", person) + query
        assert "L’adresse d’avant est remise" in next_page(browser, answer)
        assert fresh(person).recovery_address == OWN
        assert fresh(person).is_locked
        assert RecoveryAddressChange.objects.get().undone_at is not None
        events = (Event.CHANGE_DISOWNED, Event.RECOVERY_ADDRESS_RESTORED)
        reported, restored = person.journal.filter(event__in=events).order_by("pk")
        assert {reported.actor, restored.actor} == {agent}
        assert reported.details["reason"] == "Rappelée, elle ne connaît pas cette adresse."
        assert (reported.details["request"], reported.details["reference"]) == (one.pk, one.reference)
        lock_notice, farewell = postman.deliver()[-2:]
        assert (lock_notice["To"], lock_notice["Subject"]) == (OWN, "Votre compte informatique est bloqué")
        assert farewell["To"] == INTRUDERS
        assert "Elle ne recevra plus rien pour ce compte" in text_of(farewell)
        assert not re.search(r"[A-Za-z0-9_-]{60}", text_of(farewell))

        assert "Vérifiez chaque" in said(
            browser.post(act_on("release", person), good_release(person, reviewed=ticked(person)[1:]))
        )
        browser.post(act_on("release", person), good_release(person))
        mail = postman.last_mail()
        assert (mail["To"], mail["Subject"]) == (OWN, "Votre compte informatique est débloqué")
        assert not Message.objects.filter(person=person, kind=Kind.REACTIVATION).exclude(address=OWN).exists()
        assert Redirection.objects.get(account=person).target == ""

    def test_of_several_changes_takes_back_the_chosen_one_and_the_later_ones(self, browser):
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        later, earlier = to_put_back(person)
        page = said(browser.get(act_on("put-back", person)))
        assert "Remettre m•••u@exemple.org" in page
        assert "Remettre i•••l@exemple.net" in page

        browser.post(act_on("put-back", person), good_put_back(person, change=later))
        assert fresh(person).recovery_address == "milieu@exemple.org"
        browser.post(act_on("put-back", person), good_put_back(person, change=earlier))
        assert fresh(person).recovery_address == OWN
        assert to_put_back(person) == []

    def test_once_is_enough(self, browser):
        person = robbed_person()
        form = good_put_back(person)
        browser.post(act_on("put-back", person), form)
        before = state_of(person)
        answer = browser.post(act_on("put-back", person), form)
        assert "ne peut pas, ou plus, être annulé ici" in said(answer)
        assert form["reason"] in said(answer)
        assert state_of(person) == before

    @pytest.mark.parametrize("change", ["", "0", "-1", "1e3", "9" * 30, "autre"])
    def test_of_something_else_is_refused(self, browser, change):
        """ADM-06"""
        person, other = robbed_person(), robbed_person(given_name="Zoé", recovery_address="zoe@exemple.net")
        before = state_of(person)
        password = person.journal.get(event=Event.PASSWORD_CHANGED).pk
        for one in (change, to_put_back(other)[0], password):
            answer = browser.post(act_on("put-back", person), good_put_back(person, change=one))
            assert answer.status_code == 200
        assert state_of(person) == before

    def test_without_a_reason_is_refused(self, browser):
        person = robbed_person()
        answer = browser.post(act_on("put-back", person), good_put_back(person, reason="non"))
        assert "Écrivez la raison en quelques mots" in said(answer)
        assert fresh(person).recovery_address == INTRUDERS

    def test_does_not_undo_what_agents_have_decided(self, browser):
        """HLP-05: it took two agents; one alone cannot take it back."""
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        in_force(fresh(person))
        lock_account(account=person, reason=LockReason.PHISHING)
        assert to_put_back(person) == []
        page = said(browser.get(act_on("put-back", person)))
        assert "Aucun changement fait par la personne ne peut être annulé ici" in page
        released = browser.get(act_on("release", person))
        assert "L’adresse de secours a changé récemment" in said(released)
        assert act_on("put-back", person) not in released.content.decode()

    def test_does_not_undo_what_came_before_a_decision_of_agents(self):
        """HLP-05: the person's later change may be taken back, the earlier one not any more."""
        person = active_account(recovery_address=OWN)
        change_to(person, "milieu@exemple.org")
        in_force(fresh(person))
        decided = fresh(person).recovery_address
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        account = fresh(person)
        assert list(restorable_addresses(account, changes_to_review(account)).values()) == [decided]

    def test_leaves_what_an_earlier_release_has_settled(self):
        """HLP-02, HLP-06"""
        person = robbed_person()
        release(person)
        lock_account(account=person, reason=LockReason.PHISHING)
        assert to_put_back(person) == []

    def test_of_a_first_address_that_replaced_none_is_not_offered(self):
        person = active_account(recovery_address="")
        change_to(person, INTRUDERS)
        lock_account(account=person, reason=LockReason.PHISHING)
        assert to_put_back(person) == []

    def test_works_when_the_intruders_address_was_disputed(self, browser):
        person = robbed_person()
        Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())
        browser.post(act_on("put-back", person), good_put_back(person))
        assert fresh(person).can_be_mailed
        assert fresh(person).recovery_address == OWN

    def test_of_an_account_that_is_not_locked_is_refused(self, browser):
        person = active_account(recovery_address=OWN)
        entry = change_to(person, INTRUDERS)
        answer = browser.post(act_on("put-back", person), {"change": entry.pk, "reason": "Pas elle, dit-elle"})
        assert "Ce compte n’est pas bloqué" in said(answer)
        assert fresh(person).recovery_address == INTRUDERS
        with pytest.raises(NotLocked):
            restore_address(account=person, agent=an_agent(), change=entry.pk)

    def test_is_for_agents_alone(self):
        """ADM-05"""
        person = robbed_person()
        [change] = to_put_back(person)
        for nobody in (active_account(), person):
            with pytest.raises(UnlockNotAllowed):
                restore_address(account=person, agent=nobody, change=change)
        assert fresh(person).recovery_address == INTRUDERS

    def test_a_replacement_that_waits_is_told_before_the_release(self, browser):
        person = locked_person()
        proposed(person, an_agent(Role.RESPONSABLES))
        assert "il attend l’accord d’un second agent" in said(browser.get(act_on("release", person)))


class TestResending:
    @pytest.mark.parametrize(
        ("make", "kind", "path", "words"),
        [
            (pending_account, Kind.NEW_LINK, "/activation/", "lien d’activation"),
            (released_person, Kind.REACTIVATION, "/reactivation/", "lien de réactivation"),
        ],
        ids=["pending", "released"],
    )
    def test_mails_the_link_that_is_needed_to_the_address_on_file(
        self, agent, browser, postman, make, kind, path, words
    ):
        """HLP-05: never to the address of a request."""
        with time_machine.travel(timezone.now() - timedelta(hours=2), tick=False):
            person = make()
        one = a_request_about(person)
        postman.deliver()
        page = browser.get(act_on("resend", person))
        assert f"Renvoyer le {words}" in said(page)
        assert person.recovery_address not in page.content.decode()

        answer = browser.post(f"{act_on('resend', person)}?demande={one.reference}", {"reason": "never-came"})

        assert answer["Location"] == reverse("admin:request", args=[one.reference])
        assert f"Un nouveau {words} part vers l’adresse de secours" in next_page(browser, answer)
        mail = postman.last_mail()
        assert mail["To"] == person.recovery_address
        assert link_in(mail).startswith(path)
        assert Message.objects.latest("pk").kind == kind
        entry = person.journal.get(event=Event.LINK_REQUESTED)
        assert entry.actor == agent
        assert entry.details == {"reason": "never-came", "request": one.pk, "reference": one.reference}
        assert Message.objects.filter(address=ELSEWHERE).count() == 1

    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (active_account, "Ce compte est actif : aucun lien n’est à renvoyer"),
            (locked_person, "Ce compte est bloqué : aucun lien ne peut partir"),
            (lambda: pending_account(end_date=timezone.localdate() - timedelta(days=1)), "Ce compte est fermé"),
            (lambda: pending_account(recovery_address=""), "aucune adresse de secours"),
            (lambda: pending_account(recovery_address_disputed_at=timezone.now()), "n’est pas celle de la personne"),
        ],
        ids=["active", "locked", "left", "no address", "disputed"],
    )
    def test_is_refused_with_an_explanation(self, browser, make, sentence):
        """HLP-02: a locked account gets no link."""
        person = make()
        before = state_of(person)
        page = browser.get(act_on("resend", person))
        assert sentence in said(page)
        assert "Renvoyer le lien</button>" not in page.content.decode()
        answer = browser.post(act_on("resend", person), {"reason": "lost"})
        assert answer.status_code == 200
        assert sentence in said(answer)
        assert state_of(person) == before

    def test_needs_a_reason_of_the_list(self, browser):
        person = pending_account()
        for reason in ("", "parce que"):
            assert "Choisissez un motif" in said(browser.post(act_on("resend", person), {"reason": reason}))
        assert not Message.objects.exists()

    def test_waits_a_minute_and_three_times_an_hour_are_enough(self, browser):
        """ENU-05: whoever asks, the person or agents; from when the next may leave is said."""
        person = pending_account()
        with time_machine.travel(ONE_MORNING, tick=False) as clock:
            assert resend_now(person) is None
            assert resend_now(person) == ONE_MORNING + timedelta(minutes=1)
            for _ in range(2):
                clock.shift(timedelta(minutes=10))
                assert resend_now(person) is None
            clock.shift(timedelta(minutes=10))
            assert resend_now(person) == ONE_MORNING + timedelta(hours=1)
            clock.shift(timedelta(minutes=30))
            assert resend_now(person) is None

    def test_too_early_says_from_when(self):
        with time_machine.travel(ONE_MORNING, tick=False):
            _agent, browser = inside()
            person = released_person()
            answer = browser.post(act_on("resend", person), {"reason": "lost"})
        assert "Vous pourrez en renvoyer un à 10 h 01" in said(answer).replace("\N{NO-BREAK SPACE}", " ")
        assert Message.objects.filter(person=person, kind=Kind.REACTIVATION).count() == 1

    def test_counts_what_the_person_asked_for(self, postman):
        """ENU-05"""
        person = pending_account()
        with time_machine.travel(ONE_MORNING, tick=False) as clock:
            for _ in range(3):
                request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
                postman.deliver()
                clock.shift(timedelta(minutes=2))
            assert resend_now(person) == ONE_MORNING + timedelta(hours=1)

    def test_shows_when_the_last_one_left_and_what_became_of_it(self, browser):
        person = pending_account()
        Message.objects.create(
            kind=Kind.ACTIVATION,
            person=person,
            address=person.recovery_address,
            status=Status.BOUNCED,
            answer=f"550 <{person.recovery_address}> unknown",
            created_at=ONE_MORNING,
        )
        page = browser.get(act_on("resend", person))
        assert "Le 11 mars 2026 à 10 h Refusé par la messagerie du destinataire : 550" in said(page)
        assert "Le dernier e-mail n’est pas arrivé" in said(page)
        assert person.recovery_address not in page.content.decode()


def resend_now(person: Account) -> datetime | None:
    """None when the link leaves, or from when it could."""
    try:
        resend_link(account=person, agent=an_agent(), reason="lost")
    except MailQuotaExceeded as refused:
        return refused.retry_at
    return None
