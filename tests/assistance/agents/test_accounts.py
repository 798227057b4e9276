"""Agents find and open accounts; what they open is in the journal."""

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Event, LockReason
from accounts.models import Account, Lock
from assistance.agents.roles import Role
from assistance.agents.search import AccountList, accounts_found, accounts_matching
from assistance.agents.waiting import figures_of_the_week, what_waits
from assistance.templatetags.agents import masked
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.assistance.agents.working import inside
from tests.hostile import N
from tests.people import active_person, pending_person

pytestmark = pytest.mark.django_db


def found(query: str) -> set[Account]:
    return set(accounts_found(query=query))


class TestSearch:
    @pytest.mark.parametrize(
        "query",
        ["lefevre", "LEFÈVRE", "zoé lef", "lefe zo", "zoe.lefevre", "zoe.lefevre@univ-exemple.fr", "zlefevr", "hr-77"],
    )
    def test_by_the_beginnings_of_names_and_identifiers(self, query):
        zoe = pending_person(
            given_name="Zoé",
            family_name="Lefèvre",
            uid="zlefevre",
            hr_id="HR-77",
            institutional_address="zoe.lefevre@univ-exemple.fr",
        )
        pending_person(given_name="Paul", family_name="Girard")
        assert found(query) == {zoe}

    def test_names_of_several_words_may_be_written_as_one(self):
        someone = pending_person(given_name="Grace", family_name="O’Connor")
        assert found("oconnor") == found("o'connor") == {someone}

    def test_uses_its_index(self):
        pending_person()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {accounts_matching('lefevre').query}".replace("% lefevre%", "'% lefevre%'"))
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "assistance_account_search" in plan

    @pytest.mark.parametrize("name", [name for name in N if isinstance(N[name], str)])
    def test_of_anything_answers(self, name):
        """ADM-06, INP-01"""
        _agent, browser = inside()
        answer = browser.get(reverse("admin:accounts"), {"q": N[name], "etat": N[name], "page": N[name]})
        assert answer.status_code == 200
        assert "<script>alert" not in answer.content.decode()

    @pytest.mark.parametrize(
        "query",
        [
            "password__startswith=argon2",
            "o=1.2.3",
            "page=0",
            "page=-1",
            "page=99999999",
            "page=%D9%A3",
            "etat=' OR 1=1",
        ],
    )
    def test_forged_filters_are_ignored(self, query):
        """ADM-06"""
        _agent, browser = inside()
        assert browser.get(f"{reverse('admin:accounts')}?{query}").status_code == 200

    def test_goes_from_page_to_page_without_counting(self):
        _agent, browser = inside()
        for _ in range(30):
            pending_person(given_name="Ada")
        first = browser.get(reverse("admin:accounts"), {"q": "ada"}).content.decode()
        second = browser.get(reverse("admin:accounts"), {"q": "ada", "page": "2"}).content.decode()
        assert first.count('<th scope="row">') == 25
        assert second.count('<th scope="row">') == 5
        assert "Page suivante" in first
        assert "Page suivante" not in second


class TestAnAccount:
    def test_each_opening_is_in_its_journal(self):
        """Design §9"""
        agent, browser = inside(Role.LECTURE)
        person = active_person()
        for _ in range(2):
            browser.get(reverse("admin:account", args=[person.pk]))
        opened = person.journal.filter(event=Event.ACCOUNT_OPENED)
        assert [entry.actor for entry in opened] == [agent, agent]

    def test_the_recovery_address_is_masked_until_it_is_asked_for(self):
        """LOG-01: sensitive_read."""
        agent, browser = inside()
        person = active_person(recovery_address="camille.durand@exemple.net")
        address = reverse("admin:account", args=[person.pk])

        page = browser.get(address).content.decode()
        assert "c•••d@exemple.net" in page
        assert person.recovery_address not in page
        shown = browser.post(reverse("admin:account-address", args=[person.pk])).content.decode()
        assert person.recovery_address in shown
        assert person.recovery_address not in browser.get(address).content.decode()

        entry = person.journal.get(event=Event.RECOVERY_ADDRESS_READ)
        assert entry.actor == agent

    def test_shows_the_fate_of_mails_and_neither_ine_nor_birth_date(self):
        """HLP-03: what somebody could be asked is not on the screen."""
        _agent, browser = inside()
        person = active_person(ine="0123456789A")
        Message.objects.create(
            kind=Kind.ACTIVATION,
            person=person,
            address=person.recovery_address,
            status=Status.BOUNCED,
            answer=f"550 <{person.recovery_address}> unknown",
        )
        page = browser.get(reverse("admin:account", args=[person.pk])).content.decode()
        assert "Refusé par la messagerie du destinataire" in page
        assert " : 550<" in page.replace("\u00a0", " ")
        assert person.recovery_address not in page
        assert "0123456789A" not in page
        assert "1984" not in page

    def test_that_is_not_there_is_not_found(self):
        _agent, browser = inside()
        assert browser.get(reverse("admin:account", args=[10**9])).status_code == 404

    @pytest.mark.parametrize(
        ("address", "shown"),
        [("camille@exemple.net", "c•••e@exemple.net"), ("ab@exemple.net", "•••@exemple.net"), ("", "•••@")],
    )
    def test_masks_hide_enough(self, address, shown):
        assert masked(address) == shown


class TestWhatWaits:
    def test_is_counted_and_each_count_leads_to_its_list(self):
        late = pending_person(created_at=timezone.now() - timedelta(days=15))
        locked, bounced, ending = active_person(), active_person(), pending_person()
        Lock.objects.create(account=locked, reason=LockReason.PHISHING)
        Message.objects.create(
            kind=Kind.PASSWORD_RESET, person=bounced, address=bounced.recovery_address, status=Status.BOUNCED
        )
        for _ in range(2):
            Message.objects.create(
                kind=Kind.ACTIVATION,
                person=ending,
                address=ending.recovery_address,
                status=Status.SENT,
                deadline=timezone.localtime().replace(hour=23, minute=59, second=59),
            )

        waits = what_waits()

        counted = (waits.locked, waits.came_back, waits.links_ending_today, waits.not_activated)
        assert counted == (1, 1, 1, 1)
        lists = {
            AccountList.LOCKED: locked,
            AccountList.MAIL_CAME_BACK: bounced,
            AccountList.LINK_ENDS_TODAY: ending,
            AccountList.NEVER_ACTIVATED: late,
        }
        for among, person in lists.items():
            assert list(accounts_found(query="", among=among)) == [person]

    def test_links_of_yesterday_and_of_those_who_have_activated_wait_no_more(self):
        for person, when in ((active_person(), timedelta(0)), (pending_person(), timedelta(days=-1))):
            Message.objects.create(
                kind=Kind.ACTIVATION,
                person=person,
                address=person.recovery_address,
                deadline=timezone.localtime().replace(hour=23, minute=59, second=59) + when,
            )
        assert what_waits().links_ending_today == 0

    def test_the_week_is_told_in_the_words_of_the_journal(self):
        _agent, _browser = inside()
        assert ("Connexion", 1) in figures_of_the_week()
