"""The mails of the activation."""

from dataclasses import replace
from functools import cache

from django.conf import settings
from django.urls import reverse
from django.utils import translation

from accounts.enums import State
from accounts.models import Account
from activation.links import activation_link, reactivation_link, reminders_link
from activation.reminders.services import last_link_expired_at, reminders_stopped
from outbox.enums import Kind
from outbox.models import Message
from outbox.registry import Email, register_email

OTHER_LANGUAGE = {"fr": "en", "en": "fr"}


@register_email(Kind.ACTIVATION)
def activation(message: Message) -> Email | None:
    return _with_link(message, "activation/emails/activation")


@register_email(Kind.NEW_LINK)
def new_link(message: Message) -> Email | None:
    return _with_link(message, "activation/emails/new_link")


@register_email(Kind.ACTIVATION_REMINDER)
def activation_reminder(message: Message) -> Email | None:
    """None once a newer link was mailed, or once the address has unsubscribed."""
    made = _with_link(message, "activation/emails/reminder")
    account, expired_at = _account(message, State.PENDING), last_link_expired_at(message)
    if made is None or account is None or message.built_at is None or expired_at is None or reminders_stopped(account):
        return None
    stop_until = reminders_link.deadline(message.built_at)
    facts = {
        "expired_at": expired_at,
        "stop_link": reminders_link.url(account, stop_until),
        "stop_until": stop_until,
    }
    return replace(made, context={**made.context, **facts})


@register_email(Kind.ALREADY_ACTIVE)
def already_active(message: Message) -> Email | None:
    return _about(message, "activation/emails/already_active", State.ACTIVE)


@register_email(Kind.LOCKED)
def locked(message: Message) -> Email | None:
    """The answer to a request for a link: how to get help, and no link that sets a password."""
    return _about(message, "activation/emails/locked", State.LOCKED)


@register_email(Kind.REACTIVATION)
def reactivation(message: Message) -> Email | None:
    account = _account(message, State.TO_REACTIVATE)
    if account is None or account.recovery_address != message.address or message.built_at is None:
        return None
    deadline = reactivation_link.deadline(message.built_at)
    link = reactivation_link.url(account, deadline)
    return Email("activation/emails/reactivation", {"account": account, "link": link, **pages()}, deadline)


@register_email(Kind.ACCOUNT_ACTIVATED)
def account_activated(message: Message) -> Email | None:
    return _about(message, "activation/emails/account_activated", State.ACTIVE)


def _with_link(message: Message, template: str) -> Email | None:
    account = _account(message, State.PENDING)
    if account is None or account.recovery_address != message.address or message.built_at is None:
        return None
    deadline = activation_link.deadline(message.built_at)
    link = activation_link.url(account, deadline)
    context = {"account": account, "link": link, "other_link": _in_other_language(link, message.language), **pages()}
    return Email(template, context, deadline)


# Faster than `translate_url`, which resolves the URL.
def _in_other_language(link: str, language: str) -> str:
    token = link.rstrip("/").rpartition("/")[2]
    with translation.override(OTHER_LANGUAGE[language]):
        return f"{settings.PORTAL_URL}{reverse(activation_link.url_name, args=[token])}"


def _about(message: Message, template: str, state: State) -> Email | None:
    account = _account(message, state)
    return Email(template, {"account": account, **pages()}) if account else None


def _account(message: Message, state: State) -> Account | None:
    account = message.person
    return account if account and account.state == state and account.can_be_mailed else None


def pages() -> dict[str, str]:
    return {name: f"{settings.PORTAL_URL}{path}" for name, path in _paths(translation.get_language()).items()}


# Imports send thousands of mails.
@cache
def _paths(language: str | None) -> dict[str, str]:
    names = {
        "login_url": "login",
        "first_connection_url": "first-connection",
        "locked_help_url": "locked-help",
        "forgotten_password_url": "forgotten-password",
        "privacy_url": "privacy",
        "account_url": "account",
    }
    return {key: reverse(name) for key, name in names.items()}
