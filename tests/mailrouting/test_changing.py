"""Forwarding after the activation: what its owner sets, what a thief of the session cannot, and who is told."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.services import AccountNotActive
from activation.models import Charter
from core.email_addresses import canonical_address, is_university_address
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.emails import RedirectionChange, change_of_entry
from mailrouting.links import redirection_link
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import (
    change_redirection,
    choose_redirection,
    decline_redirection,
    resend_verification,
    stop_redirection,
    verify_redirection,
)
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.correcting import in_force
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import EMAIL
from tests.locking import PROVEN
from tests.mail_delivery import html_of, link_in, text_of
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

ELSEWHERE, FURTHER = "ailleurs@exemple.org", "plus.loin@exemple.org"
PAGE, STOP, RESEND = "account-redirection", "account-redirection-stop", "redirection-verification-resend"
NON_BREAKING = "\N{NO-BREAK SPACE}"
OURS = [(value.replace("univ-x", "univ-exemple").replace("UNIV-X", "UNIV-EXEMPLE"), wanted) for value, wanted in EMAIL]


@pytest.fixture
def person() -> Account:
    return active_account()


@pytest.fixture
def browser(person: Account) -> Client:
    """Somebody who has just typed their password."""
    return signed_in(person)


@pytest.fixture
def stolen(person: Account) -> Client:
    """Somebody who has the cookie, and not the password."""
    client = Client()
    client.force_login(person)
    return client


def signed_in(person: Account) -> Client:
    return log_in(Client(), person)


def save(browser: Client, target: str = ELSEWHERE, *, keep_copy: bool = True, **more: str) -> HttpResponse:
    box = {"keep_copy": "on"} if keep_copy else {}
    return browser.post(reverse(PAGE), {"target": target, **box, **more})


def stop(browser: Client, **typed: str) -> HttpResponse:
    return browser.post(reverse(STOP), typed)


def seen(browser: Client, name: str = PAGE) -> str:
    page = browser.get(reverse(name))
    assert page.status_code == 200
    return page.content.decode().replace(NON_BREAKING, " ")


def redirection_of(person: Account) -> Redirection:
    return Redirection.objects.get(account=person)


def change(person: Account, target: str = ELSEWHERE, *, keep_copy: bool = True) -> Redirection:
    return change_redirection(account=person, target=target, keep_copy=keep_copy)


def change_in_force(person: Account, target: str = ELSEWHERE) -> Redirection:
    redirection = change(person, target)
    verify_redirection(redirection_id=redirection.pk, target=target)
    redirection.refresh_from_db()
    return redirection


def verifications(person: Account) -> int:
    return Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count()


def notices(person: Account) -> list[Message]:
    return list(Message.objects.filter(person=person, kind=Kind.REDIRECTION_CHANGED).order_by("pk"))


def told(person: Account) -> list[RedirectionChange]:
    """What the notices say, in the order of the changes; each change is told to both addresses."""
    entries = JournalEntry.objects.in_bulk([notice.subject_id for notice in notices(person)])
    for entry in entries.values():
        addresses = {notice.address for notice in notices(person) if notice.subject_id == entry.pk}
        assert addresses == {person.recovery_address, person.institutional_address}
        assert len(notices(person)) == 2 * len(entries)
    return [change_of_entry(entries[pk]) for pk in sorted(entries)]


class TestThePage:
    def test_it_offers_the_recovery_address_and_a_copy(self, browser, person):
        """FWD-04: the copy is ticked beforehand and recommended."""
        page = browser.get(reverse(PAGE))
        assert page.context["form"].initial == {"target": person.recovery_address, "keep_copy": True}
        assert Redirection().keep_copy
        assert "(recommandé)" in page.content.decode()
        assert "Sans copie, un message refusé par votre fournisseur est perdu" in page.content.decode()

    def test_the_recovery_address_is_in_force_at_once(self, browser, person):
        """FWD-01: the answer says so, on the account page."""
        answer = browser.post(reverse(PAGE), {"target": person.recovery_address, "keep_copy": "on"}, follow=True)
        assert answer.redirect_chain == [(reverse("account"), 302)]
        assert f"Vos messages sont maintenant redirigés vers {person.recovery_address}." in answer.content.decode()
        assert Redirection.objects.in_force().get() == redirection_of(person)
        assert verifications(person) == 0
        assert told(person) == [RedirectionChange.IN_FORCE]

    def test_another_address_waits_for_its_reader(self, browser, person, mail_delivery):
        """FWD-01: nothing is in force before; the page says until when the link is good and what happens meanwhile."""
        answer = browser.post(reverse(PAGE), {"target": ELSEWHERE}, follow=True)
        assert "quand vous aurez ouvert le lien envoyé à ailleurs@exemple.org" in answer.content.decode()
        assert list(Redirection.objects.in_force()) == []
        assert redirection_of(person).keep_copy is False
        assert told(person) == [RedirectionChange.ASKED]
        [verification] = [mail for mail in mail_delivery.deliver() if mail["To"] == ELSEWHERE]
        page = seen(browser)
        assert f'<span class="address">{ELSEWHERE}</span> attend votre clic' in page
        assert "23 h 59" in page
        assert "En attendant, vos messages n’arrivent que dans votre boîte universitaire." in page
        phone = Client()
        phone.get(link_in(verification))
        phone.post(reverse("redirection"))
        assert Redirection.objects.in_force().get().target == ELSEWHERE
        assert told(person) == [RedirectionChange.ASKED, RedirectionChange.IN_FORCE]
        assert "attend votre clic" not in seen(browser)

    def test_the_copy_alone_can_be_changed_without_a_new_proof(self, browser, person):
        """FWD-04"""
        proven_at = change_in_force(person).verified_at
        save(browser, keep_copy=False)
        assert (redirection_of(person).keep_copy, redirection_of(person).verified_at) == (False, proven_at)
        save(browser)
        assert redirection_of(person).keep_copy is True
        assert verifications(person) == 1
        assert told(person)[2:] == [RedirectionChange.COPY, RedirectionChange.COPY]

    def test_the_copy_can_be_changed_while_the_address_waits(self, browser, person):
        save(browser)
        save(browser, keep_copy=False)
        assert redirection_of(person).is_waiting
        assert verifications(person) == 1
        assert told(person) == [RedirectionChange.ASKED, RedirectionChange.COPY]

    def test_another_target_stops_the_one_before_at_once(self, browser, person):
        """FWD-01: the notice says that nothing goes to the address before."""
        change_in_force(person)
        save(browser, FURTHER)
        assert redirection_of(person).is_waiting
        assert list(Redirection.objects.in_force()) == []
        entry = person.journal.filter(event=Event.REDIRECTION_CHOSEN).latest("pk")
        assert entry.details == {
            "target": FURTHER,
            "keep_copy": True,
            "proven": False,
            "previous": ELSEWHERE,
            "previous_proven": True,
        }

    def test_saving_the_same_again_changes_nothing_and_tells_nobody(self, browser, person):
        """A double click, another tab."""
        save(browser)
        before, entries = redirection_of(person), person.journal.count()
        assert save(browser)["Location"] == reverse("account")
        assert redirection_of(person).chosen_at == before.chosen_at
        assert person.journal.count() == entries
        assert (verifications(person), len(notices(person))) == (1, 2)

    def test_an_address_that_became_the_recovery_address_needs_no_click_any_more(self, browser, person):
        """FWD-01"""
        save(browser)
        Account.objects.filter(pk=person.pk).update(recovery_address=ELSEWHERE)
        save(browser)
        assert not redirection_of(person).is_waiting
        entry = person.journal.filter(event=Event.REDIRECTION_CHOSEN).latest("pk")
        assert change_of_entry(entry) == RedirectionChange.IN_FORCE

    def test_a_recovery_address_that_somebody_else_reads_proves_nothing(self, browser, person):
        """FWD-01"""
        Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())
        save(browser, person.recovery_address)
        assert redirection_of(person).is_waiting

    def test_an_address_that_agents_gave_proves_nothing_before_its_reader_says_so(self, browser, person):
        """FWD-01: no link was opened there; two agents may have been taken in."""
        given = in_force(person)
        save(browser, given.new_address)
        assert redirection_of(person).is_waiting
        assert verifications(person) == 1

    def test_who_sent_too_many_is_told_from_when(self, browser, person):
        """ENU-05: the choice is kept; nobody's mailbox is filled."""
        for _ in range(3):
            change(active_account())
        answer = browser.post(reverse(PAGE), {"target": ELSEWHERE}, follow=True).content.decode()
        assert "Vous pourrez en demander un autre à" in answer
        assert verifications(person) == 0
        assert "Plusieurs e-mails de vérification sont déjà partis" in seen(browser)

    def test_a_link_that_has_expired_says_so_and_another_can_be_asked_for(self, browser, person, mail_delivery):
        """FWD-03"""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            save(browser)
            mail_delivery.deliver()
            clock.shift(timedelta(days=3))
            later = signed_in(person)
            assert "Demandez un nouvel e-mail." in seen(later)
            assert "Un nouvel e-mail vient de partir" in later.post(reverse(RESEND), follow=True).content.decode()
            mail_delivery.deliver()
            assert "Ouvrez le lien que nous y avons envoyé" in seen(later)

    @pytest.mark.parametrize("status", [Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP])
    def test_a_mail_that_came_back_is_told(self, browser, person, status):
        save(browser)
        Message.objects.filter(address=ELSEWHERE).update(status=status)
        assert "n’a pas pu être remis" in seen(browser)

    @pytest.mark.parametrize(
        ("spelling", "target"), [("corrected", "camille@gmail.com"), ("kept", "camille@gmial.com")]
    )
    def test_a_slip_is_asked_about_and_the_person_decides(self, browser, person, spelling, target):
        page = save(browser, "camille@gmial.com")
        assert f"Avez-vous voulu écrire camille@gmail.com{NON_BREAKING}?" in page.content.decode()
        assert not redirection_of(person).is_wanted
        save(browser, "camille@gmial.com", spelling=spelling)
        assert redirection_of(person).target == target

    @pytest.mark.parametrize(("value", "wanted"), OURS)
    def test_the_address_pack(self, browser, person, value, wanted):
        """FWD-02, INP-03: canonical and outside the university, or refused beside the field, telling nobody."""
        response = save(browser, value)
        accepted = response.status_code == 302
        assert response.status_code in (200, 302)
        if " or " not in wanted and not wanted.startswith(("same canonical", "punycode")):
            assert accepted == wanted.startswith("accept")
        if accepted:
            assert redirection_of(person).target == canonical_address(value)
            assert not is_university_address(redirection_of(person).target)
        else:
            assert response.context["form"].errors["target"]
            assert not redirection_of(person).is_wanted
            assert not Message.objects.exists()

    @pytest.mark.parametrize("address", ["compte@ailleurs.exemple", "COMPTE@Ailleurs.exemple"])
    def test_the_portal_does_not_write_to_itself(self, browser, person, settings, address):
        """FWD-02: a sender outside the university's domains is no target either."""
        settings.DEFAULT_FROM_EMAIL = "DSIN <compte@ailleurs.exemple>"
        assert save(browser, address).context["form"].errors["target"]
        assert not redirection_of(person).is_wanted

    def test_no_other_field_is_taken(self, browser, person):
        """ADM-01: only what the form asks for."""
        other = active_account()
        save(browser, account=str(other.pk), account_id=str(other.pk), verified_at="2026-01-01", pk=str(other.pk))
        assert redirection_of(person).is_waiting
        assert not redirection_of(other).is_wanted
        assert notices(other) == []


