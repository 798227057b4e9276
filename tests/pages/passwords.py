"""Login, forgotten password, reactivation after a lock, change of the password."""

from datetime import datetime, timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links.account_links import password_reset_link
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.locking import reactivation_path, unlocked_account
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

ANOTHER_PASSWORD = "une-phrase-du-bureau-bleu"
WRONG_LOGIN = {"login": "quelqu.un", "password": "faux"}
WRONG_PASSWORD = {"current_password": "faux", "password": ANOTHER_PASSWORD}

account_page("account_password", 2, "account-password")
account_refusal("account_password_missing", 2, "account-password", {})
account_refusal("account_password_wrong", 4, "account-password", WRONG_PASSWORD)
account_action(
    "change_the_password",
    16,
    "account-password",
    {"current_password": A_GOOD_PASSWORD, "password": ANOTHER_PASSWORD},
)


@refusal(2)
def account_password_throttled(client: Client) -> PageRequest:
    logged_in(client)
    for _ in range(5):
        client.post(reverse("account-password"), WRONG_PASSWORD)
    return PageRequest(reverse("account-password"), WRONG_PASSWORD, 429)


@refusal(2)
def login_refused(client: Client) -> PageRequest:
    return PageRequest(reverse("login"), WRONG_LOGIN)


@refusal()
def login_throttled(client: Client) -> PageRequest:
    for _ in range(5):
        client.post(reverse("login"), WRONG_LOGIN)
    return PageRequest(reverse("login"), WRONG_LOGIN, 429)


@action(6)
def log_in_with_password(client: Client) -> PageRequest:
    return PageRequest(reverse("login"), {"login": active_account().login, "password": A_GOOD_PASSWORD}, 302)


@page(1)
def forgotten_password_answer(client: Client) -> PageRequest:
    client.post(reverse("forgotten-password"), {"login": "camille.durand"})
    return PageRequest(reverse("forgotten-password-answer"))


@refusal()
def forgotten_password_refused(client: Client) -> PageRequest:
    return PageRequest(reverse("forgotten-password"), {"login": "a b c"})


@action(2)
def ask_for_a_reset(client: Client) -> PageRequest:
    return PageRequest(reverse("forgotten-password"), {"login": "quelqu.un"}, 302)


def open_reset_link(client: Client, built_at: datetime | None = None) -> None:
    account, deadline = active_account(), password_reset_link.deadline(built_at or timezone.now())
    token = password_reset_link.token(account, deadline, password_reset_link.subject(account))
    client.get(reverse("password-reset-link", args=[token]))


@page(2)
def password_reset(client: Client) -> PageRequest:
    open_reset_link(client)
    return PageRequest(reverse("password-reset"))


@page(2)
def password_reset_expired(client: Client) -> PageRequest:
    open_reset_link(client, timezone.now() - timedelta(hours=2))
    return PageRequest(reverse("password-reset"), status=410)


@page(2)
def password_reset_used(client: Client) -> PageRequest:
    open_reset_link(client)
    client.post(reverse("password-reset"), {"password": ANOTHER_PASSWORD})
    return PageRequest(reverse("password-reset"), status=410)


@refusal(2)
def password_reset_refused(client: Client) -> PageRequest:
    open_reset_link(client)
    return PageRequest(reverse("password-reset"), {"password": "court", "password2": "autre"})


@action(11)
def reset_the_password(client: Client) -> PageRequest:
    open_reset_link(client)
    return PageRequest(reverse("password-reset"), {"password": ANOTHER_PASSWORD}, 302)


@action(3)
def ask_for_another_reset(client: Client) -> PageRequest:
    open_reset_link(client, timezone.now() - timedelta(hours=2))
    return PageRequest(reverse("password-reset-new-link"), {}, 302)


def open_reactivation_link(client: Client, built_at: datetime | None = None) -> None:
    client.get(reactivation_path(unlocked_account(), built_at))


@page(2)
def reactivation(client: Client) -> PageRequest:
    open_reactivation_link(client)
    return PageRequest(reverse("reactivation"))


@page(2)
def reactivation_expired(client: Client) -> PageRequest:
    open_reactivation_link(client, timezone.now() - timedelta(days=3))
    return PageRequest(reverse("reactivation"), status=410)


@page(2)
def reactivation_used(client: Client) -> PageRequest:
    open_reactivation_link(client)
    client.post(reverse("reactivation"), {"password": A_GOOD_PASSWORD})
    return PageRequest(reverse("reactivation"), status=410)


@refusal(2)
def reactivation_refused(client: Client) -> PageRequest:
    open_reactivation_link(client)
    return PageRequest(reverse("reactivation"), {"password": "court"})


@action(11)
def reactivate(client: Client) -> PageRequest:
    open_reactivation_link(client)
    return PageRequest(reverse("reactivation"), {"password": A_GOOD_PASSWORD}, 302)


@action(3)
def ask_for_another_reactivation_link(client: Client) -> PageRequest:
    open_reactivation_link(client, timezone.now() - timedelta(days=3))
    return PageRequest(reverse("reactivation-new-link"), {}, 302)
