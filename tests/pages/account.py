"""The account of a person: their data, sessions, charter, forwarding of mail and recovery address."""

from datetime import timedelta
from functools import partial

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, Session
from activation.models import Charter
from directory.services import record_directory_consent
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.links import redirection_link
from mailrouting.services import change_redirection, choose_redirection
from tests.accounts.recovery.recovering import NEW, change_to, link_of, notice_of, report, wish
from tests.activation.wizard.client import charter_answer
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account, reloaded
from tests.pages.public import mail_bounced, mail_deleted, mail_expired, not_ticked
from tests.pages.registry import ACTIONS, PAGES, REFUSALS, State, after, declare, logged_in, signed_in
from tests.signing_in import log_in

ELSEWHERE = "ailleurs@exemple.org"
REDIRECTION, STOP, RECOVERY = "account-redirection", "account-redirection-stop", "account-recovery"
CONFIRMATION = "recovery-address"
TO_ELSEWHERE = {"target": ELSEWHERE, "keep_copy": "on"}
WRONG_PASSWORD = {"current_password": "faux", "target": "camille@univ-exemple.fr", "address": "camille@univ-exemple.fr"}
TYPO = {"target": "camille@gmial.com", "address": "camille@gmial.com"}
NOT_LISTED = {"listed": "no", "understood": "on"}


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


def new_charter_due(client: Client) -> None:
    account = active_account()
    publish_another_charter()
    log_in(client, account)


def two_devices(client: Client) -> Session:
    """The session of the other device."""
    other = Client(headers={"User-Agent": "Mozilla/5.0 (Android 14; Mobile) Firefox/140.0"})
    other.force_login(logged_in(client))
    return Session.objects.get(session_key=other.session.session_key)


def other_device(client: Client) -> str:
    return two_devices(client).handle


def open_redirection_link(client: Client, *, days_ago: int = 0) -> None:
    account = active_account()
    choose_redirection(account=account, target=ELSEWHERE, keep_copy=False)
    account, deadline = reloaded(account), redirection_link.deadline(timezone.now() - timedelta(days=days_ago))
    client.get(reverse("redirection-link", args=[redirection_link.token(account, deadline, account.redirection.pk)]))


def open_recovery_link(client: Client, *, days_ago: int = 0) -> None:
    client.get(link_of(wish(active_account()), days_ago=days_ago))


def open_report_link(client: Client, *, days_ago: int = 0) -> None:
    client.get(notice_of(change_to(active_account()), days_ago=days_ago))


def change_reported(client: Client) -> None:
    report(notice_of(change_to(active_account())), client)


declare(
    PAGES,
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
    State("address_to_confirm", 4, open_redirection_link, "redirection"),
    State("address_confirmed", 13, open_redirection_link, "redirection", {}),
    State("address_link_expired", 4, partial(open_redirection_link, days_ago=3), "redirection", status=410),
    State("redirection_not_chosen", 3, signed_in(), REDIRECTION),
    State("redirection_pending", 4, signed_in(forward), REDIRECTION),
    State("redirection_whose_link_has_expired", 4, signed_in(forward, mail_expired), REDIRECTION),
    State("redirection_not_delivered", 4, signed_in(forward, mail_bounced), REDIRECTION),
    State("redirection_with_password_prompt", 3, signed_in(has_given_password=False), REDIRECTION),
    State("redirection_stop", 3, signed_in(forward), STOP),
    State("recovery_address", 3, signed_in(), RECOVERY),
    State("recovery_address_missing", 3, signed_in(recovery_address=""), RECOVERY),
    State("recovery_address_pending", 4, signed_in(wish), RECOVERY),
    State("recovery_address_whose_link_has_expired", 4, signed_in(wish, mail_expired), RECOVERY),
    State("recovery_address_not_delivered", 4, signed_in(wish, mail_bounced), RECOVERY),
    State("recovery_address_to_confirm", 5, open_recovery_link, CONFIRMATION),
    State("recovery_address_confirmed", 15, open_recovery_link, CONFIRMATION, {}),
    State("recovery_address_confirmed_twice", 3, after(open_recovery_link, CONFIRMATION), CONFIRMATION, status=410),
    State("recovery_address_link_expired", 4, partial(open_recovery_link, days_ago=3), CONFIRMATION, status=410),
    State("change_to_report", 5, open_report_link, "not-me"),
    State("change_reported", 0, change_reported, "not-me-done"),
    State("report_link_expired", 4, partial(open_report_link, days_ago=8), "not-me", status=410),
)
declare(
    REFUSALS,
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
    State("choose_a_language", 5, signed_in(), "account-language", {"language": "en"}, 302),
    State("download_personal_data", 17, signed_in(), "account-data-copy", {}),
    State("log_out", 4, signed_in(), "logout", {}, 302),
    State("withdraw_directory_consent", 8, signed_in(agree_to_be_listed), "account-directory", NOT_LISTED, 302),
    State("accept_the_new_charter", 9, new_charter_due, "account-charter", charter_answer, 302),
    State("end_a_session", 7, other_device, "account-session-end", {}, 302),
    State("end_the_other_sessions", 6, two_devices, "account-sessions-end-others", {}, 302),
    State("end_all_sessions", 7, two_devices, "account-sessions-end-all", {}, 302),
    State("change_the_redirection", 17, signed_in(), REDIRECTION, TO_ELSEWHERE, 302),
    State("stop_the_redirection", 12, signed_in(forward), STOP, {}, 302),
    State("change_the_recovery_address", 12, signed_in(), RECOVERY, {"address": NEW}, 302),
    State("resend_the_recovery_mail", 10, signed_in(wish, mail_deleted), "account-recovery-resend", {}, 302),
    State("cancel_the_recovery_address", 8, signed_in(wish), "account-recovery-cancel", {}, 302),
    State("report_a_change", 25, open_report_link, "not-me", {}, 302),
)