class TestStopping:
    def test_it_asks_first_and_changes_nothing(self, browser, person):
        """TOK-06, SES-07"""
        change_in_force(person)
        page = seen(browser, STOP)
        assert "Supprimer la redirection ?" in page
        assert "Vos messages n’arriveront plus que dans votre boîte universitaire." in page
        assert ELSEWHERE in page
        assert redirection_of(person).is_wanted

    def test_one_post_stops_it(self, browser, person):
        """FWD-04"""
        change_in_force(person)
        answer = browser.post(reverse(STOP), follow=True)
        assert "Vos messages n’arrivent plus que dans votre boîte universitaire." in answer.content.decode()
        stopped = redirection_of(person)
        assert (stopped.target, stopped.keep_copy, stopped.verified_at) == ("", True, None)
        assert list(Redirection.objects.in_force()) == []
        entry = person.journal.get(event=Event.REDIRECTION_STOPPED)
        assert entry.details == {"previous": ELSEWHERE, "previous_proven": True, "keep_copy": True}
        assert entry.actor == person
        assert told(person)[2:] == [RedirectionChange.STOPPED]

    def test_an_address_that_waits_is_given_up_and_its_link_dies(self, browser, person, mail_delivery):
        """FWD-01, FWD-03"""
        save(browser)
        [link] = [link_in(mail) for mail in mail_delivery.deliver() if mail["To"] == ELSEWHERE]
        assert "n’est pas encore vérifiée" in seen(browser, STOP)
        stop(browser)
        assert Client().get(link, follow=True).status_code == 404
        assert told(person) == [RedirectionChange.ASKED, RedirectionChange.GIVEN_UP]

    def test_a_double_click_stops_once(self, browser, person):
        change_in_force(person)
        for _ in range(2):
            assert stop(browser)["Location"] == reverse("account")
        assert person.journal.filter(event=Event.REDIRECTION_STOPPED).count() == 1
        assert told(person).count(RedirectionChange.STOPPED) == 1

    def test_nothing_to_stop_leads_back(self, browser):
        assert "Vous n’avez pas de redirection." in browser.get(reverse(STOP), follow=True).content.decode()

    def test_a_verification_that_has_not_left_is_not_sent_any_more(self, browser, person, mail_delivery):
        """FWD-03: made when sent."""
        save(browser)
        stop(browser)
        assert ELSEWHERE not in {mail["To"] for mail in mail_delivery.deliver()}

    def test_it_stays_open_while_a_charter_waits_and_the_other_page_does_not(self, person):
        """PRV-01: an intruder's forwarding ends at any time."""
        change_in_force(person)
        Charter.objects.create(
            version="2027-01",
            text_fr="a",
            text_en="b",
            key_points_fr="c",
            key_points_en="d",
            published_at=timezone.now(),
        )
        browser = signed_in(person)
        assert browser.get(reverse(PAGE))["Location"].startswith(reverse("account-charter"))
        assert save(browser, FURTHER)["Location"].startswith(reverse("account-charter"))
        assert redirection_of(person).target == ELSEWHERE
        assert "Supprimer la redirection" in seen(browser, STOP)
        stop(browser)
        assert not redirection_of(person).is_wanted


