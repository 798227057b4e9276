"""What an import of the HR file does to accounts."""

from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
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
from tests.hr_feed.hr_files import another, imported, imported_account, problems_in, row, stream_of, text_of

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


def test_a_new_person_gets_an_account_with_an_unusable_password():
    report = imported(row(), another(2))

    camille = imported_account()
    assert (report.read, report.created, report.refused) == (2, 2, 0)
    assert (camille.login, camille.uid) == ("camille.durand@univ-exemple.fr", "cdurand")
    assert (camille.birth_date, camille.start_date, camille.end_date) == (date(1984, 2, 29), date(2024, 9, 1), None)
    assert (camille.category, camille.employer, camille.phone) == ("staff", "Université", "+33612345678")
    assert camille.state == State.PENDING
    assert not camille.has_usable_password()
    assert camille.password != imported_account("HR2").password


def test_the_activation_mail_has_low_priority_and_its_link_works(mail_delivery):
    imported(row(language="en"))

    message = Message.objects.get()
    assert (message.kind, message.priority, message.status) == (Kind.ACTIVATION, Priority.BULK, Status.QUEUED)
    assert (message.person, message.language) == (imported_account(), "en")
    [mail] = mail_delivery.deliver()
    assert mail["To"] == ADDRESS
    assert activation_link.open(token_in(mail_delivery.last_link())).account == imported_account()


def test_the_journal_records_the_source_and_the_agent():
    agent = active_account()
    imported(row())
    import_feed(stream_of(another(2)), actor=agent)

    first, second = JournalEntry.objects.filter(event=Event.USER_CREATED).order_by("pk")
    assert (first.account, first.actor, first.source) == (imported_account(), None, "command")
    assert second.actor == agent


def test_people_who_left_get_no_mail_and_the_last_day_still_counts():
    imported(row(end_date=YESTERDAY))
    assert imported_account().state == State.CLOSED
    assert mails() == []

    imported(another(2, end_date=timezone.localdate().isoformat()))
    assert mails() == ["p2@exemple.net"]


def test_the_default_language_is_french():
    imported(row(language=""))

    assert imported_account().language == "fr"


# Logins


def test_an_institutional_address_given_by_hr_is_kept_unless_it_is_in_use():
    imported(row(institutional_address="C.Durand@Univ-Exemple.fr"))
    assert imported_account().login == "c.durand@univ-exemple.fr"

    report = imported(another(2, institutional_address="c.durand@univ-exemple.fr"))
    assert problems_in(report) == [(2, "HR2", "institutional_address", "error")]
    assert (report.created, report.refused, report.unchanged) == (0, 1, 0)


def test_an_address_given_further_down_is_not_given_to_a_homonym():
    imported(row(), another(2, institutional_address="camille.durand@univ-exemple.fr"))

    assert imported_account("HR2").login == "camille.durand@univ-exemple.fr"
    assert imported_account("HR1").login == "camille.durand2@univ-exemple.fr"


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


def test_a_name_without_latin_letters_needs_an_address():
    report = imported(row(given_name="明", family_name="李"))
    assert problems_in(report) == [(2, "HR1", "institutional_address", "error")]

    imported(row(given_name="明", family_name="李", institutional_address="ming.li@univ-exemple.fr"))
    assert (imported_account().login, imported_account().uid) == ("ming.li@univ-exemple.fr", "mingli")


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

    report = imported(row(family_name="Durand-Martin", end_date=TOMORROW, phone="", category="hosted", employer="CNRS"))

    camille = imported_account()
    assert (camille.family_name, camille.phone, camille.category) == ("Durand-Martin", "", "hosted")
    assert camille.end_date.isoformat() == TOMORROW
    assert camille.login == "camille.durand@univ-exemple.fr"
    assert report.updated == len(mails()) == 1
    entry = JournalEntry.objects.get(event=Event.USER_UPDATED)
    assert entry.details == {"fields": ["family_name", "category", "employer", "end_date", "phone"]}


def test_another_institutional_address_for_a_known_person_is_only_reported():
    imported(row())

    report = imported(row(institutional_address="autre@univ-exemple.fr"))

    assert imported_account().login == "camille.durand@univ-exemple.fr"
    assert problems_in(report) == [(2, "HR1", "institutional_address", "warning")]
    assert (report.unchanged, report.warnings) == (1, 1)


def test_a_missing_column_changes_nothing():
    imported(row(end_date=TOMORROW, ine="0123456789A", language="en"))
    columns = [column for column in row() if column not in ("end_date", "ine", "language", "phone")]

    report = import_feed(stream_of(row(), columns=columns))

    assert report.unchanged == 1
    camille = imported_account()
    assert (camille.ine, camille.phone, camille.language) == ("0123456789A", "+33612345678", "en")


def test_the_language_of_an_active_account_is_its_owners():
    imported(row(language="fr"))
    Account.objects.update(activated_at=timezone.now(), charter_accepted_at=timezone.now(), language="en")

    assert imported(row(language="fr")).unchanged == 1
    assert imported_account().language == "en"


