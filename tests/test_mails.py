"""Every mail as it arrives, in both languages: what it says, what it must not say, and the form it has."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db.models import F
from django.template import engines
from django.utils import timezone, translation

from accounts.enums import Category, LockReason, Proof
from accounts.expiry import send_closing_notices
from accounts.links.signed_link import LinkExpired
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressCorrection
from accounts.passwords.services import change_password
from accounts.recovery.corrections import approve_replacement, correct_at_once, propose_replacement
from activation.links import activation_link
from activation.reminders.services import send_reminders
from agents.roles import Role
from agents.second_factor.services import confirm_device, issue_enrolment_code, start_enrolment
from agents.staff.services import grant_role
from assistance.services import create_request
from core.templatetags.dates import datetime_long
from mailrouting.services import change_redirection, choose_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.registry import registered_kinds
from outbox.services import queue_email
from tests.accounts.recovery.recovering import change_to, wish
from tests.agents.signed_in import an_agent, code_of
from tests.assistance.asking import request_data
from tests.factories import active_account, pending_account
from tests.fuzz import COMPUTED
from tests.locking import released_person
from tests.mail_delivery import html_of, link_in, text_of
from tests.test_contrast import TEXT, contrast

# In one process, which makes each mail once.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("mails")]

PRIVATE = {"birth_date": date(1984, 2, 29), "ine": "0123456789A", "phone": "+33611223344"}
LANGUAGES = ("fr", "en")
#: An address that agents give to somebody.
GIVEN = "donnee@exemple.org"
WHY = {"fr": "Vous recevez ce message parce que", "en": "You are receiving this message because"}
NEVER_ASKED = {"fr": "L’université ne vous demandera jamais", "en": "The university will never ask"}


def ask_for(kind: Kind, person: Account) -> Message:
    return queue_email(kind=kind, person=person, address=person.recovery_address, language=person.language)


def activation(**facts) -> Message:
    return ask_for(Kind.ACTIVATION, pending_account(**facts))


def new_link(**facts) -> Message:
    return ask_for(Kind.NEW_LINK, pending_account(**facts))


def already_active(**facts) -> Message:
    return ask_for(Kind.ALREADY_ACTIVE, active_account(**facts))


def locked(**facts) -> Message:
    person = pending_account(**facts)
    lock_account(account=person, reason=LockReason.PHISHING)
    Message.objects.all().delete()
    return ask_for(Kind.LOCKED, person)


def account_locked(**facts) -> Message:
    lock_account(account=active_account(**facts), reason=LockReason.PHISHING)
    return Message.objects.get()


def reactivation(**facts) -> Message:
    released_person(**facts)
    return only_the_notice(Kind.REACTIVATION)


def account_activated(**facts) -> Message:
    return ask_for(Kind.ACCOUNT_ACTIVATED, active_account(**facts))


def redirection_verification(*, keep_copy: bool = True, **facts) -> Message:
    choose_redirection(account=active_account(**facts), target="ailleurs@exemple.org", keep_copy=keep_copy)
    return Message.objects.get(kind=Kind.REDIRECTION_VERIFICATION)


def redirection_changed(**facts) -> Message:
    """The notice that goes to the recovery address; its twin to the mailbox says the same."""
    change_redirection(account=active_account(**facts), target="ailleurs@exemple.org", keep_copy=True)
    return only_the_notice(Kind.REDIRECTION_CHANGED)


def only_the_notice(kind: Kind) -> Message:
    [kept] = Message.objects.filter(kind=kind, address=F("person__recovery_address"))
    Message.objects.exclude(pk=kept.pk).delete()
    return kept


def password_reset(**facts) -> Message:
    return ask_for(Kind.PASSWORD_RESET, active_account(**facts))


def password_changed(**facts) -> Message:
    """The notice that goes to the recovery address; its twin to the mailbox says the same."""
    change_password(account=active_account(**facts), password="une autre phrase de passe")
    return only_the_notice(Kind.PASSWORD_CHANGED)


def recovery_verification(**facts) -> Message:
    wish(active_account(**facts))
    return Message.objects.get(kind=Kind.RECOVERY_VERIFICATION)


def recovery_changed(**facts) -> Message:
    """The notice that goes to the old address."""
    person = active_account(**facts)
    change_to(person)
    kept = Message.objects.get(kind=Kind.RECOVERY_CHANGED, address=person.recovery_address)
    Message.objects.exclude(pk=kept.pk).delete()
    return kept


def proposed_for(person: Account) -> RecoveryAddressCorrection:
    return propose_replacement(
        account=person, agent=an_agent(Role.RESPONSABLES), address=GIVEN, proof=Proof.IN_PERSON, note="Vue au guichet."
    )


def recovery_corrected(**facts) -> Message:
    """The notice that goes to the old address."""
    person = pending_account(**facts)
    correct_at_once(account=person, agent=an_agent(Role.RESPONSABLES), address=GIVEN, reason="Faute de frappe.")
    Message.objects.exclude(kind=Kind.RECOVERY_CORRECTED).delete()
    return Message.objects.get()


def recovery_replacement(**facts) -> Message:
    """The notice that goes to the address on file; its twin to the mailbox says the same."""
    correction = proposed_for(active_account(**facts))
    approve_replacement(correction_id=correction.pk, agent=an_agent(Role.RESPONSABLES))
    return only_the_notice(Kind.RECOVERY_REPLACEMENT)


def recovery_announced(**facts) -> Message:
    """The notice that goes to the new address."""
    correction = proposed_for(active_account(**facts))
    approve_replacement(correction_id=correction.pk, agent=an_agent(Role.RESPONSABLES))
    Message.objects.exclude(address=GIVEN).delete()
    return Message.objects.get()


def assistance_received(**facts) -> Message:
    """For somebody who has typed all that is private, and an account that exists."""
    person = pending_account(**facts)
    with translation.override(facts.get("language", "fr")):
        create_request(**request_data(login=person.login, ine="0123456789A", phone="06 11 22 33 44"))
    return Message.objects.get()


def activation_reminder(**facts) -> Message:
    person = pending_account(**facts)
    Message.objects.create(
        kind=Kind.ACTIVATION,
        person=person,
        address=person.recovery_address,
        status=Status.SENT,
        deadline=timezone.now() - timedelta(days=1),
    )
    send_reminders()
    return Message.objects.get(kind=Kind.ACTIVATION_REMINDER)


def account_closing(**facts) -> Message:
    active_account(end_date=timezone.localdate() + timedelta(days=20), **facts)
    send_closing_notices()
    return only_the_notice(Kind.ACCOUNT_CLOSING)


def second_factor_changed(**facts) -> Message:
    """For an agent who has a new application; its twin to the mailbox says the same."""
    agent = an_agent(**facts)
    device = start_enrolment(account=agent, typed=issue_enrolment_code(account=agent))
    confirm_device(account=agent, device_id=device.pk, typed=code_of(device), keep=None)
    return only_the_notice(Kind.SECOND_FACTOR_CHANGED)


def role_changed(**facts) -> Message:
    """For somebody who has become an agent; its twin to the mailbox says the same."""
    grant_role(account=active_account(**facts), role=Role.LECTURE)
    return only_the_notice(Kind.ROLE_CHANGED)


SITUATIONS: dict[Kind, Callable[..., Message]] = {
    Kind.ACTIVATION: activation,
    Kind.NEW_LINK: new_link,
    Kind.ALREADY_ACTIVE: already_active,
    Kind.LOCKED: locked,
    Kind.ACCOUNT_LOCKED: account_locked,
    Kind.REACTIVATION: reactivation,
    Kind.ACCOUNT_ACTIVATED: account_activated,
    Kind.ACTIVATION_REMINDER: activation_reminder,
    Kind.ACCOUNT_CLOSING: account_closing,
    Kind.ASSISTANCE_RECEIVED: assistance_received,
    Kind.REDIRECTION_VERIFICATION: redirection_verification,
    Kind.REDIRECTION_CHANGED: redirection_changed,
    Kind.PASSWORD_RESET: password_reset,
    Kind.PASSWORD_CHANGED: password_changed,
    Kind.RECOVERY_VERIFICATION: recovery_verification,
    Kind.RECOVERY_CHANGED: recovery_changed,
    Kind.RECOVERY_CORRECTED: recovery_corrected,
    Kind.RECOVERY_REPLACEMENT: recovery_replacement,
    Kind.RECOVERY_ANNOUNCED: recovery_announced,
    Kind.SECOND_FACTOR_CHANGED: second_factor_changed,
    Kind.ROLE_CHANGED: role_changed,
}
WITH_LINK = (
    Kind.ACTIVATION_REMINDER,
    Kind.SECOND_FACTOR_CHANGED,
    Kind.RECOVERY_REPLACEMENT,
    *(Kind.ACTIVATION, Kind.NEW_LINK, Kind.REACTIVATION, Kind.PASSWORD_RESET, Kind.PASSWORD_CHANGED),
    *(Kind.REDIRECTION_VERIFICATION, Kind.REDIRECTION_CHANGED, Kind.RECOVERY_VERIFICATION, Kind.RECOVERY_CHANGED),
)
EVERY_MAIL = pytest.mark.parametrize(
    ("kind", "language"), [(kind, language) for kind in SITUATIONS for language in LANGUAGES]
)
MAILS_WITH_LINK = pytest.mark.parametrize(
    ("kind", "language"), [(kind, language) for kind in WITH_LINK for language in LANGUAGES]
)


@dataclass
class Anchor:
    href: str
    text: str = ""
    is_button: bool = False


@dataclass
class Reader(HTMLParser):
    """What a mail program makes of the HTML."""

    html: str
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    painted: set[tuple[str, str, bool]] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.path: list[dict[str, str | None]] = []
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in ("meta", "br"):
            return
        self.path.append({"tag": tag, **dict(attrs)})
        if tag == "a":
            in_button = any(outer.get("class") == "button" for outer in self.path)
            self.anchors.append(Anchor(dict(attrs)["href"] or "", is_button=in_button))

    def handle_endtag(self, tag: str) -> None:
        assert self.path.pop()["tag"] == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if any(outer["tag"] == "style" for outer in self.path):
            return
        self.texts.append(data)
        if data.strip() and not any("display:none" in (outer.get("style") or "") for outer in self.path):
            self.painted |= {self.colours_here(is_night=is_night) for is_night in (False, True)}
        if any(outer["tag"] == "a" for outer in self.path):
            self.anchors[-1].text += data

    def colours_here(self, *, is_night: bool) -> tuple[str, str, bool]:
        """In front and behind: what each element around the text says itself, and at night what its class says."""
        night = self.html.partition("prefers-color-scheme: dark")[2].partition("@media")[0]
        here = PLAIN[is_night]
        around: set[str] = set()
        for outer in self.path:
            own = {f".{name}" for name in (outer.get("class") or "").split()}
            around |= own
            if outer["tag"] == "a":
                here = here | {"color": here["link"]}
                own |= {f"{name} a" for name in around}
            here = here | dict(COLOURS.findall(outer.get("style") or ""))
            for selectors, says in re.findall(r"([^{}]+){([^{}]*)}", night) if is_night else []:
                if own & {selector.strip() for selector in selectors.split(",")}:
                    here = here | dict(COLOURS.findall(says))
        return here["color"], here["background"], is_night

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split(" "))

    @property
    def preheader(self) -> str:
        hidden = re.search(r'<div style="display:none[^>]*>(.*?)</div>', self.html, re.DOTALL)
        assert hidden
        return hidden[1].replace("&#8199;&#847;", "").strip()


#: What mail programs show where nothing is said, by day and by night.
PLAIN = {
    False: {"color": "#000000", "background": "#ffffff", "link": "#0000ee"},
    True: {"color": "#ffffff", "background": "#121212", "link": "#9e9eff"},
}
COLOURS = re.compile(r"(?<![\w-])(color|background):\s*(#[0-9a-f]{6})")


def hard_to_read(reader: Reader) -> set[tuple[str, str, bool]]:
    """Colours, in front and behind, that have some text and less contrast than 4.5; and whether it is night."""
    return {pair for pair in reader.painted if contrast(*pair[:2]) < TEXT}


MADE: dict[tuple[Kind, str], tuple[EmailMessage, Message]] = {}


class NoUndefinedVariable(str):
    """Stands where a template names something that nobody gave it."""

    def __mod__(self, name: object) -> str:
        raise AssertionError(f"undefined in a mail: {name}")


@pytest.fixture(autouse=True)
def templates_may_not_name_the_unknown(monkeypatch) -> None:
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", NoUndefinedVariable("%s"))


@pytest.fixture(autouse=True)
def mail_goes_through_smtp(settings) -> None:
    """pytest-django would keep it in memory."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def arrived(mail_delivery) -> Callable[..., EmailMessage]:
    """Brings about the situation of a kind and reads the mail it makes."""

    def receive(kind: Kind, **facts) -> EmailMessage:
        SITUATIONS[kind](**{**PRIVATE, **facts})
        mails = mail_delivery.deliver()
        assert len(mails) == 1, Message.objects.values("kind", "status", "answer")
        return mails[0]

    return receive


