"""Signed-in test clients. `log_in` writes the session of the login page: `test_login.py` compares the two."""

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.auth.session_backend import SEEN_AT, SIGNED_IN_AT, SessionStore
from accounts.auth.sessions import CONFIRMED_AT, SECOND_FACTOR_AT
from accounts.models import Account
from accounts.services import record_login
from activation.charter.gate import CHARTER_DUE_KEY
from activation.models import Charter
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.services import record_event
from tests.factories import A_GOOD_PASSWORD

#: What the portal sees of Django's test client.
FROM_A_BROWSER = RequestContext("web", "127.0.0.1", "", "0" * 32)


def log_in(browser: Client, person: Account, *, second_factor: TOTPDevice | None = None) -> Client:
    """Write the session of a person who has just given their password, and a code of `second_factor` if there is one."""
    now = int(timezone.now().timestamp())
    session = SessionStore()
    session.update({SESSION_KEY: str(person.pk), BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0]})
    session.update({HASH_SESSION_KEY: person.get_session_auth_hash()})
    session.update(dict.fromkeys((SIGNED_IN_AT, SEEN_AT, CONFIRMED_AT), now))
    if Charter.objects.is_due_from(person):
        session[CHARTER_DUE_KEY] = True
    if second_factor:
        session.update({DEVICE_ID_SESSION_KEY: second_factor.persistent_id, SECOND_FACTOR_AT: now})
    Account.objects.filter(pk=person.pk).update(last_login=timezone.now())
    with use_request_context(FROM_A_BROWSER):
        record_login(account=person)
        if second_factor:
            record_event(account=person, actor=person, event=Event.SECOND_FACTOR_GIVEN)
        session.create()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return browser


def browser_of(person: Account) -> Client:
    """Logged in with the password just now."""
    return log_in(Client(), person)


def stolen_cookie_of(person: Account) -> Client:
    """A session without a recent password."""
    browser = Client()
    browser.force_login(person)
    return browser


def application_whose_code_was_given(account: Account) -> TOTPDevice:
    """A TOTP device whose current code has been used."""
    now = timezone.now().timestamp()
    return TOTPDevice.objects.create(user=account, name="application", last_t=int(now // 30))


def submit_login(browser: Client, account: Account, password: str = A_GOOD_PASSWORD, **fields: str) -> HttpResponse:
    return browser.post(reverse("login"), {"login": account.login, "password": password, **fields})


def signs_in(person: Account, password: str, **where: str) -> bool:
    return submit_login(Client(**where), person, password).status_code == 302


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("account")).status_code == 200
