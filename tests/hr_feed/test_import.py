"""What an import of the HR file does to accounts."""

from datetime import date, timedelta

import pytest
from django.utils import timezone, translation

from accounts.enums import LockReason, State
from accounts.links.signed_link import InvalidLink
from accounts.models import Account, Lock
from activation.links import activation_link
from hr_feed.importer import import_feed
from hr_feed.report import Severity
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.factories import active_account
from tests.hr_feed.hr_files import another, imported, imported_account, problems_in, row, stream_of
from tests.mail_delivery import link_in

pytestmark = pytest.mark.django_db

YESTERDAY = (timezone.localdate() - timedelta(days=1)).isoformat()
TOMORROW = (timezone.localdate() + timedelta(days=1)).isoformat()
ADDRESS = "camille.durand@exemple.net"
TYPO = "faute@exemple.net"


def mails(status: Status = Status.QUEUED) -> list[str]:
    return list(Message.objects.filter(status=status).order_by("pk").values_list("address", flat=True))


def database() -> tuple[object, ...]:
    accounts = list(Account.objects.order_by("pk").values())
    return accounts, JournalEntry.objects.count(), Message.objects.count()


def token_in(link: str) -> str:
    return link.rstrip("/").rpartition("/")[2]


# New people


def test_a_new_person_gets_an_account_with_an_unusable_password_and_an_activation_mail(mail_delivery):
    agent = active_account()
    report = imported(row(language="en"))
    second = import_feed(stream_of(another(2, language="")), actor=agent)

    camille, other = imported_account(), imported_account("HR2")
    assert (report.read, report.created, report.refused, second.created) == (1, 1, 0, 1)
    assert (camille.login, camille.uid) == ("camille.durand@univ-exemple.fr", "cdurand")
    assert (camille.birth_date, camille.start_date, camille.end_date) == (date(1984, 2, 29), date(2024, 9, 1), None)
    assert (camille.category, camille.employer, camille.phone) == ("staff", "Université", "+33612345678")
    assert (camille.state, camille.language, other.language) == (State.PENDING, "en", "fr")
    assert not camille.has_usable_password()
    assert camille.password != other.password
    entries = JournalEntry.objects.filter(event=Event.USER_CREATED).order_by("pk")
    assert list(entries.values_list("account", "actor")) == [(camille.pk, None), (other.pk, agent.pk)]
    assert entries[0].source == "command"
    message = Message.objects.get(person=camille)
    assert (message.kind, message.priority, message.status) == (Kind.ACTIVATION, Priority.BULK, Status.QUEUED)
    assert message.language == "en"
    mail, _other = mail_delivery.deliver()
    assert mail["To"] == ADDRESS
    assert activation_link.open(token_in(link_in(mail))).account == camille


def test_people_who_left_get_no_mail_until_they_come_back_and_the_last_day_still_counts():
    imported(row(end_date=YESTERDAY, recovery_address=TYPO))
    assert imported_account().state == State.CLOSED
    assert imported(row(end_date=YESTERDAY)).corrected == 1
    assert (imported_account().recovery_address, mails()) == (ADDRESS, [])
    imported(another(2, end_date=timezone.localdate().isoformat()), row(end_date=TOMORROW))
    assert set(mails()) == {"p2@exemple.net", ADDRESS}


# Logins