@pytest.fixture
def once(arrived) -> Callable[[Kind, str], tuple[EmailMessage, Message]]:
    """The same, made once in each language for all that is said of it here; and its row."""

    def receive(kind: Kind, language: str) -> tuple[EmailMessage, Message]:
        if (kind, language) not in MADE:
            mail = arrived(kind, language=language)
            MADE[kind, language] = mail, Message.objects.select_related("person").get(kind=kind)
        return MADE[kind, language]

    return receive


def the_message(kind: Kind) -> Message:
    return Message.objects.get(kind=kind)


def printed(deadline: datetime, language: str) -> str:
    with translation.override(language):
        return datetime_long(deadline)


def test_every_kind_of_mail_is_made_by_somebody_and_tested_here():
    assert registered_kinds() == set(Kind) == set(SITUATIONS)


@EVERY_MAIL
def test_the_envelope_and_headers_are_those_of_a_transactional_mail(once, kind, language):
    """EML-01, EML-03"""
    mail, message = once(kind, language)

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


@EVERY_MAIL
def test_what_shows_in_a_list_of_mails_is_short_and_says_what_it_is(once, kind, language):
    mail, _message = once(kind, language)
    preheader = Reader(html_of(mail)).preheader

    assert 10 < len(mail["Subject"]) <= 60
    assert 10 < len(preheader) <= 100
    assert preheader != mail["Subject"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_date_still_fits_in_the_subject(arrived, time_machine, language):
    time_machine.move_to(datetime(2026, 9, 29, 8, tzinfo=UTC))
    subject = arrived(Kind.ACTIVATION, language=language)["Subject"]

    assert "30" in subject
    assert len(subject) <= 60


@EVERY_MAIL
def test_both_parts_say_the_same_and_load_nothing(once, kind, language):
    """EML-02"""
    mail, _message = once(kind, language)
    reader = Reader(html_of(mail))
    text = text_of(mail)

    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert {part.get_content_charset() for part in mail.iter_parts()} == {"utf-8"}
    assert not {"img", "script", "form", "link", "iframe", "object", "video", "input"} & set(reader.tags)
    assert "url(" not in reader.html
    assert not [value for _, name, value in reader.attributes if name == "src" or name.startswith("on")]
    for url in re.findall(r"https?://\S+", text):
        assert url in {anchor.href for anchor in reader.anchors}, f"{url} is in the text part only"
    for anchor in reader.anchors:
        assert anchor.href in text or anchor.text in ("Aide", "Help"), f"{anchor.href} is in the HTML part only"


@EVERY_MAIL
def test_the_html_part_is_well_formed_and_readable_by_everybody(once, kind, language):
    """EML-02, A11Y: a language, one h1, one button, layout tables that say so, links that show where they go, contrast by
    day and by night."""
    reader = Reader(html_of(once(kind, language)[0]))

    assert not reader.path
    assert ("html", "lang", language) in reader.attributes
    assert reader.tags.count("h1") == 1
    tables = [value for tag, name, value in reader.attributes if (tag, name) == ("table", "role")]
    assert tables == ["presentation"] * reader.tags.count("table")
    buttons = [anchor for anchor in reader.anchors if anchor.is_button]
    assert len(buttons) == 1
    assert any(anchor.text == buttons[0].href for anchor in reader.anchors), "the button's address is not written out"
    for anchor in reader.anchors:
        assert not anchor.text.startswith("http") or anchor.text == anchor.href
    assert len(reader.painted) >= 6
    assert hard_to_read(reader) == set()


@EVERY_MAIL
def test_links_lead_to_the_portal_or_to_the_services_it_announces(once, kind, language):
    """TOK-08, EML-02"""
    reader = Reader(html_of(once(kind, language)[0]))
    announced = {settings.ENT_URL, settings.WEBMAIL_URL} if kind == Kind.ACCOUNT_ACTIVATED else set()

    for anchor in reader.anchors:
        assert anchor.href in announced or urlsplit(anchor.href).netloc == urlsplit(settings.PORTAL_URL).netloc


@EVERY_MAIL
def test_a_mail_says_who_why_and_what_if_it_was_not_you_and_tells_no_secret(once, kind, language):
    """EML-04, PRV-03"""
    mail, message = once(kind, language)

    for part in (text_of(mail), Reader(html_of(mail)).text):
        assert message.person is None or message.person.login in part
        assert WHY[language] in part
        assert settings.SUPPORT_ADDRESS in part
        assert NEVER_ASKED[language] in part
        for secret in ("1984", "29/02", "0123456789A", "11223344", "argon2", "24 heures", "24 hours"):
            assert secret not in part.replace("\u00a0", " ")
    assert "/donnees-personnelles/" in text_of(mail)
    assert "/donnees-personnelles/" in html_of(mail)


@EVERY_MAIL
def test_the_text_part_is_complete_by_itself_and_tidy(once, kind, language):
    text = text_of(once(kind, language)[0]).replace("\r\n", "\n")

    assert not re.search(r"\n\n\n|[{<]%|\{\{|&(amp|lt|gt|quot|#\d+);|</?\w+>", text)
    assert all(line == line.rstrip() or line == "-- " for line in text.splitlines())
    assert not text.startswith("\n")


@MAILS_WITH_LINK
def test_a_link_survives_mail_software(once, kind, language):
    """TOK-11: short enough, plain characters, alone on its line."""
    mail, _message = once(kind, language)
    link = f"{settings.PORTAL_URL}{link_in(mail)}"

    assert len(link) <= 200
    assert re.fullmatch(r"https?://[A-Za-z0-9._:/-]+", link)
    assert link in text_of(mail).splitlines()
    assert {anchor.href for anchor in Reader(html_of(mail)).anchors if anchor.is_button} == {link}


@MAILS_WITH_LINK
def test_both_parts_print_the_deadline_that_is_enforced(once, kind, language):
    """EML-04"""
    mail, message = once(kind, language)
    deadline = message.deadline

    assert printed(deadline, language) in text_of(mail)
    assert printed(deadline, language) in Reader(html_of(mail)).text


def test_the_link_opens_until_the_printed_minute_is_over(arrived):
    """EML-04, TOK-04"""
    token = link_in(arrived(Kind.ACTIVATION)).strip("/").rpartition("/")[2]
    deadline = the_message(Kind.ACTIVATION).deadline

    assert activation_link.open(token, now=deadline).deadline == deadline
    with pytest.raises(LinkExpired):
        activation_link.open(token, now=deadline + timedelta(seconds=1))


@pytest.mark.parametrize("kind", [Kind.ACTIVATION, Kind.NEW_LINK])
@pytest.mark.parametrize(("language", "other"), [("fr", "en"), ("en", "fr")])
def test_the_first_mails_speak_both_languages(arrived, kind, language, other):
    """The person has chosen none yet: the account's comes first, the other is marked as such."""
    mail = arrived(kind, language=language)
    deadline = the_message(kind).deadline
    heading = {"fr": "En français", "en": "In English"}[other]

    for part in (text_of(mail), Reader(html_of(mail)).text):
        assert part.index(printed(deadline, language)) < part.index(heading) < part.index(printed(deadline, other))
    assert re.search(rf'<td[^>]* lang="{other}"', html_of(mail))


@pytest.mark.parametrize(
    "kind",
    [
        *(Kind.ALREADY_ACTIVE, Kind.LOCKED, Kind.ACCOUNT_LOCKED, Kind.ACCOUNT_ACTIVATED, Kind.ASSISTANCE_RECEIVED),
        *(Kind.RECOVERY_CORRECTED, Kind.RECOVERY_ANNOUNCED),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_other_mails_hold_no_link_that_opens_anything(arrived, kind, language):
    """HLP-02: a locked account is not opened by a mail."""
    mail = arrived(kind, language=language)

    assert not re.search(r"[A-Za-z0-9_-]{60}", text_of(mail) + "".join(a.href for a in Reader(html_of(mail)).anchors))


def test_only_members_of_staff_are_told_about_a_mailbox(arrived):
    mail = arrived(Kind.ACCOUNT_ACTIVATED, category=Category.HOSTED)

    assert settings.WEBMAIL_URL not in text_of(mail) + html_of(mail)
    assert "boîte universitaire" not in text_of(mail) + html_of(mail)


def test_members_of_staff_are_told_about_their_mailbox(arrived):
    mail = arrived(Kind.ACCOUNT_ACTIVATED, category=Category.STAFF)

    assert settings.WEBMAIL_URL in text_of(mail)
    assert "jusqu’à une heure" in text_of(mail)
    assert "tablette" in text_of(mail)


@pytest.mark.parametrize(("keep_copy", "said"), [(True, "Une copie"), (False, "Aucune copie")])
def test_whoever_confirms_a_redirection_knows_whether_a_copy_is_kept(arrived, keep_copy, said):
    mail = arrived(Kind.REDIRECTION_VERIFICATION, keep_copy=keep_copy)

    assert said in text_of(mail)
    assert said in Reader(html_of(mail)).text


@pytest.mark.parametrize("kind", SITUATIONS)
def test_a_hostile_name_is_only_a_name(arrived, kind):
    """EML-03, INP-02: line breaks, markup and template language in a name do nothing."""
    mail = arrived(
        kind,
        given_name="Camille\r\nBcc: tous@exemple.net\r\n\r\nhttps://exemple.net/piege",
        family_name="{{7*142857}}<b onclick=alert(1)>Durand</b>",
        institutional_address="camille.hostile@univ-exemple.fr",
        recovery_address="camille.hostile@exemple.net",
    )

    assert mail.envelope.recipients == [the_message(kind).address]
    assert "Bcc" not in mail
    assert not re.search(r"^(Bcc|https://exemple\.net)", text_of(mail), re.MULTILINE)
    assert COMPUTED not in html_of(mail)
    assert not [name for _, name, _ in Reader(html_of(mail)).attributes if name == "onclick"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Kind.LOCKED, Kind.ACCOUNT_LOCKED])
def test_a_university_with_a_telephone_gives_its_number_to_whoever_is_locked_out(arrived, settings, kind, language):
    settings.SUPPORT_PHONE = "04 67 00 00 00"
    mail = arrived(kind, language=language)

    assert "04 67 00 00 00" in text_of(mail)
    assert "04 67 00 00 00" in Reader(html_of(mail)).text
