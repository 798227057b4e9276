"""What an import of the HR file does to people (design §8)."""

from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone, translation

from accounts.enums import LockReason, State
from accounts.links.base import InvalidLink
from accounts.models import Account, Lock
from activation.links import activation_link
from hr_feed.importer import import_feed
from hr_feed.report import Severity
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.factories import active_account
from tests.hr_feed.hr_files import another, imported, person, row, stream_of, text_of, told
from tests.mail_delivery import MailDelivery

pytestmark = pytest.mark.django_db

YESTERDAY = (timezone.localdate() - timedelta(days=1)).isoformat()
TOMORROW = (timezone.localdate() + timedelta(days=1)).isoformat()


def events(hr_id: str = "HR1") -> list[str]:
    return list(JournalEntry.objects.filter(account__hr_id=hr_id).order_by("pk").values_list("event", flat=True))


def mails(status: Status = Status.QUEUED) -> list[tuple[str, str]]:
    return list(Message.objects.filter(status=status).order_by("pk").values_list("person__hr_id", "address"))


@pytest.fixture
def postman(postman, settings) -> MailDelivery:
    """Mails leave through SMTP."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    return postman


# New people


def test_a_new_person_gets_an_account_that_nobody_has_a_password_of():
    report = imported(row())

    camille = person()
    assert (report.read, report.created, report.refused) == (1, 1, 0)
    assert (camille.login, camille.uid) == ("camille.durand@univ-exemple.fr", "cdurand")
    assert (camille.birth_date, camille.start_date, camille.end_date) == (date(1984, 2, 29), date(2024, 9, 1), None)
    assert (camille.category, camille.employer, camille.phone) == ("staff", "Université", "+33612345678")
    assert camille.state == State.PENDING
    assert not camille.has_usable_password()


def test_unusable_passwords_differ():
    imported(row(), another(2))

    assert len(set(Account.objects.values_list("password", flat=True))) == 2


def test_a_new_person_gets_one_activation_mail_behind_those_whom_people_wait_for():
    imported(row(language="en"))

    message = Message.objects.get()
    assert (message.kind, message.priority, message.status) == (Kind.ACTIVATION, Priority.BULK, Status.QUEUED)
    assert (message.person, message.address, message.language) == (person(), "camille.durand@exemple.net", "en")


def test_the_activation_mail_arrives_and_its_link_works(postman):
    imported(row())

    [mail] = postman.deliver()
    assert mail["To"] == "camille.durand@exemple.net"
    token = postman.last_link().rstrip("/").rpartition("/")[2]
    assert activation_link.open(token).account == person()


def test_the_journal_tells_where_the_account_comes_from():
    imported(row())

    entry = JournalEntry.objects.get()
    assert (entry.event, entry.account, entry.actor, entry.source) == (Event.USER_CREATED, person(), None, "command")


def test_the_journal_tells_which_agent_imported():
    agent = active_account()

    import_feed(stream_of(row()), actor=agent)

    assert JournalEntry.objects.get(event=Event.USER_CREATED).actor == agent


def test_somebody_who_has_left_already_gets_an_account_and_no_mail():
    imported(row(end_date=YESTERDAY))

    assert person().state == State.CLOSED
    assert mails() == []


def test_the_last_day_is_still_a_day():
    imported(row(end_date=timezone.localdate().isoformat()))

    assert mails() == [("HR1", "camille.durand@exemple.net")]


def test_language_is_french_unless_hr_says_otherwise():
    imported(row(language=""))

    assert person().language == "fr"


def test_an_institutional_address_given_by_hr_is_kept():
    imported(row(institutional_address="C.Durand@Univ-Exemple.fr"))

    assert person().login == "c.durand@univ-exemple.fr"


def test_an_institutional_address_in_use_is_not_given_again():
    imported(row())

    report = imported(another(2, institutional_address="camille.durand@univ-exemple.fr"))

    assert told(report) == [(2, "HR2", "institutional_address", "error")]
    assert (report.created, report.refused, report.unchanged) == (0, 1, 0)


def test_an_address_given_further_down_is_not_taken_by_a_homonym():
    imported(row(), another(2, institutional_address="camille.durand@univ-exemple.fr"))

    assert person("HR2").login == "camille.durand@univ-exemple.fr"
    assert person("HR1").login == "camille.durand2@univ-exemple.fr"


# Homonyms


def test_homonyms_are_numbered_within_a_file_and_from_one_file_to_the_next():
    same_name = [row(hr_id=f"HR{n}", recovery_address=f"p{n}@exemple.net") for n in range(1, 5)]
    imported(*same_name[:2])
    imported(*same_name)

    logins = [person(f"HR{n}").login.partition("@")[0] for n in range(1, 5)]
    assert logins == ["camille.durand", "camille.durand2", "camille.durand3", "camille.durand4"]
    assert [person(f"HR{n}").uid for n in range(1, 5)] == ["cdurand", "cdurand2", "cdurand3", "cdurand4"]


def test_the_login_of_somebody_who_left_is_never_given_to_anybody_else():
    imported(row(end_date=YESTERDAY))

    imported(row(hr_id="HR2", recovery_address="autre@exemple.net"))

    assert person("HR2").login == "camille.durand2@univ-exemple.fr"
    assert person("HR2").uid == "cdurand2"


def test_a_homonym_of_another_domain_of_the_university_gets_a_number_too(settings):
    settings.UNIVERSITY_DOMAINS = ["univ-exemple.fr", "etu.univ-exemple.fr"]
    imported(row(institutional_address="camille.durand@etu.univ-exemple.fr"))

    imported(row(hr_id="HR2", recovery_address="autre@exemple.net"))

    assert person("HR2").login == "camille.durand2@univ-exemple.fr"


def test_a_name_without_latin_letters_needs_an_address():
    report = imported(row(given_name="明", family_name="李"))
    assert told(report) == [(2, "HR1", "institutional_address", "error")]

    imported(row(given_name="明", family_name="李", institutional_address="ming.li@univ-exemple.fr"))
    assert (person().login, person().uid) == ("ming.li@univ-exemple.fr", "mingli")


# The same file again


def test_importing_again_changes_nothing_and_mails_nobody():
    """ADM-08"""
    imported(row(), another(2))
    before = (list(Account.objects.order_by("pk").values()), JournalEntry.objects.count(), mails())

    report = imported(row(), another(2))

    assert (report.read, report.unchanged, report.created, report.updated, report.corrected) == (2, 2, 0, 0, 0)
    assert (list(Account.objects.order_by("pk").values()), JournalEntry.objects.count(), mails()) == before


def test_nobody_is_removed_for_being_absent():
    imported(row(), another(2))

    imported(another(2))

    assert person("HR1").state == State.PENDING


def test_a_dry_run_says_the_same_and_changes_nothing():
    imported(row(), another(2))
    rows = [row(phone=""), another(2, recovery_address="nouvelle@exemple.net"), another(3), another(4, ine="?")]
    before = list(Account.objects.order_by("pk").values())

    preview = imported(*rows, dry_run=True)

    assert list(Account.objects.order_by("pk").values()) == before
    assert (Message.objects.count(), JournalEntry.objects.count()) == (2, 2)
    assert preview == imported(*rows)
    assert (preview.created, preview.updated, preview.corrected, preview.refused) == (1, 1, 1, 1)


# Changed facts


def test_changed_facts_are_taken_over_and_named_in_the_journal_without_their_values():
    imported(row())

    report = imported(row(family_name="Durand-Martin", end_date=TOMORROW, phone="", category="hosted", employer="CNRS"))

    camille = person()
    assert (camille.family_name, camille.phone, camille.category) == ("Durand-Martin", "", "hosted")
    assert camille.end_date.isoformat() == TOMORROW
    assert report.updated == 1
    entry = JournalEntry.objects.get(event=Event.USER_UPDATED)
    assert entry.details == {"fields": ["family_name", "category", "employer", "end_date", "phone"]}


def test_changed_facts_mail_nobody_and_never_change_a_login():
    imported(row())

    imported(row(family_name="Autre"))

    assert person().login == "camille.durand@univ-exemple.fr"
    assert len(mails()) == 1


def test_another_institutional_address_for_somebody_known_is_only_reported():
    imported(row())

    report = imported(row(institutional_address="autre@univ-exemple.fr"))

    assert person().login == "camille.durand@univ-exemple.fr"
    assert told(report) == [(2, "HR1", "institutional_address", "warning")]
    assert (report.unchanged, report.warnings) == (1, 1)


def test_a_column_that_the_file_does_not_have_says_nothing():
    imported(row(end_date=TOMORROW, ine="0123456789A", language="en"))
    columns = tuple(column for column in row() if column not in ("end_date", "ine", "language", "phone"))

    report = import_feed(stream_of(row(), columns=columns))

    assert report.unchanged == 1
    assert (person().ine, person().phone, person().language) == ("0123456789A", "+33612345678", "en")


def test_the_language_of_somebody_active_is_their_own():
    imported(row(language="fr"))
    Account.objects.update(activated_at=timezone.now(), charter_accepted_at=timezone.now(), language="en")

    assert imported(row(language="fr")).unchanged == 1
    assert person().language == "en"


def test_somebody_never_activated_who_comes_back_gets_the_mail_of_a_newcomer():
    imported(row(end_date=YESTERDAY))

    imported(row(end_date=TOMORROW))

    assert mails() == [("HR1", "camille.durand@exemple.net")]


# Recovery addresses


def test_a_corrected_recovery_address_kills_the_old_link_and_gets_a_new_mail(postman):
    """TOK-07"""
    imported(row(recovery_address="faute@exemple.net"))
    postman.deliver()
    old_token = postman.last_link().rstrip("/").rpartition("/")[2]

    report = imported(row())

    assert (report.corrected, report.updated) == (1, 0)
    assert mails() == [("HR1", "camille.durand@exemple.net")]
    with pytest.raises(InvalidLink):
        activation_link.open(old_token)
    entry = JournalEntry.objects.get(event=Event.RECOVERY_ADDRESS_CORRECTED)
    assert entry.details == {"old": "faute@exemple.net", "new": "camille.durand@exemple.net"}


def test_a_correction_cancels_what_has_not_left_for_the_old_address():
    imported(row(recovery_address="faute@exemple.net"))

    imported(row())

    assert mails(Status.CANCELLED) == [("HR1", "faute@exemple.net")]
    assert mails() == [("HR1", "camille.durand@exemple.net")]


def test_a_correction_ends_the_dispute_over_the_old_address():
    imported(row(recovery_address="faute@exemple.net"))
    Account.objects.update(recovery_address_disputed_at=timezone.now())

    imported(row())

    assert person().can_be_mailed


def test_the_same_disputed_address_stays_disputed():
    imported(row())
    Account.objects.update(recovery_address_disputed_at=timezone.now())

    assert imported(row()).unchanged == 1
    assert not person().can_be_mailed


def test_correcting_the_address_of_somebody_who_left_mails_nobody():
    imported(row(end_date=YESTERDAY, recovery_address="faute@exemple.net"))

    report = imported(row(end_date=YESTERDAY))

    assert (report.corrected, person().recovery_address) == (1, "camille.durand@exemple.net")
    assert mails() == []


def test_the_address_of_somebody_active_is_only_proposed_once_for_each_value():
    """ADM-08"""
    imported(row())
    Account.objects.update(activated_at=timezone.now(), charter_accepted_at=timezone.now())

    for address in ("rh@exemple.net", "rh@exemple.net", "rh2@exemple.net"):
        report = imported(row(recovery_address=address))
        assert (report.proposed, report.corrected, report.unchanged) == (1, 0, 0)
        assert told(report) == [(2, "HR1", "recovery_address", Severity.PROPOSAL)]

    assert person().recovery_address == "camille.durand@exemple.net"
    proposals = JournalEntry.objects.filter(event=Event.RECOVERY_ADDRESS_PROPOSED).order_by("pk")
    assert [entry.details["proposed"] for entry in proposals] == ["rh@exemple.net", "rh2@exemple.net"]
    assert len(mails()) == 1


def test_an_address_that_its_owner_chose_before_the_activation_is_not_overwritten():
    imported(row())
    Account.objects.update(recovery_address="a.moi@exemple.org", recovery_address_owner_set_at=timezone.now())

    assert imported(row()).proposed == 1
    assert person().recovery_address == "a.moi@exemple.org"


def test_the_address_of_somebody_locked_is_not_overwritten():
    imported(row())
    Lock.objects.create(account=person(), reason=LockReason.PHISHING)

    assert imported(row(recovery_address="rh@exemple.net")).proposed == 1
    assert person().recovery_address == "camille.durand@exemple.net"


def test_facts_and_address_can_change_in_one_row():
    imported(row())

    report = imported(row(employer="CNRS", recovery_address="rh@exemple.net"))

    assert (report.updated, report.corrected, report.unchanged) == (1, 1, 0)
    assert events() == [Event.USER_CREATED, Event.USER_UPDATED, Event.RECOVERY_ADDRESS_CORRECTED]


# What deserves a look


def test_two_people_on_one_recovery_address_both_go_in_with_a_warning():
    """ADM-08"""
    report = imported(row(), another(2, recovery_address="camille.durand@exemple.net"))

    assert report.created == 2
    assert told(report) == [(3, "HR2", "recovery_address", "warning")]
    assert "2" in report.problems[0].reason


def test_the_recovery_address_of_somebody_known_gives_a_warning():
    imported(row())

    report = imported(another(2, recovery_address="camille.durand@exemple.net"))

    assert (report.created, told(report)) == (1, [(2, "HR2", "recovery_address", "warning")])


def test_a_probable_slip_is_a_warning_and_the_address_is_kept():
    report = imported(row(recovery_address="camille@gmial.com"))

    assert told(report) == [(2, "HR1", "recovery_address", "warning")]
    assert "gmail.com" in report.problems[0].reason
    assert person().recovery_address == "camille@gmial.com"


def test_reasons_are_in_the_language_of_whoever_imports():
    french = imported(row(hr_id=""), dry_run=True).problems[0].reason
    with translation.override("en"):
        expected = translation.gettext("Valeur obligatoire")
        assert imported(row(hr_id=""), dry_run=True).problems[0].reason == expected
    assert french == "Valeur obligatoire"


def test_an_uploaded_file_is_read_like_any_other():
    upload = SimpleUploadedFile("people.csv", text_of(row()).encode(), content_type="text/csv")

    assert import_feed(upload).created == 1
