"""Pages before the login: information, directory, assistance, the activation and its links, passwords."""

from datetime import timedelta
from functools import partial

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links.account_links import password_reset_link
from accounts.models import Account
from activation.links import reminders_link
from activation.models import Charter
from core.rate_limits import BAD_LINKS_PER_CLIENT
from outbox.enums import Status
from outbox.models import Message
from tests.activation.wizard import client as wizard
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, PASSWORD, VERIFICATION, Answers, good_answer
from tests.assistance.asking import ALL_WRONG, form_data
from tests.directory.listed import listed_people_called
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.locking import reactivation_path, unlocked_account
from tests.pages.registry import (
    ACTIONS,
    PAGES,
    REFUSALS,
    Act,
    Arrange,
    PageRequest,
    State,
    after,
    declare,
    signed_in,
    visitor,
)

WRONG_LOGIN = {"login": "quelqu.un", "password": "faux"}
LOGIN, UNKNOWN_LOGIN, IMPOSSIBLE_LOGIN = {"login": "camille.durand"}, {"login": "quelqu.un"}, {"login": "a b c"}
ELSEWHERE = "ailleurs@exemple.org"
ANOTHER_PASSWORD = "une-phrase-du-bureau-bleu"
NEW_PASSWORD, SAME_PASSWORD = {"password": ANOTHER_PASSWORD}, {"password": A_GOOD_PASSWORD}
SHORT_PASSWORD = {"password": "court", "password2": "autre"}
WRONG_PASSWORD = {"current_password": "faux", "password": ANOTHER_PASSWORD}
CHANGED_PASSWORD = {"current_password": A_GOOD_PASSWORD, "password": ANOTHER_PASSWORD}


def wrong_link(client: Client) -> str:
    return "abc"


def many_wrong_links(client: Client) -> str:
    for _ in range(30):
        BAD_LINKS_PER_CLIENT.hit("127.0.0.1")
    return "abc"


def csrf_checked(client: Client) -> None:
    client.handler.enforce_csrf_checks = True


def listed(family_name: str, number: int, client: Client) -> None:
    listed_people_called(family_name, number)


def five_wrong_logins(client: Client) -> None:
    for _ in range(5):
        client.post(reverse("login"), WRONG_LOGIN)


def reset_link(client: Client, *, hours_ago: int = 0) -> None:
    account, deadline = active_account(), password_reset_link.deadline(timezone.now() - timedelta(hours=hours_ago))
    token = password_reset_link.token(account, deadline, password_reset_link.subject(account))
    client.get(reverse("password-reset-link", args=[token]))


def reactivation_link(client: Client, *, days_ago: int = 0) -> None:
    client.get(reactivation_path(unlocked_account(), timezone.now() - timedelta(days=days_ago)))


def mail_bounced(account: Account) -> None:
    Message.objects.filter(person=account).update(status=Status.BOUNCED)


def mail_expired(account: Account) -> None:
    Message.objects.filter(person=account).update(deadline=timezone.now() - timedelta(hours=1))


def mail_deleted(account: Account) -> None:
    Message.objects.filter(person=account).delete()


def not_ticked() -> Answers:
    return {"version": Charter.objects.in_force().version}


def at(step: str) -> Arrange:
    """In the wizard, with every step before `step` answered."""

    def arrange(client: Client) -> None:
        account = pending_account()
        wizard.answered_until(account, step)
        wizard.begin(client, account)

    return arrange


def waiting_for_verification(*acts: Act) -> Arrange:
    def arrange(client: Client) -> None:
        account = pending_account()
        wizard.answered_until(account, MAILBOX)
        wizard.begin(client, account)
        wizard.answer(client, MAILBOX, wizard.forward_to(ELSEWHERE))
        for act in acts:
            act(account)

    return arrange


def activation_link(client: Client, *, days_ago: int = 0) -> None:
    client.get(wizard.link_to(pending_account(), built_at=timezone.now() - timedelta(days=days_ago)))


def used_activation_link(client: Client) -> None:
    client.get(wizard.link_to(active_account()))


def open_reminders_link(client: Client, *, days_ago: int = 0) -> None:
    account, deadline = pending_account(), reminders_link.deadline(timezone.now() - timedelta(days=days_ago))
    client.get(reverse("reminders-link", args=[reminders_link.token(account, deadline)]))


for url in (
    *("home", "help", "accessibility", "privacy", "legal", "sitemap", "locked-help", "assistance", "login"),
    *("single-sign-on-interrupted", "single-sign-on-unavailable", "single-sign-on-nobody", "signed-out"),
    *("first-connection", "forgotten-password", "reminders-stopped", "reactivation-done", "password-reset-done"),
    "directory",
):
    declare(PAGES, State(url, 0, visitor, url))
for url in (
    *("activation-link", "redirection-link", "reminders-link", "reactivation-link", "password-reset-link"),
    *("recovery-address-link", "not-me-link"),
):
    declare(PAGES, State(f"{url}-not-valid", 0, wrong_link, url, status=404))
