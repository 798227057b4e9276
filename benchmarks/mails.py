"""Mails through the outbox, rendered, signed and recorded one by one, against a bare SMTP loop to the same server."""

from smtplib import SMTP

from django.conf import settings

from accounts.models import Account
from benchmarks.timing import alternating
from local.mailcatcher import MailCatcher
from outbox.enums import Kind
from outbox.models import Message
from outbox.sending import send_due

MAILS = 300
BARE = "From: compte@univ-exemple.fr\r\nTo: personne@exemple.net\r\nSubject: essai\r\n\r\n" + ("x" * 70 + "\r\n") * 110


def measure() -> str:
    with MailCatcher() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
        ours, reference = alternating(send_from_the_outbox, lambda: send_bare(server))
    return (
        f"Mails, one process: {MAILS / ours:,.0f}/s through the outbox; "
        f"bare SMTP loop: {MAILS / reference:,.0f}/s; ratio {reference / ours:.2f}"
    )


def send_from_the_outbox() -> None:
    person, _created = Account.objects.get_or_create(
        institutional_address="banc.essai@univ-exemple.fr",
        defaults={
            "uid": "bancessai",
            "given_name": "Banc",
            "family_name": "Essai",
            "category": "staff",
            "recovery_address": "personne@exemple.net",
            "password": "!",
        },
    )
    Message.objects.unfinished().delete()
    Message.objects.bulk_create(
        Message(kind=Kind.ACTIVATION, person=person, address=person.recovery_address) for _ in range(MAILS)
    )
    while send_due():
        pass


def send_bare(server: MailCatcher) -> None:
    with SMTP(server.host, server.port) as smtp:
        for _ in range(MAILS):
            smtp.sendmail("compte@univ-exemple.fr", "personne@exemple.net", BARE)
