"""Each page in the states whose templates differ: before the login, in the activation and in a person's account."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, Session
from activation.links import reminders_link
from activation.models import Charter
from core.rate_limits import BAD_LINKS_PER_CLIENT
from directory.services import record_directory_consent
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.links import redirection_link
from mailrouting.services import change_redirection, choose_redirection
from outbox.enums import Status
from outbox.models import Message
from tests.accounts.recovery.recovering import NEW, change_to, link_of, notice_of, report, wish
from tests.activation.wizard import client as wizard
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, PASSWORD, VERIFICATION, Answers, good_answer
from tests.assistance.asking import ALL_WRONG, form_data
from tests.directory.listed import listed_people_called
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account, reloaded
from tests.locking import locked_account, password_reset_path, reactivation_path, unlocked_account
from tests.pages.registry import ACTIONS, PAGES, REFUSALS, Act, Arrange, PageRequest, State, declare
from tests.provisioning.linked import link, replica_of
from tests.signing_in import browser_of, log_in

ELSEWHERE, TYPING_ERROR = "ailleurs@exemple.org", "camille@gmial.com"
LOGIN, UNKNOWN_LOGIN, IMPOSSIBLE_LOGIN = {"login": "camille.durand"}, {"login": "quelqu.un"}, {"login": "a b c"}
WRONG_LOGIN = {"login": "quelqu.un", "password": "faux"}
CHANGED_PASSWORD = {"password": "une-phrase-du-bureau-bleu", "current_password": A_GOOD_PASSWORD}
NEW_PASSWORD, SAME_PASSWORD = {"password": "une-phrase-du-bureau-bleu"}, {"password": A_GOOD_PASSWORD}
SHORT_PASSWORD = {"password": "court", "password2": "autre"}
WRONG_PASSWORD = {"current_password": "faux", "target": "camille@univ-exemple.fr", "address": "camille@univ-exemple.fr"}
REDIRECTION, STOP, RECOVERY = "account-redirection", "account-redirection-stop", "account-recovery"
CONFIRMATION = "recovery-address"
TO_ELSEWHERE = {"target": ELSEWHERE, "keep_copy": "on"}
TYPO = {"target": TYPING_ERROR, "address": TYPING_ERROR}
NOT_LISTED = {"listed": "no", "understood": "on"}


def visitor(client: Client) -> None:
    """Nothing came before."""


def after(arrange: Arrange, url: str, data: Answers | None = None) -> Arrange:

    def arrange_and_send(client: Client) -> None:
        arrange(client)
        client.post(reverse(url), data)

    return arrange_and_send


def logged_in(client: Client, **facts: object) -> Account:
    account = active_account(**facts)
    log_in(client, account)
    return account


def signed_in(*acts: Act, has_given_password: bool = True, **facts: object) -> Arrange:
    """The acts happen to an account that signs in, with its password just now or with an old cookie."""

    def arrange(client: Client) -> None:
        account = active_account(**facts)
        for act in acts:
            act(account)
        if has_given_password:
            log_in(client, account)
        else:
            client.force_login(account)

    return arrange


def at(step: str, *acts: Act) -> Arrange:
    """In the wizard, with every step before `step` answered; mails are forwarded where they have to be verified."""

    def arrange(client: Client) -> None:
        account = pending_account()
        wizard.answered_until(account, MAILBOX if step == VERIFICATION else step)
        wizard.begin(client, account)
        if step == VERIFICATION:
            wizard.answer(client, MAILBOX, wizard.forward_to(ELSEWHERE))
        for act in acts:
            act(account)

    return arrange


def opened(link: str, **age: int) -> Arrange:

    def arrange(client: Client) -> None:
        with time_machine.travel(timezone.now() - timedelta(**age)):
            path = LINKS[link]()
        client.get(path)

    return arrange


def reminders() -> str:
    token = reminders_link.token(pending_account(), reminders_link.deadline(timezone.now()))
    return reverse("reminders-link", args=[token])


def redirection() -> str:
    account = active_account()
    choose_redirection(account=account, target=ELSEWHERE, keep_copy=False)
    account, deadline = reloaded(account), redirection_link.deadline(timezone.now())
    return reverse("redirection-link", args=[redirection_link.token(account, deadline, account.redirection.pk)])


LINKS: dict[str, Callable[[], str]] = {
    "activation": lambda: wizard.link_to(pending_account()),
    "used": lambda: wizard.link_to(active_account()),
    "reset": lambda: password_reset_path(active_account()),
    "reactivation": lambda: reactivation_path(unlocked_account()),
    "recovery": lambda: link_of(wish(active_account())),
    "change_notice": lambda: notice_of(change_to(active_account())),
    "reminders": reminders,
    "redirection": redirection,
}


def many_wrong_links(client: Client) -> str:
    for _ in range(30):
        BAD_LINKS_PER_CLIENT.hit("127.0.0.1")
    return "abc"


def csrf_checked(client: Client) -> None:
    client.handler.enforce_csrf_checks = True


def five_wrong_logins(client: Client) -> None:
    for _ in range(5):
        client.post(reverse("login"), WRONG_LOGIN)


def not_ticked() -> Answers:
    return {"version": Charter.objects.in_force().version}


def mail_with(**facts: object) -> Act:
    return lambda account: Message.objects.filter(person=account).update(**facts)


BOUNCED, EXPIRED = mail_with(status=Status.BOUNCED), mail_with(deadline=timezone.now() - timedelta(hours=1))


def mail_deleted(account: Account) -> None:
    Message.objects.filter(person=account).delete()


def record_logins(account: Account, number: int) -> None:
    JournalEntry.objects.bulk_create(
        JournalEntry(account=account, actor=account, event=Event.SIGNED_IN, source="web") for _ in range(number)
    )


def publish_another_charter(version: str = "2026-11") -> Charter:
    return Charter.objects.create(
        version=version,
        text_fr="Cette charte remplace la précédente.\n\n## Article 1. Une autre règle\n\nNouveau texte.",
        text_en="This charter replaces the one before.\n\n## Article 1. Another rule\n\nNew text.",
        key_points_fr="Votre mot de passe est personnel, ne le donnez à personne.\nUne nouvelle règle.",
        key_points_en="Your password is personal; never give it to anyone.\nA new rule.",
        published_at=timezone.now(),
    )


def active_without_a_charter() -> Account:
    """An agent created on the command line."""
    account = pending_account(is_staff=True)
    account.charter_accepted_at = account.activated_at = account.password_changed_at = timezone.now()
    account.set_password(A_GOOD_PASSWORD)
    account.save()
    return account


def forward(account: Account) -> None:
    change_redirection(account=account, target=ELSEWHERE, keep_copy=True)


def agree_to_be_listed(account: Account) -> None:
    record_directory_consent(account=account, listed=True, wording="?")


def linked(arrange: Arrange) -> Arrange:
    """The settings link a directory."""

    def link_and_arrange(client: Client) -> Any:
        link()
        return arrange(client)

    return link_and_arrange


def opened_services(account: Account) -> None:
    replica_of(account)


def new_charter_due(client: Client) -> None:
    account = active_account()
    publish_another_charter()
    log_in(client, account)


def two_devices(client: Client) -> Session:
    """The session of the other device."""
    return Session.objects.get(session_key=browser_of(logged_in(client)).session.session_key)


for url in ("home", "help", "privacy", "locked-help", "reactivation-done"):
    declare(PAGES, State(f"{url}_when_linked", 0, linked(visitor), url))
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
    declare(PAGES, State(f"{url}-not-valid", 0, lambda client: "abc", url, status=404))
declare(
    PAGES,
    State("answer_of_first_connection", 1, after(visitor, "first-connection", LOGIN), "first-connection-answer"),
    State("missing_page", 0, lambda client: PageRequest(f"{reverse('home')}nulle-part/", status=404)),
    State("too_many_requests", 0, many_wrong_links, "activation-link", status=429),
    State("csrf_failure", 0, csrf_checked, "first-connection", UNKNOWN_LOGIN, 403),
    State("bad_request", 0, visitor, "first-connection", {f"field{number}": "x" for number in range(300)}, 400),
    State("directory_with_several_pages", 2, lambda client: listed_people_called("Durand", 21), "directory?q=durand"),
    State("directory_too_long", 2, lambda client: listed_people_called("Durand", 101), "directory?q=durand&page=5"),
    State("directory_with_a_typo", 4, lambda client: listed_people_called("Lefebvre", 1), "directory?q=lefevbre"),
    State("directory_without_results", 4, visitor, "directory?q=durand"),
    State("assistance_sent", 1, after(visitor, "assistance", form_data()), "assistance-sent"),
    State("account_password", 2, signed_in(), "account-password"),
    State("forgotten_password_answer", 1, after(visitor, "forgotten-password", LOGIN), "forgotten-password-answer"),
    State("reset_resent", 1, after(opened("reset", hours=2), "password-reset-new-link"), "forgotten-password-answer"),
    State("locked", 5, visitor, "login", lambda: {**SAME_PASSWORD, "login": locked_account().login}),
    State("password_reset", 2, opened("reset"), "password-reset"),
    State("password_reset_expired", 2, opened("reset", hours=2), "password-reset", status=410),
    State("reset_used", 2, after(opened("reset"), "password-reset", NEW_PASSWORD), "password-reset", status=410),
    State("reactivation", 2, opened("reactivation"), "reactivation"),
    State("reactivation_expired", 2, opened("reactivation", days=3), "reactivation", status=410),
    State("reactivated", 2, after(opened("reactivation"), "reactivation", SAME_PASSWORD), "reactivation", status=410),
    State("link_expired", 1, opened("activation", days=3), "activation", status=410),
    State("link_used", 1, opened("used"), "activation", status=410),
    State("no_wizard_session", 0, visitor, CHARTER, status=410),
    State("welcome", 2, opened("activation"), "activation"),
    State("not_me", 2, at(CHARTER), "activation-not-me"),
    State("not_me_done", 8, at(CHARTER), "activation-not-me", {}),
    State("charter", 3, at(CHARTER), CHARTER),
    State("charter_refused", 2, at(CHARTER), "activation-charter-refused"),
    State("directory_choice", 2, at(DIRECTORY), DIRECTORY),
    State("mailbox", 2, at(MAILBOX), MAILBOX),
    State("verification", 3, at(VERIFICATION), VERIFICATION),
    State("verification_not_delivered", 3, at(VERIFICATION, BOUNCED), VERIFICATION),
    State("verification_without_a_mail", 3, at(VERIFICATION, mail_deleted), VERIFICATION),
    State("password", 2, at(PASSWORD), PASSWORD),
    State("done", 3, after(at(PASSWORD), PASSWORD, good_answer(PASSWORD)), "activation-done"),
    State("done_when_linked", 4, linked(after(at(PASSWORD), PASSWORD, good_answer(PASSWORD))), "activation-done"),
    State("password_when_linked", 2, linked(at(PASSWORD)), PASSWORD),
    State("account_when_linked", 9, linked(signed_in(opened_services)), "account"),
    State("account_password_when_linked", 2, linked(signed_in(category="student")), "account-password"),
    State("reminders", 3, opened("reminders"), "reminders"),
    State("reminders_link_expired", 3, opened("reminders", days=95), "reminders", status=410),
    State("account", 8, signed_in(), "account"),
    State("account_of_a_student", 8, signed_in(category="student", recovery_address=""), "account"),
    State("account_with_pending_addresses", 8, signed_in(forward, wish), "account"),
    State("language", 2, signed_in(), "account-language"),
    State("history", 6, signed_in(change_to), "account-history"),
    State("history_of_mails", 5, signed_in(wish), "account-history?sujet=e-mails"),
    State("history_with_several_pages", 5, signed_in(partial(record_logins, number=50)), "account-history?page=2"),
    State("personal_data", 2, signed_in(phone="+33611223344", ine="0123456789A"), "account-data"),
    State("directory_consent", 3, signed_in(), "account-directory"),
    State("directory_consent_given", 3, signed_in(agree_to_be_listed), "account-directory"),
    State("charter_accepted", 4, signed_in(), "account-charter"),
    State("charter_due", 5, new_charter_due, "account-charter"),
    State("new_charter_refused", 5, new_charter_due, "account-charter-refused"),
    State("sessions", 3, two_devices, "account-sessions"),
    State("address_to_confirm", 4, opened("redirection"), "redirection"),
    State("address_confirmed", 13, opened("redirection"), "redirection", {}),
    State("address_link_expired", 4, opened("redirection", days=3), "redirection", status=410),
    State("redirection_not_chosen", 3, signed_in(), REDIRECTION),
    State("redirection_pending", 4, signed_in(forward), REDIRECTION),
    State("redirection_whose_link_has_expired", 4, signed_in(forward, EXPIRED), REDIRECTION),
    State("redirection_not_delivered", 4, signed_in(forward, BOUNCED), REDIRECTION),
    State("redirection_with_password_prompt", 3, signed_in(has_given_password=False), REDIRECTION),
    State("redirection_stop", 3, signed_in(forward), STOP),
    State("recovery_address", 3, signed_in(), RECOVERY),
    State("recovery_address_missing", 3, signed_in(recovery_address=""), RECOVERY),
    State("recovery_address_pending", 4, signed_in(wish), RECOVERY),
    State("recovery_address_whose_link_has_expired", 4, signed_in(wish, EXPIRED), RECOVERY),
    State("recovery_address_not_delivered", 4, signed_in(wish, BOUNCED), RECOVERY),
    State("recovery_address_to_confirm", 5, opened("recovery"), CONFIRMATION),
    State("recovery_address_confirmed", 15, opened("recovery"), CONFIRMATION, {}),
    State("recovery_address_confirmed_twice", 3, after(opened("recovery"), CONFIRMATION), CONFIRMATION, status=410),
    State("recovery_address_link_expired", 4, opened("recovery", days=3), CONFIRMATION, status=410),
    State("change_to_report", 5, opened("change_notice"), "not-me"),
    State("change_reported", 0, lambda client: report(LINKS["change_notice"](), client), "not-me-done"),
    State("report_link_expired", 4, opened("change_notice", days=8), "not-me", status=410),
)
declare(
    REFUSALS,
    State("directory_searched_for_one_letter", 0, visitor, "directory?q=d"),
    State("assistance_empty", 0, visitor, "assistance", {}),
    State("assistance_all_wrong", 0, visitor, "assistance", ALL_WRONG),
    State("first_connection_refused", 0, visitor, "first-connection", IMPOSSIBLE_LOGIN),
    State("account_password_missing", 2, signed_in(), "account-password", {}),
    State("account_password_wrong", 4, signed_in(), "account-password", {**NEW_PASSWORD, **WRONG_PASSWORD}),
    State("login_refused", 2, visitor, "login", WRONG_LOGIN),
    State("login_throttled", 0, five_wrong_logins, "login", WRONG_LOGIN, 429),
    State("forgotten_password_refused", 0, visitor, "forgotten-password", IMPOSSIBLE_LOGIN),
    State("password_reset_refused", 2, opened("reset"), "password-reset", SHORT_PASSWORD),
    State("reactivation_refused", 2, opened("reactivation"), "reactivation", SHORT_PASSWORD),
    State("charter_not_ticked", 4, at(CHARTER), CHARTER, not_ticked),
    State("charter_changed", 4, at(CHARTER), CHARTER, {"version": "ancienne", "accepted": "on"}),
    State("directory_without_an_answer", 3, at(DIRECTORY), DIRECTORY, {}),
    State("mailbox_with_a_typo", 3, at(MAILBOX), MAILBOX, wizard.forward_to(TYPING_ERROR)),
    State("passwords_that_differ", 3, at(PASSWORD), PASSWORD, {"password": A_GOOD_PASSWORD, "password2": "autre"}),
    State("language_not_chosen", 2, signed_in(), "account-language", {"language": "de"}),
    State("directory_consent_without_an_answer", 3, signed_in(), "account-directory", {}),
    State("new_charter_not_ticked", 5, new_charter_due, "account-charter", not_ticked),
    State("redirection_with_a_typo", 3, signed_in(), REDIRECTION, TYPO),
    State("redirection_with_a_wrong_password", 5, signed_in(has_given_password=False), REDIRECTION, WRONG_PASSWORD),
    State("redirection_stop_without_password", 3, signed_in(forward, has_given_password=False), STOP, {}),
    State("recovery_address_with_a_typo", 3, signed_in(), RECOVERY, TYPO),
    State("recovery_address_with_a_wrong_password", 5, signed_in(has_given_password=False), RECOVERY, WRONG_PASSWORD),
)
declare(
    ACTIONS,
    State("log_in_with_password", 6, visitor, "login", lambda: {**SAME_PASSWORD, "login": active_account().login}, 302),
    State("ask_for_assistance", 8, visitor, "assistance", form_data(), 302),
    State("ask_for_a_link", 2, visitor, "first-connection", UNKNOWN_LOGIN, 302),
    State("change_the_password", 16, signed_in(), "account-password", CHANGED_PASSWORD, 302),
    State("ask_for_a_reset", 2, visitor, "forgotten-password", UNKNOWN_LOGIN, 302),
    State("reset_the_password", 11, opened("reset"), "password-reset", NEW_PASSWORD, 302),
    State("ask_for_another_reset", 4, opened("reset", hours=2), "password-reset-new-link", {}, 302),
    State("reactivate", 11, opened("reactivation"), "reactivation", SAME_PASSWORD, 302),
    State("ask_for_another_link", 4, opened("reactivation", days=3), "reactivation-new-link", {}, 302),
    State("begin_the_activation", 6, opened("activation"), "activation", {}, 302),
    State("accept_the_charter", 9, at(CHARTER), CHARTER, wizard.charter_answer, 302),
    State("answer_about_the_directory", 7, at(DIRECTORY), DIRECTORY, good_answer(DIRECTORY), 302),
    State("forward_the_mail", 12, at(MAILBOX), MAILBOX, wizard.forward_to(ELSEWHERE), 302),
    State("continue_without_verification", 5, at(VERIFICATION), VERIFICATION, {}, 302),
    State("activate", 15, at(PASSWORD), PASSWORD, good_answer(PASSWORD), 302),
    State("stop_reminders", 10, opened("reminders"), "reminders", {}, 302),
    State("choose_a_language", 5, signed_in(), "account-language", {"language": "en"}, 302),
    State("download_personal_data", 18, signed_in(), "account-data-copy", {}),
    State("log_out", 5, signed_in(), "logout", {}, 302),
    State("withdraw_directory_consent", 8, signed_in(agree_to_be_listed), "account-directory", NOT_LISTED, 302),
    State("accept_the_new_charter", 9, new_charter_due, "account-charter", wizard.charter_answer, 302),
    State("end_a_session", 7, lambda client: two_devices(client).handle, "account-session-end", {}, 302),
    State("end_the_other_sessions", 6, two_devices, "account-sessions-end-others", {}, 302),
    State("end_all_sessions", 7, two_devices, "account-sessions-end-all", {}, 302),
    State("change_the_redirection", 17, signed_in(), REDIRECTION, TO_ELSEWHERE, 302),
    State("stop_the_redirection", 12, signed_in(forward), STOP, {}, 302),
    State("change_the_recovery_address", 12, signed_in(), RECOVERY, {"address": NEW}, 302),
    State("resend_the_recovery_mail", 10, signed_in(wish, mail_deleted), "account-recovery-resend", {}, 302),
    State("cancel_the_recovery_address", 8, signed_in(wish), "account-recovery-cancel", {}, 302),
    State("report_a_change", 26, opened("change_notice"), "not-me", {}, 302),
)
