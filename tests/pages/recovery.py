"""The recovery address: the page of the account, its verification, and a change reported by its owner."""

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from outbox.enums import Status
from outbox.models import Message
from tests.accounts.recovery.recovering import NEW, change_to, link_of, notice_of, report, wish
from tests.factories import active_account
from tests.pages.registry import (
    PageRequest,
    account_action,
    account_page,
    account_refusal,
    action,
    logged_in,
    page,
    refusal,
)

account_page("recovery_address", 3, "account-recovery")
account_refusal("recovery_address_with_a_typo", 3, "account-recovery", {"address": "camille@gmial.com"})
account_action("change_the_recovery_address", 12, "account-recovery", {"address": NEW})


def logged_in_with_a_pending_address(client: Client) -> Account:
    account = logged_in(client)
    wish(account)
    return account


@page(3)
def recovery_address_missing(client: Client) -> PageRequest:
    logged_in(client, recovery_address="")
    return PageRequest(reverse("account-recovery"))


@page(4)
def recovery_address_pending(client: Client) -> PageRequest:
    logged_in_with_a_pending_address(client)
    return PageRequest(reverse("account-recovery"))


@page(4)
def recovery_address_whose_link_has_expired(client: Client) -> PageRequest:
    account = logged_in_with_a_pending_address(client)
    Message.objects.filter(person=account).update(deadline=timezone.now() - timedelta(hours=1))
    return PageRequest(reverse("account-recovery"))


@page(4)
def recovery_address_not_delivered(client: Client) -> PageRequest:
    Message.objects.filter(person=logged_in_with_a_pending_address(client)).update(status=Status.BOUNCED)
    return PageRequest(reverse("account-recovery"))


@refusal(5)
def recovery_address_with_a_wrong_password(client: Client) -> PageRequest:
    client.force_login(active_account())
    return PageRequest(reverse("account-recovery"), {"address": "camille@univ-exemple.fr", "current_password": "faux"})


@refusal(11)
def recovery_address_throttled(client: Client) -> PageRequest:
    for _ in range(3):
        wish(active_account())
    logged_in(client)
    return PageRequest(reverse("account-recovery"), {"address": NEW})


@action(10)
def resend_the_recovery_mail(client: Client) -> PageRequest:
    Message.objects.filter(person=logged_in_with_a_pending_address(client)).delete()
    return PageRequest(reverse("account-recovery-resend"), {}, 302)


@action(8)
def cancel_the_recovery_address(client: Client) -> PageRequest:
    logged_in_with_a_pending_address(client)
    return PageRequest(reverse("account-recovery-cancel"), {}, 302)


@page(5)
def recovery_address_to_confirm(client: Client) -> PageRequest:
    client.get(link_of(wish(active_account())))
    return PageRequest(reverse("recovery-address"))


@page(15)
def recovery_address_confirmed(client: Client) -> PageRequest:
    client.get(link_of(wish(active_account())))
    return PageRequest(reverse("recovery-address"), {})


@page(3)
def recovery_address_already_confirmed(client: Client) -> PageRequest:
    client.get(link_of(wish(active_account())))
    client.post(reverse("recovery-address"))
    return PageRequest(reverse("recovery-address"), status=410)


@page(4)
def recovery_address_link_expired(client: Client) -> PageRequest:
    client.get(link_of(wish(active_account()), days_ago=3))
    return PageRequest(reverse("recovery-address"), status=410)


@page(5)
def change_to_report(client: Client) -> PageRequest:
    client.get(notice_of(change_to(active_account())))
    return PageRequest(reverse("not-me"))


@page()
def change_reported(client: Client) -> PageRequest:
    report(notice_of(change_to(active_account())), client)
    return PageRequest(reverse("not-me-done"))


@page(3)
def change_already_reported(client: Client) -> PageRequest:
    link = notice_of(change_to(active_account()))
    report(link)
    client.get(link)
    return PageRequest(reverse("not-me"), status=410)


@page(4)
def report_link_expired(client: Client) -> PageRequest:
    client.get(notice_of(change_to(active_account()), days_ago=8))
    return PageRequest(reverse("not-me"), status=410)


@action(25)
def report_a_change(client: Client) -> PageRequest:
    client.get(notice_of(change_to(active_account())))
    return PageRequest(reverse("not-me"), {}, 302)