def test_an_institutional_address_given_by_hr_is_kept_unless_it_is_in_use():
    """A name without Latin letters needs one; that of a known person does not change."""
    imported(row(institutional_address="C.Durand@Univ-Exemple.fr"))
    assert imported_account().login == "c.durand@univ-exemple.fr"
    report = imported(another(2, institutional_address="c.durand@univ-exemple.fr"))
    assert problems_in(report) == [(2, "HR2", "institutional_address", "error")]
    assert (report.created, report.refused, report.unchanged) == (0, 1, 0)

    report = imported(row(institutional_address="autre@univ-exemple.fr"))
    assert problems_in(report) == [(2, "HR1", "institutional_address", "warning")]
    assert (report.unchanged, report.warnings, imported_account().login) == (1, 1, "c.durand@univ-exemple.fr")

    ming = another(3, given_name="明", family_name="李")
    assert problems_in(imported(ming)) == [(2, "HR3", "institutional_address", "error")]
    imported({**ming, "institutional_address": "ming.li@univ-exemple.fr"})
    assert (imported_account("HR3").login, imported_account("HR3").uid) == ("ming.li@univ-exemple.fr", "mingli")

    imported(another(4, family_name="Homonyme"), another(5, institutional_address="camille.homonyme@univ-exemple.fr"))
    logins = [imported_account(hr_id).login for hr_id in ("HR4", "HR5")]
    assert logins == ["camille.homonyme2@univ-exemple.fr", "camille.homonyme@univ-exemple.fr"]


def test_homonyms_are_numbered_across_files_domains_and_departures(settings):
    settings.UNIVERSITY_DOMAINS = ["univ-exemple.fr", "etu.univ-exemple.fr"]
    homonyms = [row(hr_id=f"HR{n}", recovery_address=f"p{n}@exemple.net") for n in range(1, 5)]
    homonyms[0]["institutional_address"] = "camille.durand@etu.univ-exemple.fr"
    homonyms[1]["end_date"] = YESTERDAY
    imported(*homonyms[:2])
    imported(*homonyms)
    accounts = [imported_account(f"HR{n}") for n in range(1, 5)]
    assert [one.login.partition("@")[0] for one in accounts] == [
        *("camille.durand", "camille.durand2", "camille.durand3", "camille.durand4")
    ]
    assert [one.uid for one in accounts] == ["cdurand", "cdurand2", "cdurand3", "cdurand4"]


# The same file again


def test_importing_again_changes_nothing_and_sends_no_mail():
    """ADM-08: nor is an account removed for being absent."""
    imported(row(), another(2), another(3))
    before = database()
    report = imported(row(), another(2))
    assert (report.read, report.unchanged, report.created, report.updated, report.corrected) == (2, 2, 0, 0, 0)
    assert database() == before


def test_a_dry_run_reports_the_same_and_changes_nothing():
    imported(row(), another(2))
    rows = [row(phone=""), another(2, recovery_address="nouvelle@exemple.net"), another(3), another(4, ine="?")]
    before = database()
    preview = imported(*rows, dry_run=True)
    assert database() == before
    assert preview == imported(*rows)
    assert (preview.created, preview.updated, preview.corrected, preview.refused) == (1, 1, 1, 1)


# Changed facts


def test_changed_facts_are_updated_and_named_in_the_journal_without_their_values():
    imported(row())
    changes = {"family_name": "Durand-Martin", "end_date": TOMORROW, "phone": "", "category": "hosted"}
    report = imported(row(**changes, employer="CNRS", recovery_address="rh@exemple.net"))
    camille = imported_account()
    assert (camille.family_name, camille.phone, camille.category) == ("Durand-Martin", "", "hosted")
    assert (camille.end_date.isoformat(), camille.login) == (TOMORROW, "camille.durand@univ-exemple.fr")
    assert (report.updated, report.corrected, report.unchanged) == (1, 1, 0)
    assert list(camille.journal.order_by("pk").values_list("event", flat=True)) == [
        *(Event.USER_CREATED, Event.USER_UPDATED, Event.RECOVERY_ADDRESS_CORRECTED)
    ]
    entry = JournalEntry.objects.get(event=Event.USER_UPDATED)
    assert entry.details == {"fields": ["family_name", "category", "employer", "end_date", "phone"]}


def test_a_missing_column_changes_nothing():
    imported(row(end_date=TOMORROW, ine="0123456789A", language="en"))
    columns = [column for column in row() if column not in ("end_date", "ine", "language", "phone")]
    report = import_feed(stream_of(row(), columns=columns))
    assert report.unchanged == 1
    camille = imported_account()
    assert (camille.ine, camille.phone, camille.language) == ("0123456789A", "+33612345678", "en")


