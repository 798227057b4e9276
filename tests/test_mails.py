"""The contract of every mail as it arrives, in both languages; the recipe of a new mail."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import models, transaction
from django.template import engines
from django.urls import reverse
from django.utils import translation

from accounts.enums import Category
from accounts.links.signed_link import SignedLink
from core.templatetags.dates import datetime_long
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.registry import Email, register_email, registered_kinds
from tests.fuzz import COMPUTED
from tests.mail_delivery import html_of, link_in, text_of
from tests.mails import SITUATIONS, Reader, queued
from tests.memory import clear_redis
from tests.provisioning.linked import LDAP, promises

pytestmark = pytest.mark.django_db

PRIVATE = {"birth_date": date(1984, 2, 29), "ine": "0123456789A", "phone": "+33611223344"}
SECRETS = ("1984", "29/02", "0123456789A", "11223344", "argon2", "24 heures", "24 hours")
WHY = {"fr": "Vous recevez ce message parce que", "en": "You are receiving this message because"}
NEVER_ASKED = {"fr": "L’université ne vous demandera jamais", "en": "The university will never ask"}
#: HLP-02: a locked account is not unlocked by a mail.
WITHOUT_LINK = {
    *(Kind.ALREADY_ACTIVE, Kind.LOCKED, Kind.ACCOUNT_LOCKED, Kind.ACCOUNT_ACTIVATED, Kind.ASSISTANCE_RECEIVED),
    *(Kind.RECOVERY_CORRECTED, Kind.RECOVERY_ANNOUNCED, Kind.ACCOUNT_CLOSING, Kind.ROLE_CHANGED, Kind.AGENTS_CHANGED),
    Kind.ACCOUNT_REOPENED,
}


class ReceivedMail(NamedTuple):
    mail: EmailMessage
    message: Message
    text: str
    reader: Reader

    def deadline(self, language: str) -> str:
        with translation.override(language):
            return datetime_long(self.message.deadline) if self.message.deadline else ""


@pytest.fixture
def receive(mail_delivery, mail_server, monkeypatch) -> Callable[..., ReceivedMail]:
    """The mail of a kind; a second recipient of the same text is left out."""
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", "no variable %s")

    def receive_mail(kind: Kind, **facts) -> ReceivedMail:
        clear_redis()
        mail_server.messages.clear()
        with transaction.atomic():
            SITUATIONS[kind](**{**PRIVATE, **facts})
            message = Message.objects.filter(kind=kind).earliest("pk")
            Message.objects.exclude(pk=message.pk).exclude(status=Status.SENT).delete()
            [mail] = mail_delivery.deliver()
            message = Message.objects.select_related("person").get(pk=message.pk)
            transaction.set_rollback(True)
        received = ReceivedMail(mail, message, text_of(mail), Reader(html_of(mail)))
        assert "no variable" not in mail["Subject"] + received.text + received.reader.html
        return received

    return receive_mail


def test_every_kind_of_mail_has_a_situation():
    assert registered_kinds() == set(Kind) == set(SITUATIONS)


@pytest.mark.parametrize("kind", SITUATIONS)
def test_mail_keeps_the_contract(receive, kind):
    """EML-01, EML-02, EML-03, EML-04, PRV-03, TOK-08, TOK-11, HLP-02."""
    for language in ("fr", "en"):
        received = receive(kind, language=language)
        assert_headers(received, language)
        assert_content(received, language)
        assert_html(received, language)
        if kind in WITHOUT_LINK:
            links = "".join(anchor.href for anchor in received.reader.anchors)
            assert not re.search(r"[A-Za-z0-9_-]{60}", received.text + links)
        else:
            assert_link(received, language)


def assert_headers(received: ReceivedMail, language: str) -> None:
    """EML-01, EML-03"""
    mail, message = received.mail, received.message
    assert mail.envelope.recipients == mail.get_all("To") == [message.address]
    expected = ("auto-generated", "All", language)
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"], mail["Content-Language"]) == expected
    assert parseaddr(mail["Reply-To"])[1] == settings.SUPPORT_ADDRESS
    assert parseaddr(mail["From"])[1].endswith(f"@{settings.UNIVERSITY_DOMAINS[0]}")
    assert mail["Message-ID"].strip() == message.message_id
    assert message.message_id.endswith(f"@{settings.MESSAGE_ID_DOMAIN}>")
    assert mail["Date"]
    for unwanted in ("Cc", "Bcc", "Precedence", "List-Unsubscribe", "Disposition-Notification-To"):
        assert unwanted not in mail
    assert 10 < len(mail["Subject"]) <= 60
    assert 10 < len(received.reader.preheader) <= 100
    assert received.reader.preheader != mail["Subject"]


def assert_content(received: ReceivedMail, language: str) -> None:
    """EML-04, PRV-03: the login, the reason, what to do about a mistake; no secret. EML-02: the same links in both."""
    reader = received.reader
    for part in (received.text, reader.text):
        assert received.message.person is None or received.message.person.login in part
        for words in (WHY[language], settings.SUPPORT_ADDRESS, NEVER_ASKED[language]):
            assert words in part
        assert [secret for secret in SECRETS if secret in part.replace("\u00a0", " ")] == []
    assert "/donnees-personnelles/" in received.text
    text = received.text.replace("\r\n", "\n")
    assert not re.search(r"\A\n|\n\n\n|[{<]%|\{\{|&(amp|lt|gt|quot|#\d+);|</?\w+>", text)
    assert all(line == line.rstrip() or line == "-- " for line in text.splitlines())
    assert set(re.findall(r"https?://\S+", text)) <= {anchor.href for anchor in reader.anchors}
    for anchor in reader.anchors:
        assert anchor.href in text or anchor.text in ("Aide", "Help"), f"{anchor.href} is in the HTML only"


def assert_html(received: ReceivedMail, language: str) -> None:
    """EML-02, TOK-08: it loads nothing; one h1, one button, layout tables, links to the portal."""
    reader = received.reader
    parts = [(part.get_content_type(), part.get_content_charset()) for part in received.mail.iter_parts()]
    assert parts == [("text/plain", "utf-8"), ("text/html", "utf-8")]
    assert not {"img", "script", "form", "link", "iframe", "object", "video", "input"} & set(reader.tags)
    assert "url(" not in reader.html
    assert not [value for _, name, value in reader.attributes if name == "src" or name.startswith("on")]
    assert ("html", "lang", language) in reader.attributes
    assert reader.tags.count("h1") == 1
    tables = [value for tag, name, value in reader.attributes if (tag, name) == ("table", "role")]
    assert tables == ["presentation"] * reader.tags.count("table")
    [button] = [anchor for anchor in reader.anchors if anchor.is_button]
    assert any(anchor.text == button.href for anchor in reader.anchors), "the button's address is not written out"
    announced = {settings.ENT_URL, settings.WEBMAIL_URL} if received.message.kind == Kind.ACCOUNT_ACTIVATED else set()
    for anchor in reader.anchors:
        assert not anchor.text.startswith("http") or anchor.text == anchor.href
        assert anchor.href in announced or urlsplit(anchor.href).netloc == urlsplit(settings.PORTAL_URL).netloc


def assert_link(received: ReceivedMail, language: str) -> None:
    """TOK-11, EML-04, TOK-04: short, plain characters, alone on its line; both parts print its deadline."""
    link = f"{settings.PORTAL_URL}{link_in(received.mail)}"
    assert re.fullmatch(r"https?://[A-Za-z0-9._:/-]{1,192}", link)
    assert link in received.text.splitlines()
    assert {anchor.href for anchor in received.reader.anchors if anchor.is_button} == {link}
    token = link.split("/")[-2]
    [purpose] = [one for one in SignedLink.__subclasses__() if reverse(one.url_name, args=[token]) in link]
    assert purpose().read(token).deadline == int(received.message.deadline.timestamp())
    assert received.deadline(language) in received.text
    assert received.deadline(language) in received.reader.text


def test_first_mails_are_in_both_languages(receive, time_machine):
    """The language of the account comes first, since its owner has chosen none yet; the longest date fits."""
    headings = {"fr": "En français", "en": "In English"}
    time_machine.move_to(datetime(2026, 9, 29, 8, tzinfo=UTC))
    for kind in (Kind.ACTIVATION, Kind.NEW_LINK):
        for language, other in (("fr", "en"), ("en", "fr")):
            received = receive(kind, language=language)
            first, second = received.deadline(language), received.deadline(other)
            for part in (received.text, received.reader.text):
                assert part.index(first) < part.index(headings[other]) < part.index(second), (kind, language)
            assert ("td", "lang", other) in received.reader.attributes
            assert len(received.mail["Subject"]) <= 60
            assert kind != Kind.ACTIVATION or "30" in received.mail["Subject"]


def test_mails_say_what_holds_for_their_reader(receive, settings):
    """Instructions for a mailbox to those who have one; whether a copy is kept; the telephone number about a lock."""
    settings.SUPPORT_PHONE, settings.PROVISIONING_CONNECTORS = "04 67 00 00 00", [LDAP]
    for kind, facts, words, are_said in (
        (Kind.ACCOUNT_ACTIVATED, {"category": Category.STAFF}, settings.WEBMAIL_URL, True),
        (Kind.ACCOUNT_ACTIVATED, {"category": Category.HOSTED}, settings.WEBMAIL_URL, False),
        (Kind.REDIRECTION_VERIFICATION, {"keep_copy": True}, "Une copie", True),
        (Kind.REDIRECTION_VERIFICATION, {"keep_copy": False}, "Aucune copie", True),
        (Kind.LOCKED, {}, "04 67 00 00 00", True),
        (Kind.ACCOUNT_LOCKED, {"language": "en"}, "04 67 00 00 00", True),
    ):
        received = receive(kind, **facts)
        assert (words in received.text, words in received.reader.html) == (are_said, are_said), (kind, facts)


def test_mails_promise_no_other_service_unless_one_is_linked(receive, settings):
    found = {}
    for connectors in ([], [LDAP]):
        settings.PROVISIONING_CONNECTORS = connectors
        mails = [receive(kind) for kind in SITUATIONS]
        found[len(connectors)] = {one.message.kind for one in mails if promises(one.text + html_of(one.mail))}
    promising = {Kind.ACCOUNT_ACTIVATED, Kind.ACTIVATION_REMINDER, Kind.ACCOUNT_LOCKED, Kind.ACCOUNT_CLOSING}
    assert found == {0: set(), 1: promising}


def test_hostile_name_is_escaped_in_every_mail(receive):
    """EML-03, INP-02: line breaks, markup and template language in a name do nothing."""
    for kind in SITUATIONS:
        received = receive(
            kind,
            given_name="Camille\r\nBcc: tous@exemple.net\r\n\r\nhttps://exemple.net/piege",
            family_name="{{7*142857}}<b onclick=alert(1)>Durand</b>",
            institutional_address="camille.hostile@univ-exemple.fr",
            recovery_address="camille.hostile@exemple.net",
        )
        assert received.mail.envelope.recipients == [received.message.address], kind
        assert "Bcc" not in received.mail, kind
        assert not re.search(r"^(Bcc|https://exemple\.net)", received.text, re.MULTILINE), kind
        assert COMPUTED not in received.reader.html, kind
        assert not [name for _, name, _ in received.reader.attributes if name == "onclick"], kind


def test_recipe_of_a_new_mail(tmp_path, settings, monkeypatch, mail_delivery):
    """Of CONTRIBUTING.md: a kind, a function, three templates, a service that asks for it; no migration."""
    kind = models.TextChoices("ToyKind", {"TOY": ("toy", "Jouet")}).TOY
    monkeypatch.setattr("outbox.registry._builders", {})
    register_email(kind)(lambda message: Email("toys/emails/toy", {"name": message.person.full_name}))
    folder = tmp_path / "toys/emails"
    folder.mkdir(parents=True)
    (folder / "toy_subject.txt").write_text("Un jouet")
    (folder / "toy_body.txt").write_text("Bonjour {{ name }}")
    (folder / "toy_body.html").write_text("<p>Bonjour {{ name }}</p>")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], tmp_path]}]
    queued(kind, given_name="Zoé")
    [mail] = mail_delivery.deliver()
    assert mail["Subject"] == "Un jouet"
    assert "Bonjour Zoé" in text_of(mail)