class TestWhoMay:
    @pytest.mark.parametrize("name", [PAGE, STOP])
    def test_a_stolen_cookie_alone_changes_nothing(self, stolen, person, name):
        """SES-08"""
        change_in_force(person)
        before = Redirection.objects.filter(account=person).values().get()
        entries, mails = person.journal.count(), Message.objects.count()
        for typed in ({}, {"current_password": ""}, {"current_password": "faux"}):
            answer = stolen.post(reverse(name), {"target": FURTHER, **typed})
            assert answer.status_code == 200
            assert answer.context["form"].errors["current_password"]
        assert Redirection.objects.filter(account=person).values().get() == before
        assert Message.objects.count() == mails
        assert set(person.journal.order_by("pk")[entries:].values_list("event", flat=True)) <= {Event.SIGN_IN_FAILED}

    def test_what_was_typed_is_kept_when_the_password_is_wrong(self, stolen):
        """SES-08: only the password has to be typed again."""
        page = save(stolen, FURTHER, keep_copy=False, current_password="faux")
        form = page.content.decode()
        assert f'value="{FURTHER}"' in form
        assert " checked" not in form
        assert "faux" not in form
        assert "Le mot de passe actuel ne correspond pas" in form

    def test_wrong_passwords_count_with_those_of_the_sign_in_page(self, stolen, person):
        """SES-08, ENU-07"""
        for _ in range(5):
            assert save(stolen, current_password="faux").status_code == 200
        slowed = save(stolen, current_password=A_GOOD_PASSWORD)
        assert (slowed.status_code, redirection_of(person).is_wanted) == (429, False)
        assert int(slowed["Retry-After"]) > 0
        at_the_door = Client().post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})
        assert at_the_door.status_code == 429
        assert person.journal.filter(event=Event.SIGN_IN_FAILED).count() == 5

    def test_the_password_is_asked_again_after_five_minutes(self, person):
        """SES-08: and nothing typed is lost when it has become old on the page."""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            browser = signed_in(person)
            clock.shift(timedelta(minutes=4, seconds=59))
            assert "current_password" not in browser.get(reverse(PAGE)).context["form"].fields
            clock.shift(timedelta(seconds=2))
            page = save(browser)
            assert page.context["form"].errors["current_password"]
            assert f'value="{ELSEWHERE}"' in page.content.decode()
            assert save(browser, current_password=A_GOOD_PASSWORD).status_code == 302
            assert stop(browser).status_code == 302
            clock.shift(timedelta(minutes=5))
            assert save(browser).status_code == 200
        assert not redirection_of(person).is_wanted

    def test_a_right_password_need_not_be_typed_twice_for_a_slip_to_be_corrected(self, stolen, person):
        save(stolen, "camille@gmial.com", current_password=A_GOOD_PASSWORD)
        assert save(stolen, "camille@gmial.com", spelling="corrected").status_code == 302
        assert redirection_of(person).target == "camille@gmail.com"

    @pytest.mark.parametrize("category", [Category.HOSTED, Category.STUDENT])
    def test_who_has_no_mailbox_has_no_such_page(self, category):
        browser = signed_in(active_account(category=category))
        for name in (PAGE, STOP):
            assert browser.get(reverse(name)).status_code == 404
            assert browser.post(reverse(name), {"target": ELSEWHERE}).status_code == 404
        assert not Redirection.objects.exists()

    def test_a_member_of_staff_without_a_mailbox_has_no_such_page(self, browser, person):
        Mailbox.objects.all().delete()
        assert browser.get(reverse(PAGE)).status_code == 404

    @pytest.mark.parametrize("name", [PAGE, STOP])
    def test_it_takes_somebody_signed_in_a_token_and_a_post(self, person, name):
        """SES-07, ADM-01"""
        change_in_force(person)
        before = Redirection.objects.filter(account=person).values().get()
        assert Client().post(reverse(name), {"target": FURTHER})["Location"].startswith(reverse("login"))
        careful = Client(enforce_csrf_checks=True)
        careful.force_login(person)
        assert careful.post(reverse(name), {"target": FURTHER}).status_code == 403
        for method in ("put", "patch", "delete"):
            assert getattr(signed_in(person), method)(reverse(name)).status_code == 405
        assert Redirection.objects.filter(account=person).values().get() == before

    def test_somebody_locked_changes_nothing(self, browser, person):
        """HLP-01: the session is over; and the service itself refuses, for whoever was on the way."""
        redirection = change(person)
        lock_account(account=person, reason=LockReason.PHISHING)
        assert save(browser, FURTHER)["Location"].startswith(reverse("login"))
        acts: list[Callable[[], object]] = [
            lambda: change(person, FURTHER),
            lambda: stop_redirection(account=person),
            lambda: resend_verification(account=person),
            lambda: verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE),
        ]
        for act in acts:
            with pytest.raises(AccountNotActive):
                act()
        assert redirection_of(person).target == ELSEWHERE
        assert redirection_of(person).is_waiting
        assert told(person) == [RedirectionChange.ASKED]

    def test_a_lock_ends_the_link_even_when_it_is_released(self, person):
        """HLP-01: what an intruder asked for is not confirmed afterwards."""
        redirection = change(person)
        token = redirection_link.token(person, redirection_link.deadline(timezone.now()), redirection.pk)
        lock_account(account=person, reason=LockReason.PHISHING)
        person.locks.update(released_at=timezone.now(), **PROVEN)
        assert Client().get(reverse("redirection-link", args=[token])).status_code == 404


