"""Links of the activation, the wizard, reminders."""

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.links import reminders_link
from activation.reminders import services
from outbox.enums import Status
from outbox.models import Message
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    VERIFICATION,
    answer,
    charter_answer,
    forward_to,
    good_answer,
    link_to,
)
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.pages.registry import (
    PageRequest,
    action,
    at_step,
    page,
    step_action,
    step_page,
    step_refusal,
)

ELSEWHERE = "ailleurs@exemple.org"

step_page("not_me", 2, CHARTER, "activation-not-me")
step_page("charter", 3, CHARTER)
step_page("charter_refused", 2, CHARTER, "activation-charter-refused")
step_page("directory_choice", 2, DIRECTORY)
step_page("mailbox", 2, MAILBOX)
step_page("password", 2, PASSWORD)
step_refusal("charter_not_ticked", 4, CHARTER, lambda: {"version": charter_answer()["version"]})
step_refusal("charter_changed", 4, CHARTER, lambda: {"version": "ancienne", "accepted": "on"})
step_refusal("directory_without_an_answer", 3, DIRECTORY, dict)
step_refusal("mailbox_with_a_typo", 3, MAILBOX, lambda: forward_to("camille@gmial.com"))
step_refusal("passwords_that_differ", 3, PASSWORD, lambda: {"password": A_GOOD_PASSWORD, "password2": "autre"})
step_action("accept_the_charter", 9, CHARTER, charter_answer)
step_action("answer_about_the_directory", 7, DIRECTORY, lambda: good_answer(DIRECTORY))
step_action("forward_the_mail", 12, MAILBOX, lambda: forward_to(ELSEWHERE))
step_action("activate", 15, PASSWORD, lambda: good_answer(PASSWORD))


@page(1)
def link_expired(client: Client) -> PageRequest:
    client.get(link_to(pending_account(), built_at=timezone.now() - timedelta(days=3)))
    return PageRequest(reverse("activation"), status=410)


@page(1)
def link_used(client: Client) -> PageRequest:
    client.get(link_to(active_account()))
    return PageRequest(reverse("activation"), status=410)


@page()
def no_wizard_session(client: Client) -> PageRequest:
    return PageRequest(reverse(CHARTER), status=410)


@page(2)
def welcome(client: Client) -> PageRequest:
    client.get(link_to(pending_account()))
    return PageRequest(reverse("activation"))


@page(8)
def not_me_done(client: Client) -> PageRequest:
    at_step(client, CHARTER)
    return PageRequest(reverse("activation-not-me"), {})


@action(6)
def begin_the_activation(client: Client) -> PageRequest:
    client.get(link_to(pending_account()))
    return PageRequest(reverse("activation"), {}, 302)


def waiting_for_verification(client: Client) -> Account:
    account = at_step(client, MAILBOX)
    answer(client, MAILBOX, forward_to(ELSEWHERE))
    return account


@page(3)
def verification(client: Client) -> PageRequest:
    waiting_for_verification(client)
    return PageRequest(reverse(VERIFICATION))


@page(4)
def verification_resent_too_early(client: Client) -> PageRequest:
    waiting_for_verification(client)
    client.post(reverse("activation-verification-resend"))
    return PageRequest(f"{reverse(VERIFICATION)}?verifie")


@page(3)
def verification_not_delivered(client: Client) -> PageRequest:
    Message.objects.filter(person=waiting_for_verification(client)).update(status=Status.BOUNCED)
    return PageRequest(reverse(VERIFICATION))


@page(3)
def verification_without_a_mail(client: Client) -> PageRequest:
    Message.objects.filter(person=waiting_for_verification(client)).delete()
    return PageRequest(reverse(VERIFICATION))


@page(3)
def verification_done(client: Client) -> PageRequest:
    account = waiting_for_verification(client)
    account.redirection.verified_at = timezone.now()
    account.redirection.save()
    return PageRequest(reverse(VERIFICATION))


@action(5)
def continue_without_verification(client: Client) -> PageRequest:
    waiting_for_verification(client)
    return PageRequest(reverse(VERIFICATION), {}, 302)


@page(3)
def done(client: Client) -> PageRequest:
    at_step(client, PASSWORD)
    answer(client, PASSWORD)
    return PageRequest(reverse("activation-done"))


def open_reminders_link(client: Client, *, days_ago: int = 0) -> Account:
    account, deadline = pending_account(), reminders_link.deadline(timezone.now() - timedelta(days=days_ago))
    client.get(reverse("reminders-link", args=[reminders_link.token(account, deadline)]))
    return account


@page(3)
def reminders(client: Client) -> PageRequest:
    open_reminders_link(client)
    return PageRequest(reverse("reminders"))


@page(3)
def reminders_link_expired(client: Client) -> PageRequest:
    open_reminders_link(client, days_ago=95)
    return PageRequest(reverse("reminders"), status=410)


@page(3)
def reminders_already_stopped(client: Client) -> PageRequest:
    services.stop_reminders(account=open_reminders_link(client))
    return PageRequest(reverse("reminders"), status=410)


@action(10)
def stop_reminders(client: Client) -> PageRequest:
    open_reminders_link(client)
    return PageRequest(reverse("reminders"), {}, 302)