def test_a_person_who_comes_back_before_activating_gets_the_activation_mail():
    imported(row(end_date=YESTERDAY))

    imported(row(end_date=TOMORROW))

    assert mails() == [ADDRESS]


# Recovery addresses


def test_a_corrected_recovery_address_kills_the_old_link_and_gets_a_new_mail(mail_delivery):
    """TOK-07"""
    imported(row(recovery_address=TYPO))
    mail_delivery.deliver()
    old_token = token_in(mail_delivery.last_link())

    report = imported(row())

    assert (report.corrected, report.updated) == (1, 0)
    assert mails() == [ADDRESS]
    with pytest.raises(InvalidLink):
        activation_link.open(old_token)
    entry = JournalEntry.objects.get(event=Event.RECOVERY_ADDRESS_CORRECTED)
    assert entry.details == {"old": TYPO, "new": ADDRESS}


def test_a_correction_cancels_mails_to_the_old_address_and_ends_its_dispute():
    imported(row(recovery_address=TYPO))
    Account.objects.update(recovery_address_disputed_at=timezone.now())
    assert imported(row(recovery_address=TYPO)).unchanged == 1
    assert not imported_account().can_be_mailed

    imported(row())

    assert (mails(Status.CANCELLED), mails()) == ([TYPO], [ADDRESS])
    assert imported_account().can_be_mailed


def test_correcting_the_address_of_a_closed_account_sends_no_mail():
    imported(row(end_date=YESTERDAY, recovery_address=TYPO))

    report = imported(row(end_date=YESTERDAY))

    assert (report.corrected, imported_account().recovery_address) == (1, ADDRESS)
    assert mails() == []


def test_the_address_of_an_active_account_is_only_proposed_once_a_value():
    """ADM-08"""
    imported(row())
    Account.objects.update(activated_at=timezone.now(), charter_accepted_at=timezone.now())

    for address in ("rh@exemple.net", "rh@exemple.net", "rh2@exemple.net"):
        report = imported(row(recovery_address=address))
        assert (report.proposed, report.corrected, report.unchanged) == (1, 0, 0)
        assert problems_in(report) == [(2, "HR1", "recovery_address", Severity.PROPOSAL)]

    assert imported_account().recovery_address == ADDRESS
    proposals = JournalEntry.objects.filter(event=Event.RECOVERY_ADDRESS_PROPOSED).order_by("pk")
    assert [entry.details["proposed"] for entry in proposals] == ["rh@exemple.net", "rh2@exemple.net"]
    assert len(mails()) == 1


def test_an_address_chosen_by_its_owner_or_of_a_locked_account_is_not_overwritten():
    imported(row(), another(2))
    chosen, locked = imported_account(), imported_account("HR2")
    Account.objects.filter(pk=chosen.pk).update(recovery_address_owner_set_at=timezone.now())
    Lock.objects.create(account=locked, reason=LockReason.PHISHING)

    report = imported(row(recovery_address="rh@exemple.net"), another(2, recovery_address="rh2@exemple.net"))

    assert (report.proposed, report.corrected) == (2, 0)
    assert set(Account.objects.values_list("recovery_address", flat=True)) == {ADDRESS, "p2@exemple.net"}


def test_facts_and_address_can_change_in_one_row():
    imported(row())

    report = imported(row(employer="CNRS", recovery_address="rh@exemple.net"))

    assert (report.updated, report.corrected, report.unchanged) == (1, 1, 0)
    assert list(imported_account().journal.order_by("pk").values_list("event", flat=True)) == [
        *(Event.USER_CREATED, Event.USER_UPDATED, Event.RECOVERY_ADDRESS_CORRECTED)
    ]


# Warnings


def test_a_shared_recovery_address_is_a_warning():
    """ADM-08: within a file, and with a known account."""
    report = imported(row(), another(2, recovery_address=ADDRESS))
    assert report.created == 2
    assert problems_in(report) == [(3, "HR2", "recovery_address", "warning")]
    assert "2" in report.problems[0].reason

    report = imported(another(3, recovery_address=ADDRESS))
    assert (report.created, problems_in(report)) == (1, [(2, "HR3", "recovery_address", "warning")])


def test_a_probable_typo_is_a_warning_and_the_address_is_kept():
    report = imported(row(recovery_address="camille@gmial.com"))

    assert problems_in(report) == [(2, "HR1", "recovery_address", "warning")]
    assert "gmail.com" in report.problems[0].reason
    assert imported_account().recovery_address == "camille@gmial.com"


def test_reasons_are_in_the_language_of_the_user():
    assert imported(row(hr_id=""), dry_run=True).problems[0].reason == "Valeur obligatoire"
    with translation.override("en"):
        expected = translation.gettext("Valeur obligatoire")
        assert imported(row(hr_id=""), dry_run=True).problems[0].reason == expected != "Valeur obligatoire"


def test_an_uploaded_file_is_read_like_any_other():
    upload = SimpleUploadedFile("people.csv", text_of(row()).encode(), content_type="text/csv")

    assert import_feed(upload).created == 1