class TestNotices:
    def test_nothing_is_told_during_the_activation(self):
        """FWD-04: not even when the address is confirmed."""
        person = pending_account()
        redirection = choose_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE)
        choose_redirection(account=person, target=person.recovery_address, keep_copy=True)
        decline_redirection(account=person)
        assert notices(person) == []

    def test_what_was_chosen_in_the_activation_and_confirmed_after_it_is_told(self, person):
        """FWD-03, FWD-04"""
        redirection = choose_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE)
        assert told(person) == [RedirectionChange.IN_FORCE]

    def test_a_second_click_on_the_link_tells_nobody(self, person):
        redirection = change_in_force(person)
        assert verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE) is False
        assert told(person) == [RedirectionChange.ASKED, RedirectionChange.IN_FORCE]

    @pytest.mark.parametrize("language", ["fr", "en"])
    @pytest.mark.parametrize("happened", list(RedirectionChange))
    def test_the_mail_says_which_change_when_and_how_to_stop_it(self, mail_delivery, language, happened):
        """FWD-04, EML-04: subject and both parts; the button leads to the page that locks the account."""
        person = active_account(language=language)
        bring_about(happened, person)
        Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION).delete()
        keep_the_last_change(person)
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {person.recovery_address, person.institutional_address}
        [mail, twin] = mails
        assert mail["Subject"] == twin["Subject"]
        assert 10 < len(mail["Subject"]) <= 60
        for part in (text_of(mail), html_of(mail)):
            assert person.login in part
            assert ELSEWHERE in part
        assert Client().get(link_in(mail), follow=True).status_code == 200

    def test_each_change_has_a_subject_of_its_own(self, mail_delivery):
        subjects = set()
        for happened in RedirectionChange:
            person = active_account()
            bring_about(happened, person)
            Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION).delete()
            keep_the_last_change(person)
            subjects.add(mail_delivery.last_mail()["Subject"])
        assert len(subjects) == len(RedirectionChange)

    @pytest.mark.parametrize(("keep_copy", "said"), [(True, "Une copie reste"), (False, "Sans copie")])
    def test_the_mail_says_whether_a_copy_is_kept(self, mail_delivery, person, keep_copy, said):
        """FWD-04"""
        change(person, person.recovery_address, keep_copy=keep_copy)
        assert said in text_of(mail_delivery.last_mail())

    def test_the_mail_says_what_no_longer_gets_the_messages(self, mail_delivery, person):
        change_in_force(person)
        mail_delivery.deliver()
        change(person, FURTHER)
        notice = next(mail for mail in reversed(mail_delivery.deliver()) if mail["To"] == person.recovery_address)
        assert f"La redirection vers {ELSEWHERE} est arrêtée." in text_of(notice)

    def test_nobody_is_written_to_at_an_address_that_is_somebody_elses(self, person):
        """PWD-06's rule for every notice."""
        Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())
        change(person)
        assert [notice.address for notice in notices(person)] == [person.institutional_address]


