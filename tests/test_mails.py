"""The contract of every mail as it arrives, in both languages."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import transaction
from django.template import engines
from django.utils import translation

from accounts.enums import Category
from accounts.links.signed_link import LinkExpired
from activation.links import activation_link
from core.templatetags.dates import datetime_long
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.registry import registered_kinds
from tests.fuzz import COMPUTED
from tests.mail_delivery import html_of, link_in, text_of
from tests.mails.reader import Reader, hard_to_read
from tests.mails.situations import SITUATIONS
from tests.memory import clear_redis

pytestmark = pytest.mark.django_db

PRIVATE = {"birth_date": date(1984, 2, 29), "ine": "0123456789A", "phone": "+33611223344"}
LANGUAGES = ("fr", "en")
WHY = {"fr": "Vous recevez ce message parce que", "en": "You are receiving this message because"}
NEVER_ASKED = {"fr": "L’université ne vous demandera jamais", "en": "The university will never ask"}
#: HLP-02: a locked account is not unlocked by a mail.
WITHOUT_LINK = {
    *(Kind.ALREADY_ACTIVE, Kind.LOCKED, Kind.ACCOUNT_LOCKED, Kind.ACCOUNT_ACTIVATED, Kind.ASSISTANCE_RECEIVED),
    *(Kind.RECOVERY_CORRECTED, Kind.RECOVERY_ANNOUNCED, Kind.ACCOUNT_CLOSING, Kind.ROLE_CHANGED),
}


class ReceivedMail(NamedTuple):
    mail: EmailMessage
    message: Message
    text: str
    html: str
    reader: Reader


class UndefinedVariable(str):
    """For `string_if_invalid`."""

    def __mod__(self, name: object) -> str:
        raise AssertionError(f"undefined in a mail: {name}")


@pytest.fixture(autouse=True)
def refuse_undefined_variables(monkeypatch) -> None:
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", UndefinedVariable("%s"))


@pytest.fixture
def receive(mail_delivery, mail_server) -> Callable[..., ReceivedMail]:
    """The mail of a kind; a second recipient of the same text is left out."""

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
        return ReceivedMail(mail, message, text_of(mail), html_of(mail), Reader(html_of(mail)))

    return receive_mail


def printed(deadline: datetime, language: str) -> str:
    with translation.override(language):
        return datetime_long(deadline)


def test_every_kind_of_mail_has_a_situation():
    assert registered_kinds() == set(Kind) == set(SITUATIONS)


@pytest.mark.parametrize("kind", SITUATIONS)
def test_mail_keeps_the_contract(receive, kind):
    """EML-01, EML-02, EML-03, EML-04, PRV-03, TOK-08, TOK-11, HLP-02."""
    for language in LANGUAGES:
        received = receive(kind, language=language)
        assert_headers(received, language)
        assert_content(received, language)
        assert_equal_parts(received)
        assert_html(received, language)
        if kind in WITHOUT_LINK:
            links = "".join(anchor.href for anchor in received.reader.anchors)
            assert not re.search(r"[A-Za-z0-9_-]{60}", received.text + links)
        else:
            assert_link(received, language)


def assert_headers(received: ReceivedMail, language: str) -> None:
    """EML-01, EML-03"""
    mail, message = received.mail, received.message
    assert mail.envelope.recipients == [message.address]
    assert mail.get_all("To") == [message.address]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Content-Language"] == language
    assert parseaddr(mail["Reply-To"])[1] == settings.SUPPORT_ADDRESS
    assert parseaddr(mail["From"])[1].endswith(f"@{settings.UNIVERSITY_DOMAINS[0]}")
    assert mail["Message-ID"].strip() == message.message_id
    assert mail["Message-ID"].strip().endswith(f"@{settings.MESSAGE_ID_DOMAIN}>")
    assert mail["Date"]
    for unwanted in ("Cc", "Bcc", "Precedence", "List-Unsubscribe", "Disposition-Notification-To"):
        assert unwanted not in mail
    assert 10 < len(mail["Subject"]) <= 60
    assert 10 < len(received.reader.preheader) <= 100
    assert received.reader.preheader != mail["Subject"]


def assert_content(received: ReceivedMail, language: str) -> None:
    """EML-04, PRV-03: the login, the reason, what to do about a mistake; no secret."""
    for part in (received.text, received.reader.text):
        assert received.message.person is None or received.message.person.login in part
        assert WHY[language] in part
        assert settings.SUPPORT_ADDRESS in part
        assert NEVER_ASKED[language] in part
        for secret in ("1984", "29/02", "0123456789A", "11223344", "argon2", "24 heures", "24 hours"):
            assert secret not in part.replace("\u00a0", " ")
    assert "/donnees-personnelles/" in received.text
    assert "/donnees-personnelles/" in received.html
    text = received.text.replace("\r\n", "\n")
    assert not re.search(r"\n\n\n|[{<]%|\{\{|&(amp|lt|gt|quot|#\d+);|</?\w+>", text)
    assert all(line == line.rstrip() or line == "-- " for line in text.splitlines())
    assert not text.startswith("\n")


def assert_equal_parts(received: ReceivedMail) -> None:
    """EML-02: both parts have the same links, and the HTML loads nothing."""
    mail, reader = received.mail, received.reader
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert {part.get_content_charset() for part in mail.iter_parts()} == {"utf-8"}
    assert not {"img", "script", "form", "link", "iframe", "object", "video", "input"} & set(reader.tags)
    assert "url(" not in reader.html
    assert not [value for _, name, value in reader.attributes if name == "src" or name.startswith("on")]
    for url in re.findall(r"https?://\S+", received.text):
        assert url in {anchor.href for anchor in reader.anchors}, f"{url} is in the text part only"
    for anchor in reader.anchors:
        assert anchor.href in received.text or anchor.text in ("Aide", "Help"), f"{anchor.href} is in the HTML only"


def assert_html(received: ReceivedMail, language: str) -> None:
    """EML-02, A11Y, TOK-08: one h1, one button, layout tables, links to the portal, contrast in both colour schemes."""
    reader = received.reader
    announced = {settings.ENT_URL, settings.WEBMAIL_URL} if received.message.kind == Kind.ACCOUNT_ACTIVATED else set()
    assert not reader.path
    assert ("html", "lang", language) in reader.attributes
    assert reader.tags.count("h1") == 1
    tables = [value for tag, name, value in reader.attributes if (tag, name) == ("table", "role")]
    assert tables == ["presentation"] * reader.tags.count("table")
    [button] = [anchor for anchor in reader.anchors if anchor.is_button]
    assert any(anchor.text == button.href for anchor in reader.anchors), "the button's address is not written out"
    for anchor in reader.anchors:
        assert not anchor.text.startswith("http") or anchor.text == anchor.href
        assert anchor.href in announced or urlsplit(anchor.href).netloc == urlsplit(settings.PORTAL_URL).netloc
    assert len(reader.painted) >= 6
    assert hard_to_read(reader) == set()


def assert_link(received: ReceivedMail, language: str) -> None:
    """TOK-11, EML-04: short, plain characters, alone on its line; both parts print its deadline."""
    link = f"{settings.PORTAL_URL}{link_in(received.mail)}"
    assert len(link) <= 200
    assert re.fullmatch(r"https?://[A-Za-z0-9._:/-]+", link)
    assert link in received.text.splitlines()
    assert {anchor.href for anchor in received.reader.anchors if anchor.is_button} == {link}
    assert printed(received.message.deadline, language) in received.text
    assert printed(received.message.deadline, language) in received.reader.text


def test_longest_date_fits_in_the_subject(receive, time_machine):
    time_machine.move_to(datetime(2026, 9, 29, 8, tzinfo=UTC))
    for language in LANGUAGES:
        subject = receive(Kind.ACTIVATION, language=language).mail["Subject"]
        assert "30" in subject
        assert len(subject) <= 60


def test_link_opens_until_the_printed_deadline(mail_delivery):
    """EML-04, TOK-04"""
    SITUATIONS[Kind.ACTIVATION]()
    token = link_in(mail_delivery.last_mail()).strip("/").rpartition("/")[2]
    deadline = Message.objects.get().deadline

    assert activation_link.open(token, now=deadline).deadline == deadline
    with pytest.raises(LinkExpired):
        activation_link.open(token, now=deadline + timedelta(seconds=1))


def test_first_mails_are_in_both_languages(receive):
    """The language of the account comes first, since its owner has chosen none yet."""
    headings = {"fr": "En français", "en": "In English"}
    for kind in (Kind.ACTIVATION, Kind.NEW_LINK):
        for language, other in (("fr", "en"), ("en", "fr")):
            received = receive(kind, language=language)
            first, second = (printed(received.message.deadline, each) for each in (language, other))
            for part in (received.text, received.reader.text):
                assert part.index(first) < part.index(headings[other]) < part.index(second), (kind, language)
            assert re.search(rf'<td[^>]* lang="{other}"', received.html)


def test_only_staff_get_instructions_for_their_mailbox(receive):
    hosted = receive(Kind.ACCOUNT_ACTIVATED, category=Category.HOSTED)
    assert settings.WEBMAIL_URL not in hosted.text + hosted.html
    assert "boîte universitaire" not in hosted.text + hosted.html

    staff = receive(Kind.ACCOUNT_ACTIVATED, category=Category.STAFF)
    for words in (settings.WEBMAIL_URL, "jusqu’à une heure", "tablette"):
        assert words in staff.text


def test_verification_says_whether_a_copy_is_kept(receive):
    for keep_copy, words in ((True, "Une copie"), (False, "Aucune copie")):
        received = receive(Kind.REDIRECTION_VERIFICATION, keep_copy=keep_copy)
        assert words in received.text
        assert words in received.reader.text


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
        assert COMPUTED not in received.html, kind
        assert not [name for _, name, _ in received.reader.attributes if name == "onclick"], kind


def test_mail_about_a_lock_gives_the_telephone_number_of_the_university(receive, settings):
    settings.SUPPORT_PHONE = "04 67 00 00 00"
    for kind in (Kind.LOCKED, Kind.ACCOUNT_LOCKED):
        for language in LANGUAGES:
            received = receive(kind, language=language)
            assert "04 67 00 00 00" in received.text
            assert "04 67 00 00 00" in received.reader.text
