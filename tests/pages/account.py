"""The account page, history, data, language, directory choice, charter and sessions."""

from itertools import count

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.auth.session_backend import SEEN_AT
from accounts.enums import Category
from accounts.models import Account, Session
from activation.models import Charter
from activation.services import accept_charter
from directory.services import record_directory_consent
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.services import choose_redirection
from tests.accounts.recovery.recovering import change_to, wish
from tests.activation.wizard.client import charter_answer
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
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
from tests.signing_in import log_in

account_page("account", 8, "account")
account_page("language", 2, "account-language")
account_page("history_without_mails", 3, "account-history", "?sujet=e-mails")
account_page("charter_accepted", 4, "account-charter")
account_page("directory_consent", 3, "account-directory")
account_refusal("language_not_chosen", 2, "account-language", {"language": "de"})
account_refusal("directory_consent_without_an_answer", 3, "account-directory", {})
account_action("choose_a_language", 5, "account-language", {"language": "en"})
account_action("download_personal_data", 17, "account-data-copy", {}, 200)
account_action("log_out", 4, "logout", {})


@page(8)
def account_of_a_student_without_recovery_address(client: Client) -> PageRequest:
    logged_in(client, category=Category.STUDENT, recovery_address="")
    return PageRequest(reverse("account"))


@page(8)
def account_with_pending_addresses(client: Client) -> PageRequest:
    account = logged_in(client)
    choose_redirection(account=account, target="ailleurs@exemple.org", keep_copy=True)
    wish(account)
    return PageRequest(reverse("account"))


@page(6)
def history(client: Client) -> PageRequest:
    change_to(logged_in(client))
    return PageRequest(reverse("account-history"))


@page(5)
def history_of_mails(client: Client) -> PageRequest:
    wish(logged_in(client))
    return PageRequest(f"{reverse('account-history')}?sujet=e-mails")


def record_logins(account: Account, number: int) -> None:
    JournalEntry.objects.bulk_create(
        JournalEntry(account=account, actor=account, event=Event.SIGNED_IN, source="web") for _ in range(number)
    )


@page(5)
def history_with_several_pages(client: Client) -> PageRequest:
    record_logins(logged_in(client), 50)
    return PageRequest(f"{reverse('account-history')}?page=2")


@page(2)
def personal_data(client: Client) -> PageRequest:
    logged_in(client, phone="+33611223344", ine="0123456789A", employer="Laboratoire d’exemple")
    return PageRequest(reverse("account-data"))


def listed(client: Client) -> None:
    record_directory_consent(account=logged_in(client), listed=True, wording="?")


@page(3)
def directory_consent_given(client: Client) -> PageRequest:
    listed(client)
    return PageRequest(reverse("account-directory"))


@action(8)
def withdraw_directory_consent(client: Client) -> PageRequest:
    listed(client)
    return PageRequest(reverse("account-directory"), {"listed": "no", "understood": "on"}, 302)


versions = count(1)


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


def logged_in_before_a_new_charter(client: Client) -> None:
    account = active_account()
    publish_another_charter(f"2027-{next(versions):02}")
    log_in(client, account)


@page(5)
def charter_due(client: Client) -> PageRequest:
    logged_in_before_a_new_charter(client)
    return PageRequest(reverse("account-charter"))


@page(5)
def charter_due_for_the_first_time(client: Client) -> PageRequest:
    account = active_without_a_charter()
    client.post(reverse("login"), {"login": account.login, "password": A_GOOD_PASSWORD})
    return PageRequest(reverse("account-charter"))


@page(5)
def new_charter_refused(client: Client) -> PageRequest:
    logged_in_before_a_new_charter(client)
    return PageRequest(reverse("account-charter-refused"))


@page(4)
def charter_of_an_earlier_version(client: Client) -> PageRequest:
    account = logged_in(client)
    earlier = Charter.objects.in_force()
    accept_charter(account=account, charter=publish_another_charter(f"2027-{next(versions):02}"))
    return PageRequest(reverse("account-charter-version", args=[earlier.version]))


@refusal(5)
def new_charter_not_ticked(client: Client) -> PageRequest:
    logged_in_before_a_new_charter(client)
    return PageRequest(reverse("account-charter"), {"version": charter_answer()["version"]})


@action(9)
def accept_the_new_charter(client: Client) -> PageRequest:
    logged_in_before_a_new_charter(client)
    return PageRequest(reverse("account-charter"), charter_answer(), 302)


@page(2)
def login_after_an_expired_session(client: Client) -> PageRequest:
    logged_in(client)
    session = client.session
    session[SEEN_AT] = 0
    session.save()
    client.get(reverse("account"))
    return PageRequest(f"{reverse('login')}?next={reverse('account')}")


def logged_in_on_two_devices(client: Client) -> Session:
    """The session of the other device."""
    account = logged_in(client)
    other = Client(headers={"User-Agent": "Mozilla/5.0 (Android 14; Mobile) Firefox/140.0"})
    other.force_login(account)
    return Session.objects.get(session_key=other.session.session_key)


@page(3)
def sessions(client: Client) -> PageRequest:
    logged_in_on_two_devices(client)
    return PageRequest(reverse("account-sessions"))


@action(7)
def end_a_session(client: Client) -> PageRequest:
    return PageRequest(reverse("account-session-end", args=[logged_in_on_two_devices(client).handle]), {}, 302)


@action(6)
def end_the_other_sessions(client: Client) -> PageRequest:
    logged_in_on_two_devices(client)
    return PageRequest(reverse("account-sessions-end-others"), {}, 302)


@action(7)
def end_all_sessions(client: Client) -> PageRequest:
    logged_in_on_two_devices(client)
    return PageRequest(reverse("account-sessions-end-all"), {}, 302)