declare(
    PAGES,
    State("answer_of_first_connection", 1, after(visitor, "first-connection", LOGIN), "first-connection-answer"),
    State("missing_page", 0, lambda client: PageRequest(f"{reverse('home')}nulle-part/", status=404)),
    State("too_many_requests", 0, many_wrong_links, "activation-link", status=429),
    State("csrf_failure", 0, csrf_checked, "first-connection", UNKNOWN_LOGIN, 403),
    State("bad_request", 0, visitor, "first-connection", {f"field{number}": "x" for number in range(300)}, 400),
    State("directory_with_several_pages", 2, partial(listed, "Durand", 21), "directory?q=durand"),
    State("directory_with_too_many_results", 2, partial(listed, "Durand", 101), "directory?q=durand&page=5"),
    State("directory_with_a_typo", 4, partial(listed, "Lefebvre", 1), "directory?q=lefevbre"),
    State("directory_without_results", 4, visitor, "directory?q=durand"),
    State("assistance_sent", 1, after(visitor, "assistance", form_data()), "assistance-sent"),
    State("account_password", 2, signed_in(), "account-password"),
    State("forgotten_password_answer", 1, after(visitor, "forgotten-password", LOGIN), "forgotten-password-answer"),
    State("password_reset", 2, reset_link, "password-reset"),
    State("password_reset_expired", 2, partial(reset_link, hours_ago=2), "password-reset", status=410),
    State("password_reset_used", 2, after(reset_link, "password-reset", NEW_PASSWORD), "password-reset", status=410),
    State("reactivation", 2, reactivation_link, "reactivation"),
    State("reactivation_expired", 2, partial(reactivation_link, days_ago=3), "reactivation", status=410),
    State("reactivation_used", 2, after(reactivation_link, "reactivation", SAME_PASSWORD), "reactivation", status=410),
    State("link_expired", 1, partial(activation_link, days_ago=3), "activation", status=410),
    State("link_used", 1, used_activation_link, "activation", status=410),
    State("no_wizard_session", 0, visitor, CHARTER, status=410),
    State("welcome", 2, activation_link, "activation"),
    State("not_me", 2, at(CHARTER), "activation-not-me"),
    State("not_me_done", 8, at(CHARTER), "activation-not-me", {}),
    State("charter", 3, at(CHARTER), CHARTER),
    State("charter_refused", 2, at(CHARTER), "activation-charter-refused"),
    State("directory_choice", 2, at(DIRECTORY), DIRECTORY),
    State("mailbox", 2, at(MAILBOX), MAILBOX),
    State("verification", 3, waiting_for_verification(), VERIFICATION),
    State("verification_not_delivered", 3, waiting_for_verification(mail_bounced), VERIFICATION),
    State("verification_without_a_mail", 3, waiting_for_verification(mail_deleted), VERIFICATION),
    State("password", 2, at(PASSWORD), PASSWORD),
    State("done", 3, after(at(PASSWORD), PASSWORD, good_answer(PASSWORD)), "activation-done"),
    State("reminders", 3, open_reminders_link, "reminders"),
    State("reminders_link_expired", 3, partial(open_reminders_link, days_ago=95), "reminders", status=410),
)
declare(
    REFUSALS,
    State("directory_searched_for_one_letter", 0, visitor, "directory?q=d"),
    State("assistance_empty", 0, visitor, "assistance", {}),
    State("assistance_all_wrong", 0, visitor, "assistance", ALL_WRONG),
    State("first_connection_refused", 0, visitor, "first-connection", IMPOSSIBLE_LOGIN),
    State("account_password_missing", 2, signed_in(), "account-password", {}),
    State("account_password_wrong", 4, signed_in(), "account-password", WRONG_PASSWORD),
    State("login_refused", 2, visitor, "login", WRONG_LOGIN),
    State("login_throttled", 0, five_wrong_logins, "login", WRONG_LOGIN, 429),
    State("forgotten_password_refused", 0, visitor, "forgotten-password", IMPOSSIBLE_LOGIN),
    State("password_reset_refused", 2, reset_link, "password-reset", SHORT_PASSWORD),
    State("reactivation_refused", 2, reactivation_link, "reactivation", SHORT_PASSWORD),
    State("charter_not_ticked", 4, at(CHARTER), CHARTER, not_ticked),
    State("charter_changed", 4, at(CHARTER), CHARTER, {"version": "ancienne", "accepted": "on"}),
    State("directory_without_an_answer", 3, at(DIRECTORY), DIRECTORY, {}),
    State("mailbox_with_a_typo", 3, at(MAILBOX), MAILBOX, wizard.forward_to("camille@gmial.com")),
    State("passwords_that_differ", 3, at(PASSWORD), PASSWORD, {"password": A_GOOD_PASSWORD, "password2": "autre"}),
)
declare(
    ACTIONS,
    State("log_in_with_password", 6, visitor, "login", lambda: {**SAME_PASSWORD, "login": active_account().login}, 302),
    State("ask_for_assistance", 8, visitor, "assistance", form_data(), 302),
    State("ask_for_a_link", 2, visitor, "first-connection", UNKNOWN_LOGIN, 302),
    State("change_the_password", 16, signed_in(), "account-password", CHANGED_PASSWORD, 302),
    State("ask_for_a_reset", 2, visitor, "forgotten-password", UNKNOWN_LOGIN, 302),
    State("reset_the_password", 11, reset_link, "password-reset", NEW_PASSWORD, 302),
    State("ask_for_another_reset", 3, partial(reset_link, hours_ago=2), "password-reset-new-link", {}, 302),
    State("reactivate", 11, reactivation_link, "reactivation", SAME_PASSWORD, 302),
    State("ask_for_another_link", 3, partial(reactivation_link, days_ago=3), "reactivation-new-link", {}, 302),
    State("begin_the_activation", 6, activation_link, "activation", {}, 302),
    State("accept_the_charter", 9, at(CHARTER), CHARTER, wizard.charter_answer, 302),
    State("answer_about_the_directory", 7, at(DIRECTORY), DIRECTORY, good_answer(DIRECTORY), 302),
    State("forward_the_mail", 12, at(MAILBOX), MAILBOX, wizard.forward_to(ELSEWHERE), 302),
    State("continue_without_verification", 5, waiting_for_verification(), VERIFICATION, {}, 302),
    State("activate", 15, at(PASSWORD), PASSWORD, good_answer(PASSWORD), 302),
    State("stop_reminders", 10, open_reminders_link, "reminders", {}, 302),
)