def bring_about(happened: RedirectionChange, person: Account) -> None:
    change(person)
    if happened in (RedirectionChange.IN_FORCE, RedirectionChange.COPY, RedirectionChange.STOPPED):
        change_in_force(person)
    if happened is RedirectionChange.COPY:
        change(person, keep_copy=False)
    if happened in (RedirectionChange.STOPPED, RedirectionChange.GIVEN_UP):
        stop_redirection(account=person)


def keep_the_last_change(person: Account) -> None:
    last = notices(person)[-1].subject_id
    Message.objects.filter(kind=Kind.REDIRECTION_CHANGED, person=person).exclude(subject_id=last).delete()


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    """FWD-01, SES-02: whoever comes second finds what the first has left; each change is told once."""

    def test_a_double_click_is_one_change(self):
        for number in range(5):
            person, target = active_account(), f"x{number}@exemple.org"
            together(*[lambda person=person, target=target: change(person, target)] * 2)
            assert verifications(person) == 1
            assert told(person) == [RedirectionChange.ASKED]

    def test_two_tabs_end_in_one_of_the_two_targets(self):
        for _ in range(5):
            person = active_account()
            together(lambda person=person: change(person), lambda person=person: change(person, FURTHER))
            last = person.journal.filter(event=Event.REDIRECTION_CHOSEN).latest("pk")
            assert redirection_of(person).target == last.details["target"]
            assert last.details["previous"] != last.details["target"]
            assert told(person) == [RedirectionChange.ASKED, RedirectionChange.ASKED]

    def test_an_address_is_not_confirmed_while_another_one_takes_its_place(self):
        for _ in range(5):
            person = active_account()
            redirection = change(person)
            clicked, _changed = together(
                lambda redirection=redirection: verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE),
                lambda person=person: change(person, FURTHER),
            )
            assert (redirection_of(person).target, redirection_of(person).verified_at) == (FURTHER, None)
            was_confirmed = clicked is True
            assert was_confirmed or isinstance(clicked, Redirection.DoesNotExist)
            assert told(person).count(RedirectionChange.IN_FORCE) == was_confirmed

    def test_stopping_while_the_address_is_confirmed_stops(self):
        for _ in range(5):
            person = active_account()
            redirection = change(person)
            together(
                lambda redirection=redirection: verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE),
                lambda person=person: stop_redirection(account=person),
            )
            assert not redirection_of(person).is_wanted
            assert told(person)[-1] in (RedirectionChange.STOPPED, RedirectionChange.GIVEN_UP)

    def test_a_lock_and_a_change_leave_nothing_in_force(self):
        """HLP-01"""
        for _ in range(5):
            person = active_account()
            together(
                lambda person=person: change(person, person.recovery_address),
                lambda person=person: lock_account(account=person, reason=LockReason.PHISHING),
            )
            assert not Redirection.objects.in_force().filter(account=person).exists()
            assert len(told(person)) == redirection_of(person).is_wanted

    def test_two_demands_for_the_mail_send_one(self):
        """ENU-05"""
        person = active_account()
        redirection = change(person)
        Message.objects.filter(subject_id=redirection.pk, kind=Kind.REDIRECTION_VERIFICATION).delete()
        together(
            lambda: resend_verification(account=person),
            lambda: resend_verification(account=person),
        )
        assert verifications(person) == 1


def together(*acts: Callable[[], Any]) -> list[Any]:
    """What each got that did it at the same moment, an exception for those that were refused."""
    begin, got = Barrier(len(acts)), [None] * len(acts)

    def work(place: int, act: Callable[[], Any]) -> None:
        begin.wait(20)
        try:
            got[place] = act()
        except Exception as refused:  # told to the test, which knows whether it may be
            got[place] = refused
        finally:
            connection.close()

    threads = [Thread(target=work, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got
