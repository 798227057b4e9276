"""Browsers in which somebody has signed in. Thousands of tests need one, so the session is written as the sign-in page
would leave it; `tests/accounts/auth/test_login.py` holds the two equal."""

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client
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

#: Seconds for which an application shows one code.
STEP = 30
#: What the portal sees of Django's test client.
FROM_A_BROWSER = RequestContext("web", "127.0.0.1", "", "0" * 32)


def let_in(browser: Client, person: Account, *, second_factor: TOTPDevice | None = None) -> Client:
    """The person has just given the right password in this browser, and a code of their application if there is one."""
    now = int(timezone.now().timestamp())
    session = SessionStore()
    session.update(
        {
            SESSION_KEY: str(person.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: person.get_session_auth_hash(),
            SIGNED_IN_AT: now,
            SEEN_AT: now,
            CONFIRMED_AT: now,
        }
    )
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


def application_whose_code_was_given(account: Account) -> TOTPDevice:
    """The agent's application, after its present code has been spent."""
    now = timezone.now().timestamp()
    return TOTPDevice.objects.create(user=account, name="application", last_t=int(now // STEP))
