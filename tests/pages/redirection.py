"""Forwarding: the page of the account and the verification of an address."""

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from mailrouting.links import redirection_link
from mailrouting.models import Redirection
from mailrouting.services import change_redirection, choose_redirection
from outbox.enums import Status
from outbox.models import Message
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

ELSEWHERE = "ailleurs@exemple.org"

account_page("redirection_not_chosen", 3, "account-redirection")
account_refusal("redirection_with_a_typo", 3, "account-redirection", {"target": "camille@gmial.com"})
account_action("change_the_redirection", 17, "account-redirection", {"target": ELSEWHERE, "keep_copy": "on"})


def open_verification_link(client: Client, *, days_ago: int = 0) -> None:
    account = active_account()
    choose_redirection(account=account, target=ELSEWHERE, keep_copy=False)
    account = Account.objects.get(pk=account.pk)
    deadline = redirection_link.deadline(timezone.now() - timedelta(days=days_ago))
    client.get(reverse("redirection-link", args=[redirection_link.token(account, deadline, account.redirection.pk)]))


@page(4)
def address_to_confirm(client: Client) -> PageRequest:
    open_verification_link(client)
    return PageRequest(reverse("redirection"))


@page(13)
def address_confirmed(client: Client) -> PageRequest:
    open_verification_link(client)
    return PageRequest(reverse("redirection"), {})


@page(4)
def address_already_confirmed(client: Client) -> PageRequest:
    open_verification_link(client)
    client.post(reverse("redirection"))
    return PageRequest(reverse("redirection"))


@page(4)
def address_link_expired(client: Client) -> PageRequest:
    open_verification_link(client, days_ago=3)
    return PageRequest(reverse("redirection"), status=410)


def logged_in_with_a_redirection(client: Client) -> Account:
    account = logged_in(client)
    change_redirection(account=account, target=ELSEWHERE, keep_copy=True)
    return account


@page(3)
def redirection_in_force(client: Client) -> PageRequest:
    account = logged_in(client)
    change_redirection(account=account, target=account.recovery_address, keep_copy=False)
    return PageRequest(reverse("account-redirection"))


@page(4)
def redirection_pending(client: Client) -> PageRequest:
    logged_in_with_a_redirection(client)
    return PageRequest(reverse("account-redirection"))


@page(4)
def redirection_whose_link_has_expired(client: Client) -> PageRequest:
    account = logged_in_with_a_redirection(client)
    Message.objects.filter(person=account).update(deadline=timezone.now() - timedelta(hours=1))
    return PageRequest(reverse("account-redirection"))


@page(4)
def redirection_not_delivered(client: Client) -> PageRequest:
    Message.objects.filter(person=logged_in_with_a_redirection(client)).update(status=Status.BOUNCED)
    return PageRequest(reverse("account-redirection"))


@page(3)
def redirection_suspended(client: Client) -> PageRequest:
    account = logged_in_with_a_redirection(client)
    Redirection.objects.filter(account=account).update(target="chez.nous@univ-exemple.fr", verified_at=timezone.now())
    return PageRequest(reverse("account-redirection"))


@page(3)
def redirection_with_password_prompt(client: Client) -> PageRequest:
    client.force_login(active_account())
    return PageRequest(reverse("account-redirection"))


@page(3)
def redirection_stop(client: Client) -> PageRequest:
    logged_in_with_a_redirection(client)
    return PageRequest(reverse("account-redirection-stop"))


@refusal(5)
def redirection_with_a_wrong_password(client: Client) -> PageRequest:
    client.force_login(active_account())
    return PageRequest(reverse("account-redirection"), {"target": "univ@univ-exemple.fr", "current_password": "faux"})


@refusal(3)
def redirection_stop_without_the_password(client: Client) -> PageRequest:
    account = active_account()
    change_redirection(account=account, target=ELSEWHERE, keep_copy=True)
    client.force_login(account)
    return PageRequest(reverse("account-redirection-stop"), {})


@action(12)
def stop_the_redirection(client: Client) -> PageRequest:
    logged_in_with_a_redirection(client)
    return PageRequest(reverse("account-redirection-stop"), {}, 302)