# Recovery addresses


def test_a_corrected_recovery_address_kills_the_old_link_and_gets_a_new_mail(mail_delivery):
    """TOK-07: mails to the old address are cancelled, its dispute ends."""
    imported(row(recovery_address=TYPO))
    mail_delivery.deliver()
    old_token = token_in(mail_delivery.last_link())
    imported_account().messages.create(kind=Kind.NEW_LINK, address=TYPO)
    Account.objects.update(recovery_address_disputed_at=timezone.now())
    assert imported(row(recovery_address=TYPO)).unchanged == 1
    assert not imported_account().can_be_mailed
    report = imported(row())
    assert (report.corrected, report.updated) == (1, 0)
    assert (mails(Status.CANCELLED), mails()) == ([TYPO], [ADDRESS])
    assert imported_account().can_be_mailed
    with pytest.raises(InvalidLink):
        activation_link.open(old_token)
    entry = JournalEntry.objects.get(event=Event.RECOVERY_ADDRESS_CORRECTED)
    assert entry.details == {"old": TYPO, "new": ADDRESS}


def test_an_address_in_use_chosen_or_locked_is_only_proposed_once_a_value():
    """ADM-08: nor does the language of an active account change."""
    imported(row(), another(2), another(3))
    active, chosen, locked = (Account.objects.filter(hr_id=f"HR{n}") for n in (1, 2, 3))
    active.update(activated_at=timezone.now(), charter_accepted_at=timezone.now(), language="en")
    chosen.update(recovery_address_owner_set_at=timezone.now())
    Lock.objects.create(account=locked.get(), reason=LockReason.PHISHING)

    for address in ("rh@exemple.net", "rh@exemple.net", "rh2@exemple.net"):
        report = imported(row(recovery_address=address, language="fr"))
        assert (report.proposed, report.corrected, report.updated, report.unchanged) == (1, 0, 0, 0)
        assert problems_in(report) == [(2, "HR1", "recovery_address", Severity.PROPOSAL)]
    report = imported(another(2, recovery_address="rh3@exemple.net"), another(3, recovery_address="rh4@exemple.net"))

    assert (report.proposed, report.corrected, active.get().language) == (2, 0, "en")
    on_file = Account.objects.order_by("hr_id").values_list("recovery_address", flat=True)
    assert list(on_file) == [ADDRESS, "p2@exemple.net", "p3@exemple.net"]
    proposals = active.get().journal.filter(event=Event.RECOVERY_ADDRESS_PROPOSED).order_by("pk")
    assert [entry.details["proposed"] for entry in proposals] == ["rh@exemple.net", "rh2@exemple.net"]
    assert len(mails()) == 3


# Warnings


def test_a_shared_address_or_a_probable_typo_is_a_warning():
    """ADM-08: within a file, and with a known account."""
    report = imported(row(), another(2, recovery_address=ADDRESS))
    assert (report.created, problems_in(report)) == (2, [(3, "HR2", "recovery_address", "warning")])
    assert "2" in report.problems[0].reason
    for cells, hint in (
        (another(3, recovery_address=ADDRESS), ""),
        (another(4, recovery_address="c@gmial.com"), "gmail.com"),
    ):
        report = imported(cells)
        assert (report.created, problems_in(report)) == (1, [(2, cells["hr_id"], "recovery_address", "warning")])
        assert hint in report.problems[0].reason
        assert imported_account(cells["hr_id"]).recovery_address == cells["recovery_address"]


def test_reasons_are_in_the_language_of_the_user():
    assert imported(row(hr_id=""), dry_run=True).problems[0].reason == "Valeur obligatoire"
    with translation.override("en"):
        expected = translation.gettext("Valeur obligatoire")
        assert imported(row(hr_id=""), dry_run=True).problems[0].reason == expected != "Valeur obligatoire"
