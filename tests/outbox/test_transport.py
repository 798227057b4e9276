"""Addresses and names that attack the mail server, encryption, and the form of a mail."""

import smtplib
import ssl
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from django.core.checks import registry
from django.template import Context, Template
from django.utils import timezone, translation

from config import services
from devtools.processes import free_port
from outbox.checks import check_mail_encryption
from outbox.dispatch import send, send_due
from outbox.enums import Status
from outbox.models import Message
from outbox.registry import Email
from outbox.rendering import render_email
from tests import fuzz as hostile
from tests.factories import pending_account
from tests.mail_delivery import html_of, text_of
from tests.outbox.messages import invitation, seen_again

pytestmark = pytest.mark.django_db


def test_a_mail_is_a_text_and_its_html_and_no_header_can_become_two(monkeypatch):
    """EML-03"""
    message = Message(address="p@exemple.net", language="fr", built_at=timezone.now())
    parts = {"_subject.txt": "Bonjour", "_body.txt": "Bonjour.", "_body.html": "<p>Bonjour.</p>"}
    monkeypatch.setattr("outbox.rendering.render_to_string", lambda name, context: parts[name.removeprefix("mail")])
    mail = render_email(message, Email("mail")).message()
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.get_payload()] == ["text/plain", "text/html"]
    for end in ("\n", "\r", "\r\n"):
        for name in ("subject", "address"):
            broken = {"subject": "Bonjour", "address": "p@exemple.net", name: f"x{end}Bcc: victime@example.org"}
            parts["_subject.txt"], message.address = broken["subject"], broken["address"]
            with pytest.raises(ValueError, match="newlines"):
                render_email(message, Email("mail")).message()


def test_a_part_that_mails_share_is_in_the_language_of_each_and_knows_nothing_of_its_addressee(settings):
    """PRV-02: not even what stands beside it."""
    template = Template(
        "{% load i18n fragments %}{{ name }}: {% cached_fragment %}{% translate 'Aide' %}, {{ university_name }}, "
        "{% if name %}{{ name }}{% else %}none{% endif %}{% endcached_fragment %}"
    )
    for university, language, name, expected in [
        ("Essai <1>", "fr", "Camille", "Camille: Aide, Essai &lt;1&gt;, none"),
        ("Essai <1>", "en", "Dominique", "Dominique: Help, Essai &lt;1&gt;, none"),
        ("Autre", "fr", "Camille", "Camille: Aide, Autre, none"),
    ]:
        settings.UNIVERSITY_NAME = university
        with translation.override(language):
            assert template.render(Context({"name": name})) == expected


@pytest.mark.parametrize("seven_bits_only", [True, False])
def test_a_relay_of_seven_bits_gets_every_mail(settings, seven_bits_only):
    """TOK-11: with and without 8BITMIME (RFC 6152). The first answers 500 to any other byte."""
    caught = []

    async def keep(_server: object, _session: object, envelope: Envelope) -> str:
        caught.append(envelope.original_content)
        return "250 OK"

    handler = type("Keep", (), {"handle_DATA": staticmethod(keep)})()
    server = QuietController(handler, hostname="127.0.0.1", port=free_port(), decode_data=seven_bits_only)
    server.start()
    settings.EMAIL_PORT, message = server.port, invitation(pending_account(given_name="Zoé"))
    send(message_id=message.pk)
    server.stop()
    assert (seen_again(message).status, caught[0].isascii()) == (Status.SENT, True)
    mail = message_from_bytes(caught[0], policy=policy.default)
    assert all("Zoé" in part for part in (text_of(mail), html_of(mail)))


class TestHostileAddresses:
    def test_an_address_gains_no_recipient_and_does_not_hold_the_others(self, mail_server):
        """EML-03: it is refused, or goes to one recipient; the next mail leaves in both cases."""
        for hostile_address in sorted({address for address, _ in hostile.EMAIL if "\x00" not in address}):
            mail_server.messages.clear()
            first, middle = invitation(), invitation(pending_account(recovery_address=hostile_address[:254]))
            last = invitation()
            send_due(now=timezone.now() + timedelta(seconds=1))
            arrived = [mail.envelope.recipients for mail in mail_server.messages]
            assert all(len(recipients) == 1 for recipients in arrived)
            addresses = [address for [address] in arrived]
            assert {first.address, last.address} <= set(addresses)
            assert not any("victime" in address or "attaquant" in address for address in addresses)
            is_list = any(sign in hostile_address for sign in ",\r\n\u202e")
            assert seen_again(middle).status in ({Status.REFUSED} if is_list else {Status.REFUSED, Status.SENT})
            assert all(mail["Bcc"] is None and mail["Cc"] is None for mail in mail_server.messages)

    def test_no_name_injects_a_header(self, mail_server):
        """EML-03: names come from HR files."""
        for name in [value for value in hostile.N.values() if isinstance(value, str) and "\x00" not in value]:
            mail_server.messages.clear()
            message = invitation(pending_account(family_name=name[:100], recovery_address="camille@exemple.net"))
            send(message_id=message.pk)
            [mail] = mail_server.messages
            assert mail.envelope.recipients == ["camille@exemple.net"]
            assert not {"Bcc", "X-Injecte"} & set(mail.keys())
            for canary in ("<script>", "<img src=x", hostile.COMPUTED):
                assert canary not in html_of(mail)
            assert hostile.COMPUTED not in text_of(mail)
            # INP-08: what a template or a format would replace is printed unchanged.
            assert "{{" not in name or name[:100] in text_of(mail)
            assert "%(" not in name or name[:100] in text_of(mail)


class TestEncryption:
    def test_a_server_with_an_untrusted_certificate_gets_no_mail(self, settings):
        """EML-05: by STARTTLS and by TLS from the start."""
        for secured, tls in (("EMAIL_USE_TLS", "tls_context"), ("EMAIL_USE_SSL", "ssl_context")):
            context, caught = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
            trustme.CA().issue_cert("localhost").configure_cert(context)
            handler = type("Keep", (), {"handle_DATA": lambda *facts: caught.append(facts)})()
            server = QuietController(handler, hostname="127.0.0.1", port=free_port(), **{tls: context})
            server.start()
            settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
            settings.EMAIL_PORT = server.port
            setattr(settings, secured, True)
            message = invitation()
            send(message_id=message.pk)
            server.stop()
            assert (caught, seen_again(message).status) == ([], Status.QUEUED)
            assert "certificate" in seen_again(message).answer.lower()

    def test_a_remote_relay_without_encryption_is_warned_of_by_check_deploy(self, settings, monkeypatch):
        """EML-05: not on this machine, nor with a provider's API."""
        assert check_mail_encryption in registry.registry.get_checks(include_deployment_checks=True)
        for url, warnings in [
            ("smtp://relais.univ-exemple.fr", ["outbox.W001"]),
            ("smtp://127.0.0.1:2525", []),
            ("smtp+tls://relais.univ-exemple.fr", []),
            ("smtp+ssl://relais.univ-exemple.fr", []),
            ("anymail+postmark:?server_token=T", []),
        ]:
            plain = {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}
            monkeypatch.setenv("EMAIL_URL", url)
            for name, value in {**plain, **services.mail("EMAIL_URL")}.items():
                setattr(settings, name, value)
            assert [warning.id for warning in check_mail_encryption(None)] == warnings, url


class QuietController(Controller):
    """Skips the check of its own certificate at the start."""

    def _trigger_server(self) -> None:
        with suppress(OSError, smtplib.SMTPException), smtplib.SMTP(self.hostname, self.port, timeout=0.5):
            return
