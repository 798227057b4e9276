"""Every page of the portal in every state that a person can meet, each as the last request that shows it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.auth.session_backend import SEEN_AT
from accounts.enums import Category, LockReason
from accounts.links.links import password_reset_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from activation.links import reminders_link
from activation.models import Charter
from activation.reminders.services import stop_reminders
from activation.services import accept_charter
from core.rate_limits import BAD_LINKS_PER_CLIENT
from directory.services import record_directory_consent
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.links import redirection_link
from mailrouting.models import Redirection
from mailrouting.services import change_redirection, choose_redirection
from outbox.enums import Status
from outbox.models import Message
from tests.accounts.recovery.recovering import NEW, change_to, link_of, notice_of, report, wish
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    VERIFICATION,
    Answers,
    answer,
    answered_until,
    begin,
    charter_answer,
    forward_to,
    good_answer,
    link_to,
)
from tests.assistance.asking import ALL_WRONG, asked, asked_too_often
from tests.directory.listed import listed_people_called
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.locking import reactivation_path, released_person
from tests.signing_in import log_in

ELSEWHERE = "ailleurs@exemple.org"
ANOTHER_PASSWORD = "une-phrase-du-bureau-bleu"


class PageRequest(NamedTuple):
    """The request that is looked at: a GET, or a POST when there is something to send."""

    path: str
    sent: Answers | None = None
    status: int = 200

    def by(self, browser: Client) -> HttpResponse:
        return browser.get(self.path) if self.sent is None else browser.post(self.path, self.sent)


Page = Callable[[Client], PageRequest]
PAGES: dict[str, Page] = {}
# Pages shown because an answer was refused.
REFUSALS: dict[str, Page] = {}
# Answers that are recorded: redirects.
ACTS: dict[str, Page] = {}


def page(function: Page) -> Page:
    PAGES[function.__name__] = function
    return function


def refusal(function: Page) -> Page:
    REFUSALS[function.__name__] = function
    return function


def act(function: Page) -> Page:
    ACTS[function.__name__] = function
    return function


def standing_before(browser: Client, step: str, **facts: object) -> Account:
    person = pending_account(**facts)
    answered_until(person, step)
    begin(browser, person)
    return person


def waiting_for_a_click(browser: Client) -> Account:
    person = standing_before(browser, MAILBOX)
    answer(browser, MAILBOX, forward_to(ELSEWHERE))
    return person


def signed_in(browser: Client, **facts: object) -> Account:
    person = active_account(**facts)
    log_in(browser, person)
    return person


def verification_link(person: Account, *, days_ago: int = 0) -> str:
    deadline = redirection_link.deadline(timezone.now() - timedelta(days=days_ago))
    return reverse("redirection-link", args=[redirection_link.token(person, deadline, person.redirection.pk)])


def waiting_redirection() -> Account:
    person = active_account()
    choose_redirection(account=person, target=ELSEWHERE, keep_copy=False)
    return Account.objects.get(pk=person.pk)


# Public pages

for public in (
    "home",
    "help",
    "accessibility",
    "privacy",
    "legal",
    "sitemap",
    "locked-help",
    "assistance",
    "login",
    "single-sign-on-interrupted",
    "single-sign-on-unavailable",
    "single-sign-on-nobody",
    "signed-out",
    "first-connection",
):
    PAGES[public] = lambda browser, public=public: PageRequest(reverse(public))


@page
def answer_of_first_connection(browser: Client) -> PageRequest:
    browser.post(reverse("first-connection"), {"login": "camille.durand"})
    return PageRequest(reverse("first-connection-answer"))


@page
def answer_of_first_connection_opened_by_itself(browser: Client) -> PageRequest:
    return PageRequest(reverse("first-connection-answer"))


@page
def missing_page(browser: Client) -> PageRequest:
    return PageRequest(f"{reverse('home')}nulle-part/", status=404)


@page
def too_many_requests(browser: Client) -> PageRequest:
    for _ in range(30):
        BAD_LINKS_PER_CLIENT.hit("127.0.0.1")
    return PageRequest(reverse("activation-link", args=["abc"]), status=429)


@page
def form_open_for_too_long(browser: Client) -> PageRequest:
    browser.handler.enforce_csrf_checks = True
    return PageRequest(reverse("first-connection"), {"login": "quelqu.un"}, 403)


@page
def unreadable_request(browser: Client) -> PageRequest:
    return PageRequest(reverse("first-connection"), {f"field{number}": "x" for number in range(300)}, 400)


@page
def public_directory(browser: Client) -> PageRequest:
    return PageRequest(reverse("directory"))


@page
def public_directory_with_several_pages(browser: Client) -> PageRequest:
    listed_people_called("Durand", 21)
    return PageRequest(f"{reverse('directory')}?q=durand")


@page
def public_directory_with_a_slip(browser: Client) -> PageRequest:
    listed_people_called("Lefebvre", 1)
    return PageRequest(f"{reverse('directory')}?q=lefevbre")


@page
def public_directory_with_too_many(browser: Client) -> PageRequest:
    listed_people_called("Durand", 101)
    return PageRequest(f"{reverse('directory')}?q=durand&page=5")


@page
def public_directory_with_nobody(browser: Client) -> PageRequest:
    return PageRequest(f"{reverse('directory')}?q=durand")


# Assistance


@page
def assistance_sent(browser: Client) -> PageRequest:
    browser.post(reverse("assistance"), asked())
    return PageRequest(reverse("assistance-sent"))


@page
def assistance_sent_opened_by_itself(browser: Client) -> PageRequest:
    return PageRequest(reverse("assistance-sent"))


# The link and the wizard


@page
def link_not_valid(browser: Client) -> PageRequest:
    return PageRequest(reverse("activation-link", args=["abc"]), status=404)


@page
def link_expired(browser: Client) -> PageRequest:
    browser.get(link_to(pending_account(), built_at=timezone.now() - timedelta(days=3)))
    return PageRequest(reverse("activation"), status=410)


@page
def link_used(browser: Client) -> PageRequest:
    browser.get(link_to(active_account()))
    return PageRequest(reverse("activation"), status=410)


@page
def journey_lost(browser: Client) -> PageRequest:
    return PageRequest(reverse(CHARTER), status=410)


@page
def journey_of_somebody_locked(browser: Client) -> PageRequest:
    lock_account(account=standing_before(browser, DIRECTORY), reason=LockReason.PHISHING)
    return PageRequest(reverse(DIRECTORY), status=410)


@page
def welcome(browser: Client) -> PageRequest:
    browser.get(link_to(pending_account()))
    return PageRequest(reverse("activation"))


@page
def welcome_back(browser: Client) -> PageRequest:
    person = pending_account(category=Category.HOSTED)
    answered_until(person, DIRECTORY)
    browser.get(link_to(person))
    return PageRequest(reverse("activation"))


@page
def not_me(browser: Client) -> PageRequest:
    standing_before(browser, CHARTER)
    return PageRequest(reverse("activation-not-me"))


@page
def not_me_done(browser: Client) -> PageRequest:
    standing_before(browser, CHARTER)
    return PageRequest(reverse("activation-not-me"), {})


def reminders_link_opened(browser: Client, person: Account, *, days_ago: int = 0) -> None:
    deadline = reminders_link.deadline(timezone.now() - timedelta(days=days_ago))
    browser.get(reverse("reminders-link", args=[reminders_link.token(person, deadline)]))


@page
def reminders(browser: Client) -> PageRequest:
    reminders_link_opened(browser, pending_account())
    return PageRequest(reverse("reminders"))


@page
def reminders_stopped(browser: Client) -> PageRequest:
    return PageRequest(reverse("reminders-stopped"))


@page
def reminders_stopped_before(browser: Client) -> PageRequest:
    person = pending_account()
    reminders_link_opened(browser, person)
    stop_reminders(account=person)
    return PageRequest(reverse("reminders"), status=410)


@page
def reminders_link_expired(browser: Client) -> PageRequest:
    reminders_link_opened(browser, pending_account(), days_ago=95)
    return PageRequest(reverse("reminders"), status=410)


@page
def reminders_link_not_valid(browser: Client) -> PageRequest:
    return PageRequest(reverse("reminders-link", args=["abc"]), status=404)


@act
def stop_the_reminders(browser: Client) -> PageRequest:
    reminders_link_opened(browser, pending_account())
    return PageRequest(reverse("reminders"), {}, 302)


@page
def charter(browser: Client) -> PageRequest:
    standing_before(browser, CHARTER)
    return PageRequest(reverse(CHARTER))


@page
def charter_refused(browser: Client) -> PageRequest:
    standing_before(browser, CHARTER)
    return PageRequest(reverse("activation-charter-refused"))


@page
def directory(browser: Client) -> PageRequest:
    standing_before(browser, DIRECTORY)
    return PageRequest(reverse(DIRECTORY))


@page
def directory_again(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD)
    return PageRequest(reverse(DIRECTORY))


@page
def mailbox(browser: Client) -> PageRequest:
    standing_before(browser, MAILBOX)
    return PageRequest(reverse(MAILBOX))


@page
def verification(browser: Client) -> PageRequest:
    waiting_for_a_click(browser)
    return PageRequest(reverse(VERIFICATION))


@page
def verification_too_early(browser: Client) -> PageRequest:
    waiting_for_a_click(browser)
    browser.post(reverse("activation-verification-resend"))
    return PageRequest(f"{reverse(VERIFICATION)}?verifie")


@page
def verification_not_delivered(browser: Client) -> PageRequest:
    Message.objects.filter(person=waiting_for_a_click(browser)).update(status=Status.BOUNCED)
    return PageRequest(reverse(VERIFICATION))


@page
def verification_without_a_mail(browser: Client) -> PageRequest:
    Message.objects.filter(person=waiting_for_a_click(browser)).delete()
    return PageRequest(reverse(VERIFICATION))


@page
def verification_done(browser: Client) -> PageRequest:
    person = waiting_for_a_click(browser)
    person.redirection.verified_at = timezone.now()
    person.redirection.save()
    return PageRequest(reverse(VERIFICATION))


@page
def password(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD)
    return PageRequest(reverse(PASSWORD))


@page
def password_of_a_student(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD, category=Category.STUDENT)
    return PageRequest(reverse(PASSWORD))


@page
def password_while_an_address_waits(browser: Client) -> PageRequest:
    waiting_for_a_click(browser)
    answer(browser, VERIFICATION)
    return PageRequest(reverse(PASSWORD))


@page
def done(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD)
    answer(browser, PASSWORD)
    return PageRequest(reverse("activation-done"))


@page
def done_for_a_student(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD, category=Category.STUDENT)
    answer(browser, PASSWORD)
    return PageRequest(reverse("activation-done"))


# The proof of a forwarding address


@page
def address_to_confirm(browser: Client) -> PageRequest:
    browser.get(verification_link(waiting_redirection()))
    return PageRequest(reverse("redirection"))


@page
def address_confirmed(browser: Client) -> PageRequest:
    browser.get(verification_link(waiting_redirection()))
    return PageRequest(reverse("redirection"), {})


@page
def address_confirmed_before(browser: Client) -> PageRequest:
    browser.get(verification_link(waiting_redirection()))
    browser.post(reverse("redirection"))
    return PageRequest(reverse("redirection"))


@page
def address_link_expired(browser: Client) -> PageRequest:
    browser.get(verification_link(waiting_redirection(), days_ago=3))
    return PageRequest(reverse("redirection"), status=410)


@page
def address_link_not_valid(browser: Client) -> PageRequest:
    return PageRequest(reverse("redirection-link", args=["abc"]), status=404)


# The account


@page
def account(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account"))


@page
def account_of_a_student(browser: Client) -> PageRequest:
    signed_in(browser, category=Category.STUDENT)
    return PageRequest(reverse("account"))


@page
def account_with_an_address_that_waits(browser: Client) -> PageRequest:
    choose_redirection(account=signed_in(browser), target=ELSEWHERE, keep_copy=True)
    return PageRequest(reverse("account"))


# The password and the sessions


@page
def forgotten_password(browser: Client) -> PageRequest:
    return PageRequest(reverse("forgotten-password"))


@page
def forgotten_password_answer(browser: Client) -> PageRequest:
    browser.post(reverse("forgotten-password"), {"login": "camille.durand"})
    return PageRequest(reverse("forgotten-password-answer"))


def reset_link(person: Account, built_at: datetime | None = None) -> str:
    deadline = password_reset_link.deadline(built_at or timezone.now())
    return reverse(
        "password-reset-link", args=[password_reset_link.token(person, deadline, password_reset_link.subject(person))]
    )


def before_a_new_password(browser: Client) -> Account:
    person = active_account()
    browser.get(reset_link(person))
    return person


@page
def reactivation(browser: Client) -> PageRequest:
    browser.get(reactivation_path(released_person()))
    return PageRequest(reverse("reactivation"))


@page
def reactivation_of_a_student(browser: Client) -> PageRequest:
    browser.get(reactivation_path(released_person(category=Category.STUDENT)))
    return PageRequest(reverse("reactivation"))


@page
def reactivation_expired(browser: Client) -> PageRequest:
    browser.get(reactivation_path(released_person(), timezone.now() - timedelta(days=3)))
    return PageRequest(reverse("reactivation"), status=410)


@page
def reactivation_used(browser: Client) -> PageRequest:
    browser.get(reactivation_path(released_person()))
    browser.post(reverse("reactivation"), {"password": A_GOOD_PASSWORD})
    return PageRequest(reverse("reactivation"), status=410)


@page
def reactivation_not_valid(browser: Client) -> PageRequest:
    return PageRequest(reverse("reactivation-link", args=["abc"]), status=404)


@page
def reactivation_done(browser: Client) -> PageRequest:
    return PageRequest(reverse("reactivation-done"))


@page
def password_reset(browser: Client) -> PageRequest:
    before_a_new_password(browser)
    return PageRequest(reverse("password-reset"))


@page
def password_reset_expired(browser: Client) -> PageRequest:
    browser.get(reset_link(active_account(), timezone.now() - timedelta(hours=2)))
    return PageRequest(reverse("password-reset"), status=410)


@page
def password_reset_used(browser: Client) -> PageRequest:
    before_a_new_password(browser)
    browser.post(reverse("password-reset"), {"password": ANOTHER_PASSWORD})
    return PageRequest(reverse("password-reset"), status=410)


@page
def password_reset_not_valid(browser: Client) -> PageRequest:
    return PageRequest(reverse("password-reset-link", args=["abc"]), status=404)


@page
def password_reset_done(browser: Client) -> PageRequest:
    return PageRequest(reverse("password-reset-done"))


@page
def account_password(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-password"))


@page
def sign_in_after_a_session_that_is_over(browser: Client) -> PageRequest:
    signed_in(browser)
    session = browser.session
    session[SEEN_AT] = 0
    session.save()
    browser.get(reverse("account"))
    return PageRequest(f"{reverse('login')}?next={reverse('account')}")


@page
def account_sessions(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-sessions"))


@page
def account_sessions_on_several_devices(browser: Client) -> PageRequest:
    Client(headers={"User-Agent": "Mozilla/5.0 (Android 14; Mobile) Firefox/140.0"}).force_login(signed_in(browser))
    return PageRequest(reverse("account-sessions"))


# Forwarding after the activation


def signed_in_with_a_redirection(browser: Client, target: str = ELSEWHERE) -> Account:
    person = signed_in(browser)
    change_redirection(account=person, target=target, keep_copy=True)
    return person


@page
def redirection_not_chosen(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-redirection"))


@page
def redirection_in_force(browser: Client) -> PageRequest:
    person = signed_in(browser)
    change_redirection(account=person, target=person.recovery_address, keep_copy=False)
    return PageRequest(reverse("account-redirection"))


@page
def redirection_that_waits(browser: Client) -> PageRequest:
    signed_in_with_a_redirection(browser)
    return PageRequest(reverse("account-redirection"))


@page
def redirection_whose_link_has_expired(browser: Client) -> PageRequest:
    person = signed_in_with_a_redirection(browser)
    Message.objects.filter(person=person).update(deadline=timezone.now() - timedelta(hours=1))
    return PageRequest(reverse("account-redirection"))


@page
def redirection_not_delivered(browser: Client) -> PageRequest:
    Message.objects.filter(person=signed_in_with_a_redirection(browser)).update(status=Status.BOUNCED)
    return PageRequest(reverse("account-redirection"))


@page
def redirection_without_a_mail(browser: Client) -> PageRequest:
    Message.objects.filter(person=signed_in_with_a_redirection(browser)).delete()
    return PageRequest(reverse("account-redirection"))


@page
def redirection_suspended(browser: Client) -> PageRequest:
    person = signed_in_with_a_redirection(browser)
    Redirection.objects.filter(account=person).update(target="chez.nous@univ-exemple.fr", verified_at=timezone.now())
    return PageRequest(reverse("account-redirection"))


@page
def redirection_with_the_password_to_give(browser: Client) -> PageRequest:
    browser.force_login(active_account())
    return PageRequest(reverse("account-redirection"))


@page
def redirection_to_stop(browser: Client) -> PageRequest:
    signed_in_with_a_redirection(browser)
    return PageRequest(reverse("account-redirection-stop"))


@page
def redirection_to_stop_with_the_password_to_give(browser: Client) -> PageRequest:
    person = active_account()
    change_redirection(account=person, target=person.recovery_address, keep_copy=True)
    browser.force_login(person)
    return PageRequest(reverse("account-redirection-stop"))


# The charter after the activation

charters = count(1)


def publish_another_charter(version: str = "2026-11") -> Charter:
    return Charter.objects.create(
        version=version,
        text_fr="Cette charte remplace la précédente.\n\n## Article 1. Une autre règle\n\nNouveau texte.",
        text_en="This charter replaces the one before.\n\n## Article 1. Another rule\n\nNew text.",
        key_points_fr="Votre mot de passe est personnel, ne le donnez à personne.\nUne nouvelle règle.",
        key_points_en="Your password is personal; never give it to anyone.\nA new rule.",
        published_at=timezone.now(),
    )


def signed_in_before_a_new_charter(browser: Client) -> Account:
    person = active_account()
    publish_another_charter(f"2027-{next(charters):02}")
    log_in(browser, person)
    return person


@page
def charter_due(browser: Client) -> PageRequest:
    signed_in_before_a_new_charter(browser)
    return PageRequest(reverse("account-charter"))


def active_without_a_charter() -> Account:
    """An agent whom the command line made."""
    person = pending_account(is_staff=True)
    person.charter_accepted_at = person.activated_at = person.password_changed_at = timezone.now()
    person.set_password(A_GOOD_PASSWORD)
    person.save()
    return person


@page
def charter_due_for_the_first_time(browser: Client) -> PageRequest:
    person = active_without_a_charter()
    browser.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})
    return PageRequest(reverse("account-charter"))


@page
def charter_not_accepted(browser: Client) -> PageRequest:
    signed_in_before_a_new_charter(browser)
    return PageRequest(reverse("account-charter-refused"))


@page
def charter_accepted(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-charter"))


@page
def charter_accepted_before(browser: Client) -> PageRequest:
    person = signed_in(browser)
    earlier = Charter.objects.in_force()
    accept_charter(account=person, charter=publish_another_charter(f"2027-{next(charters):02}"))
    return PageRequest(reverse("account-charter-version", args=[earlier.version]))


@page
def choice_about_the_directory(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-directory"))


@page
def choice_about_the_directory_of_somebody_listed(browser: Client) -> PageRequest:
    record_directory_consent(account=signed_in(browser), listed=True, wording="?")
    return PageRequest(reverse("account-directory"))


# The recovery address, and the way back


def signed_in_with_an_address_that_waits(browser: Client) -> Account:
    person = signed_in(browser)
    wish(person)
    return person


@page
def recovery_address(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-recovery"))


@page
def recovery_address_missing(browser: Client) -> PageRequest:
    signed_in(browser, recovery_address="")
    return PageRequest(reverse("account-recovery"))


@page
def recovery_address_with_the_password_to_give(browser: Client) -> PageRequest:
    browser.force_login(active_account())
    return PageRequest(reverse("account-recovery"))


@page
def recovery_address_that_waits(browser: Client) -> PageRequest:
    signed_in_with_an_address_that_waits(browser)
    return PageRequest(reverse("account-recovery"))


@page
def recovery_address_whose_link_has_expired(browser: Client) -> PageRequest:
    person = signed_in_with_an_address_that_waits(browser)
    Message.objects.filter(person=person).update(deadline=timezone.now() - timedelta(hours=1))
    return PageRequest(reverse("account-recovery"))


@page
def recovery_address_not_delivered(browser: Client) -> PageRequest:
    Message.objects.filter(person=signed_in_with_an_address_that_waits(browser)).update(status=Status.BOUNCED)
    return PageRequest(reverse("account-recovery"))


@page
def recovery_address_to_confirm(browser: Client) -> PageRequest:
    browser.get(link_of(wish(active_account())))
    return PageRequest(reverse("recovery-address"))


@page
def recovery_address_confirmed(browser: Client) -> PageRequest:
    browser.get(link_of(wish(active_account())))
    return PageRequest(reverse("recovery-address"), {})


@page
def recovery_address_confirmed_before(browser: Client) -> PageRequest:
    browser.get(link_of(wish(active_account())))
    browser.post(reverse("recovery-address"))
    return PageRequest(reverse("recovery-address"), status=410)


@page
def recovery_address_link_expired(browser: Client) -> PageRequest:
    browser.get(link_of(wish(active_account()), days_ago=3))
    return PageRequest(reverse("recovery-address"), status=410)


@page
def recovery_address_link_not_valid(browser: Client) -> PageRequest:
    return PageRequest(reverse("recovery-address-link", args=["abc"]), status=404)


@page
def change_that_was_not_me(browser: Client) -> PageRequest:
    browser.get(notice_of(change_to(active_account())))
    return PageRequest(reverse("not-me"))


@page
def change_just_reported(browser: Client) -> PageRequest:
    report(notice_of(change_to(active_account())), browser)
    return PageRequest(reverse("not-me-done"))


@page
def change_reported_before(browser: Client) -> PageRequest:
    link = notice_of(change_to(active_account()))
    report(link)
    browser.get(link)
    return PageRequest(reverse("not-me"), status=410)


@page
def notice_expired(browser: Client) -> PageRequest:
    browser.get(notice_of(change_to(active_account()), days_ago=8))
    return PageRequest(reverse("not-me"), status=410)


@page
def notice_not_valid(browser: Client) -> PageRequest:
    return PageRequest(reverse("not-me-link", args=["abc"]), status=404)


# What the portal knows


@page
def history_of_everything(browser: Client) -> PageRequest:
    person = signed_in(browser)
    change_to(person)
    return PageRequest(reverse("account-history"))


@page
def history_of_mails(browser: Client) -> PageRequest:
    signed_in_with_an_address_that_waits(browser)
    return PageRequest(f"{reverse('account-history')}?sujet=e-mails")


@page
def history_of_mails_without_any(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(f"{reverse('account-history')}?sujet=e-mails")


@page
def history_with_several_pages(browser: Client) -> PageRequest:
    person = signed_in(browser)
    JournalEntry.objects.bulk_create(
        JournalEntry(account=person, actor=person, event=Event.SIGNED_IN, source="web") for _ in range(50)
    )
    return PageRequest(f"{reverse('account-history')}?page=2")


@page
def personal_data(browser: Client) -> PageRequest:
    signed_in(browser, phone="+33611223344", ine="0123456789A", employer="Laboratoire d’exemple")
    return PageRequest(reverse("account-data"))


@page
def language(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-language"))


@page
def account_without_a_recovery_address(browser: Client) -> PageRequest:
    signed_in(browser, recovery_address="")
    return PageRequest(reverse("account"))


@page
def account_with_a_recovery_address_that_waits(browser: Client) -> PageRequest:
    signed_in_with_an_address_that_waits(browser)
    return PageRequest(reverse("account"))


# Answers that are refused


@refusal
def recovery_address_not_typed(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-recovery"), {"address": " "})


@refusal
def recovery_address_with_a_slip(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-recovery"), {"address": "camille@gmial.com"})


@refusal
def recovery_address_with_a_wrong_password(browser: Client) -> PageRequest:
    browser.force_login(active_account())
    return PageRequest(reverse("account-recovery"), {"address": "camille@univ-exemple.fr", "current_password": "faux"})


@refusal
def recovery_address_asked_too_often(browser: Client) -> PageRequest:
    for _ in range(3):
        wish(active_account())
    signed_in(browser)
    return PageRequest(reverse("account-recovery"), {"address": NEW})


@refusal
def language_not_chosen(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-language"), {"language": "de"})


@refusal
def redirection_without_an_address(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-redirection"), {"target": " "})


@refusal
def redirection_with_a_slip(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-redirection"), {"target": "camille@gmial.com"})


@refusal
def redirection_with_a_wrong_password(browser: Client) -> PageRequest:
    browser.force_login(active_account())
    return PageRequest(reverse("account-redirection"), {"target": "univ@univ-exemple.fr", "current_password": "faux"})


@refusal
def redirection_to_stop_without_the_password(browser: Client) -> PageRequest:
    person = active_account()
    change_redirection(account=person, target=ELSEWHERE, keep_copy=True)
    browser.force_login(person)
    return PageRequest(reverse("account-redirection-stop"), {})


@refusal
def public_directory_asked_for_one_letter(browser: Client) -> PageRequest:
    return PageRequest(f"{reverse('directory')}?q=d")


@refusal
def choice_about_the_directory_without_an_answer(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-directory"), {})


@refusal
def sign_in_without_anything(browser: Client) -> PageRequest:
    return PageRequest(reverse("login"), {})


@refusal
def sign_in_refused(browser: Client) -> PageRequest:
    return PageRequest(reverse("login"), {"login": "quelqu.un", "password": "faux"})


@refusal
def sign_in_slowed(browser: Client) -> PageRequest:
    for _ in range(5):
        browser.post(reverse("login"), {"login": "quelqu.un", "password": "faux"})
    return PageRequest(reverse("login"), {"login": "quelqu.un", "password": "faux"}, 429)


@refusal
def assistance_without_anything(browser: Client) -> PageRequest:
    return PageRequest(reverse("assistance"), {})


@refusal
def assistance_all_wrong(browser: Client) -> PageRequest:
    return PageRequest(reverse("assistance"), ALL_WRONG)


@refusal
def assistance_of_a_student_without_a_number(browser: Client) -> PageRequest:
    return PageRequest(reverse("assistance"), asked(profile="student", ine=""))


@refusal
def assistance_asked_for_too_often(browser: Client) -> PageRequest:
    asked_too_often()
    return PageRequest(reverse("assistance"), asked(), 429)


@refusal
def forgotten_password_refused(browser: Client) -> PageRequest:
    return PageRequest(reverse("forgotten-password"), {"login": "a b c"})


@refusal
def reactivation_refused(browser: Client) -> PageRequest:
    browser.get(reactivation_path(released_person()))
    return PageRequest(reverse("reactivation"), {"password": "court"})


@refusal
def password_reset_refused(browser: Client) -> PageRequest:
    before_a_new_password(browser)
    return PageRequest(reverse("password-reset"), {"password": "court", "password2": "autre"})


@refusal
def account_password_with_a_wrong_one(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-password"), {"current_password": "faux", "password": ANOTHER_PASSWORD})


@refusal
def account_password_without_anything(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-password"), {})


@refusal
def account_password_that_is_the_same(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-password"), {"current_password": A_GOOD_PASSWORD, "password": A_GOOD_PASSWORD})


@refusal
def account_password_after_too_many_tries(browser: Client) -> PageRequest:
    signed_in(browser)
    wrong = {"current_password": "faux", "password": ANOTHER_PASSWORD}
    for _ in range(5):
        browser.post(reverse("account-password"), wrong)
    return PageRequest(reverse("account-password"), wrong, 429)


@refusal
def first_connection_refused(browser: Client) -> PageRequest:
    return PageRequest(reverse("first-connection"), {"login": "a b c"})


@refusal
def charter_not_ticked(browser: Client) -> PageRequest:
    standing_before(browser, CHARTER)
    return PageRequest(reverse(CHARTER), {"version": charter_answer()["version"]})


@refusal
def charter_changed(browser: Client) -> PageRequest:
    standing_before(browser, CHARTER)
    return PageRequest(reverse(CHARTER), {"version": "ancienne", "accepted": "on"})


@refusal
def directory_without_an_answer(browser: Client) -> PageRequest:
    standing_before(browser, DIRECTORY)
    return PageRequest(reverse(DIRECTORY), {})


@refusal
def mailbox_without_an_address(browser: Client) -> PageRequest:
    standing_before(browser, MAILBOX)
    return PageRequest(reverse(MAILBOX), forward_to(""))


@refusal
def mailbox_with_a_slip(browser: Client) -> PageRequest:
    standing_before(browser, MAILBOX)
    return PageRequest(reverse(MAILBOX), forward_to("camille@gmial.com"))


@refusal
def mailbox_with_an_own_address(browser: Client) -> PageRequest:
    standing_before(browser, MAILBOX)
    return PageRequest(reverse(MAILBOX), forward_to("camille@univ-exemple.fr"))


@refusal
def password_refused(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD)
    return PageRequest(reverse(PASSWORD), {"password": "court"})


@refusal
def passwords_that_differ(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD)
    return PageRequest(reverse(PASSWORD), {"password": A_GOOD_PASSWORD, "password2": "autre"})


@refusal
def new_charter_not_ticked(browser: Client) -> PageRequest:
    signed_in_before_a_new_charter(browser)
    return PageRequest(reverse("account-charter"), {"version": charter_answer()["version"]})


# Answers that are recorded


@act
def change_the_recovery_address(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-recovery"), {"address": NEW}, 302)


@act
def ask_again_for_the_recovery_mail(browser: Client) -> PageRequest:
    Message.objects.filter(person=signed_in_with_an_address_that_waits(browser)).delete()
    return PageRequest(reverse("account-recovery-resend"), {}, 302)


@act
def keep_the_recovery_address(browser: Client) -> PageRequest:
    signed_in_with_an_address_that_waits(browser)
    return PageRequest(reverse("account-recovery-cancel"), {}, 302)


@act
def report_a_change(browser: Client) -> PageRequest:
    browser.get(notice_of(change_to(active_account())))
    return PageRequest(reverse("not-me"), {}, 302)


@act
def choose_a_language(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-language"), {"language": "en"}, 302)


@act
def take_a_copy_of_the_data(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-data-copy"), {}, 200)


@act
def change_the_redirection(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("account-redirection"), {"target": ELSEWHERE, "keep_copy": "on"}, 302)


@act
def stop_the_redirection(browser: Client) -> PageRequest:
    signed_in_with_a_redirection(browser)
    return PageRequest(reverse("account-redirection-stop"), {}, 302)


@act
def leave_the_directory(browser: Client) -> PageRequest:
    record_directory_consent(account=signed_in(browser), listed=True, wording="?")
    return PageRequest(reverse("account-directory"), {"listed": "no", "understood": "on"}, 302)


@act
def ask_for_assistance(browser: Client) -> PageRequest:
    return PageRequest(reverse("assistance"), asked(), 302)


@act
def ask_for_a_link(browser: Client) -> PageRequest:
    return PageRequest(reverse("first-connection"), {"login": "quelqu.un"}, 302)


@act
def begin_the_activation(browser: Client) -> PageRequest:
    browser.get(link_to(pending_account()))
    return PageRequest(reverse("activation"), {}, 302)


@act
def accept_the_charter(browser: Client) -> PageRequest:
    standing_before(browser, CHARTER)
    return PageRequest(reverse(CHARTER), charter_answer(), 302)


@act
def answer_about_the_directory(browser: Client) -> PageRequest:
    standing_before(browser, DIRECTORY)
    return PageRequest(reverse(DIRECTORY), good_answer(DIRECTORY), 302)


@act
def forward_the_mail(browser: Client) -> PageRequest:
    standing_before(browser, MAILBOX)
    return PageRequest(reverse(MAILBOX), forward_to(ELSEWHERE), 302)


@act
def go_on_without_waiting(browser: Client) -> PageRequest:
    waiting_for_a_click(browser)
    return PageRequest(reverse(VERIFICATION), {}, 302)


@act
def activate(browser: Client) -> PageRequest:
    standing_before(browser, PASSWORD)
    return PageRequest(reverse(PASSWORD), good_answer(PASSWORD), 302)


@act
def accept_the_new_charter(browser: Client) -> PageRequest:
    signed_in_before_a_new_charter(browser)
    return PageRequest(reverse("account-charter"), charter_answer(), 302)


@act
def reactivate(browser: Client) -> PageRequest:
    browser.get(reactivation_path(released_person()))
    return PageRequest(reverse("reactivation"), {"password": A_GOOD_PASSWORD}, 302)


@act
def ask_for_another_reactivation_link(browser: Client) -> PageRequest:
    browser.get(reactivation_path(released_person(), timezone.now() - timedelta(days=3)))
    return PageRequest(reverse("reactivation-new-link"), {}, 302)


@act
def sign_in(browser: Client) -> PageRequest:
    return PageRequest(reverse("login"), {"login": active_account().login, "password": A_GOOD_PASSWORD}, 302)


@act
def ask_for_a_reset(browser: Client) -> PageRequest:
    return PageRequest(reverse("forgotten-password"), {"login": "quelqu.un"}, 302)


@act
def ask_for_another_reset(browser: Client) -> PageRequest:
    browser.get(reset_link(active_account(), timezone.now() - timedelta(hours=2)))
    return PageRequest(reverse("password-reset-new-link"), {}, 302)


@act
def reset_the_password(browser: Client) -> PageRequest:
    before_a_new_password(browser)
    return PageRequest(reverse("password-reset"), {"password": ANOTHER_PASSWORD}, 302)


@act
def change_the_password(browser: Client) -> PageRequest:
    signed_in(browser)
    typed = {"current_password": A_GOOD_PASSWORD, "password": ANOTHER_PASSWORD}
    return PageRequest(reverse("account-password"), typed, 302)


def signed_in_on_two_devices(browser: Client) -> Session:
    """Answers the session on the other one."""
    person = signed_in(browser)
    other = Client()
    other.force_login(person)
    return Session.objects.get(session_key=other.session.session_key)


@act
def end_a_session(browser: Client) -> PageRequest:
    return PageRequest(reverse("account-session-end", args=[signed_in_on_two_devices(browser).handle]), {}, 302)


@act
def end_the_other_sessions(browser: Client) -> PageRequest:
    signed_in_on_two_devices(browser)
    return PageRequest(reverse("account-sessions-end-others"), {}, 302)


@act
def end_all_sessions(browser: Client) -> PageRequest:
    signed_in_on_two_devices(browser)
    return PageRequest(reverse("account-sessions-end-all"), {}, 302)


@act
def sign_out(browser: Client) -> PageRequest:
    signed_in(browser)
    return PageRequest(reverse("logout"), {}, 302)
