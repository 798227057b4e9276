"""What an import of the HR file does to accounts, by `manage.py import_staff` too, and what agents make of it."""

import csv
from datetime import date, timedelta
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock
from accounts.returns import LONGEST_ABSENCE
from activation.links import activation_link
from hr_feed import importer
from hr_feed.importer import import_feed
from hr_feed.proposals import ProposalAlreadyHandled, dismiss_proposal, waiting_proposals
from hr_feed.report import ImportReport, Problem, Severity
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.models import Redirection
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.accounts.recovery import recovering
from tests.accounts.recovery.recovering import REASON, change_to, proposed_by_hr
from tests.agents.signed_in import an_agent
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of
from tests.hr_feed.hr_files import another, imported, imported_account, problems_in, row, stream_of, text_of
from tests.mail_delivery import link_in

pytestmark = pytest.mark.django_db

TODAY = timezone.localdate()
YESTERDAY, TOMORROW = ((TODAY + timedelta(days=days)).isoformat() for days in (-1, 1))
ADDRESS, TYPO = "camille.durand@exemple.net", "faute@exemple.net"


def mails(status: Status = Status.QUEUED) -> list[str]:
    return list(Message.objects.filter(status=status).order_by("pk").values_list("address", flat=True))


def addresses() -> list[str]:
    return [entry.proposed for entry in waiting_proposals()]


def database() -> tuple[object, ...]:
    accounts = list(Account.objects.order_by("pk").values())
    return accounts, JournalEntry.objects.count(), Message.objects.count()


class TestNewPeople:
    def test_they_get_an_account_with_an_unusable_password_and_an_activation_mail(self, mail_delivery):
        agent = active_account()
        report = imported(row(language="en"))
        second = import_feed(stream_of(another(2, language="")), actor=agent)
        camille, other = imported_account(), imported_account("HR2")
        assert (report.read, report.created, report.refused, second.created) == (1, 1, 0, 1)
        assert (camille.login, camille.uid) == ("camille.durand@univ-exemple.fr", "cdurand")
        assert (camille.birth_date, camille.start_date, camille.end_date) == (date(1984, 2, 29), date(2024, 9, 1), None)
        assert (camille.category, camille.employer, camille.phone) == ("staff", "Université", "+33612345678")
        assert (camille.state, camille.language, other.language) == (State.PENDING, "en", "fr")
        assert (camille.has_usable_password(), camille.password == other.password) == (False, False)
        entries = JournalEntry.objects.filter(event=Event.USER_CREATED).order_by("pk")
        recorded = list(entries.values_list("account", "actor", "source"))
        assert recorded == [(camille.pk, None, "command"), (other.pk, agent.pk, "command")]
        message = Message.objects.get(person=camille)
        assert (message.kind, message.priority, message.status) == (Kind.ACTIVATION, Priority.BULK, Status.QUEUED)
        assert message.language == "en"
        mail, _other = mail_delivery.deliver()
        assert mail["To"] == ADDRESS
        assert activation_link.open(link_in(mail).split("/")[-2]).account == camille

    def test_who_left_gets_no_mail_until_the_return_and_the_last_day_still_counts(self):
        imported(row(end_date=YESTERDAY, recovery_address=TYPO))
        assert imported_account().state == State.CLOSED
        assert imported(row(end_date=YESTERDAY)).corrected == 1
        assert (imported_account().recovery_address, mails()) == (ADDRESS, [])
        imported(another(2, end_date=TODAY.isoformat()), row(end_date=TOMORROW))
        assert set(mails()) == {"p2@exemple.net", ADDRESS}

    def test_who_comes_back_is_told_and_activates_anew_after_a_long_absence(self, mail_delivery):
        """Then neither the old password, nor the old address, nor the old forwarding is in use; no lock ends."""
        long_ago = TODAY - LONGEST_ABSENCE - timedelta(days=1)
        for number, end_date in ((1, long_ago), (2, long_ago + timedelta(days=1)), (3, long_ago)):
            person = active_account(hr_id=f"HR{number}", end_date=end_date, recovery_address=f"{number}@ancien.fr")
            Account.objects.filter(pk=person.pk).update(recovery_address_owner_set_at=timezone.now())
            Redirection.objects.filter(account=person).update(target="ailleurs@exemple.org", verified_at=timezone.now())
        Lock.objects.create(account=person, reason=LockReason.PHISHING)
        rows = [another(number, end_date=TOMORROW) for number in (1, 2, 3)]
        assert imported(*rows, dry_run=True) == imported(*rows)
        anew, soon, locked = (imported_account(f"HR{number}") for number in (1, 2, 3))
        assert [one.state for one in (anew, soon, locked)] == [State.PENDING, State.ACTIVE, State.LOCKED]
        assert [one.has_usable_password() for one in (anew, soon, locked)] == [False, True, False]
        found = [(one.recovery_address, hasattr(one, "redirection")) for one in (anew, soon, locked)]
        assert found == [("p1@exemple.net", False), ("2@ancien.fr", True), ("3@ancien.fr", False)]
        told = [mail["To"] for mail in mail_delivery.deliver()]
        assert told == ["p1@exemple.net", "1@ancien.fr", "2@ancien.fr", soon.login]
        assert imported(*rows).unchanged == 1

    def test_an_institutional_address_given_by_hr_is_kept_unless_it_is_in_use(self):
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
        given = another(5, institutional_address="camille.homonyme@univ-exemple.fr")
        imported(another(4, family_name="Homonyme"), given)
        logins = [imported_account(hr_id).login for hr_id in ("HR4", "HR5")]
        assert logins == ["camille.homonyme2@univ-exemple.fr", "camille.homonyme@univ-exemple.fr"]

    def test_homonyms_are_numbered_across_files_domains_and_departures(self, settings):
        settings.UNIVERSITY_DOMAINS = ["univ-exemple.fr", "etu.univ-exemple.fr"]
        homonyms = [another(n, family_name="Durand") for n in range(1, 5)]
        homonyms[0]["institutional_address"] = "camille.durand@etu.univ-exemple.fr"
        homonyms[1]["end_date"] = YESTERDAY
        imported(*homonyms[:2])
        imported(*homonyms)
        accounts = [imported_account(f"HR{n}") for n in range(1, 5)]
        assert [one.login.partition("@")[0] for one in accounts] == [f"camille.durand{n}" for n in ("", 2, 3, 4)]
        assert [one.uid for one in accounts] == ["cdurand", "cdurand2", "cdurand3", "cdurand4"]


def test_importing_again_changes_nothing_and_sends_no_mail():
    """ADM-08: nor is an account removed for being absent, nor touched when HR does not know it; a dry run reports."""
    agent = Account.objects.create(uid="cdurand", institutional_address="camille.durand@univ-exemple.fr", is_staff=True)
    imported(row(), another(2), another(3))
    assert (imported_account().uid, imported_account().login) == ("cdurand2", "camille.durand2@univ-exemple.fr")
    before = database()
    report = imported(row(), another(2))
    assert (report.read, report.unchanged, report.created, report.updated, report.corrected) == (2, 2, 0, 0, 0)
    assert database() == before
    assert Account.objects.get(pk=agent.pk).hr_id is None
    rows = [row(phone=""), another(2, recovery_address="nouvelle@exemple.net"), another(4), another(5, category="?")]
    preview = imported(*rows, dry_run=True)
    assert database() == before
    assert preview == imported(*rows)
    assert (preview.created, preview.updated, preview.corrected, preview.refused) == (1, 1, 1, 1)


class TestChangedFacts:
    def test_they_are_updated_and_named_in_the_journal_without_their_values(self):
        imported(row(ine="0123456789A", language="en"))
        changes = {"family_name": "Durand-Martin", "end_date": TOMORROW, "phone": "", "category": "hosted"}
        cells = row(**changes, employer="CNRS", recovery_address="rh@exemple.net", ine="0123456789A", language="en")
        report = imported(cells)
        camille = imported_account()
        assert (camille.family_name, camille.phone, camille.category) == ("Durand-Martin", "", "hosted")
        assert (camille.end_date.isoformat(), camille.login) == (TOMORROW, "camille.durand@univ-exemple.fr")
        assert (report.updated, report.corrected, report.unchanged) == (1, 1, 0)
        assert events_of(camille) == [Event.USER_CREATED, Event.USER_UPDATED, Event.RECOVERY_ADDRESS_CORRECTED]
        entry = JournalEntry.objects.get(event=Event.USER_UPDATED)
        assert entry.details == {"fields": ["family_name", "category", "employer", "end_date", "phone"]}
        # A missing column changes nothing.
        columns = [column for column in cells if column not in ("end_date", "ine", "language", "phone")]
        assert import_feed(stream_of(cells, columns=columns)).unchanged == 1
        assert (imported_account().ine, imported_account().language) == ("0123456789A", "en")

    def test_a_corrected_recovery_address_gets_a_new_mail(self, mail_delivery):
        """Mails to the old address are cancelled, its dispute ends."""
        imported(row(recovery_address=TYPO))
        mail_delivery.deliver()
        imported_account().messages.create(kind=Kind.NEW_LINK, address=TYPO)
        Account.objects.update(recovery_address_disputed_at=timezone.now())
        assert imported(row(recovery_address=TYPO)).unchanged == 1
        assert not imported_account().can_be_mailed
        report = imported(row())
        assert (report.corrected, report.updated) == (1, 0)
        assert (mails(Status.CANCELLED), mails()) == ([TYPO], [ADDRESS])
        assert imported_account().can_be_mailed
        entry = JournalEntry.objects.get(event=Event.RECOVERY_ADDRESS_CORRECTED)
        assert entry.details == {"old": TYPO, "new": ADDRESS}
        imported(row(recovery_address=TYPO))
        told = Message.objects.get(kind=Kind.RECOVERY_CORRECTED)
        assert (told.address, mails()) == (ADDRESS, [TYPO, ADDRESS])
        assert mail_delivery.deliver()[-1]["To"] == ADDRESS

    def test_an_address_in_use_chosen_or_locked_is_only_proposed_once_a_value(self):
        """ADM-08: nor does the language of an active account change."""
        imported(row(), another(2), another(3))
        active, chosen, locked = (Account.objects.filter(hr_id=f"HR{n}") for n in (1, 2, 3))
        active.update(activated_at=timezone.now(), charter_accepted_at=timezone.now(), language="en")
        chosen.update(recovery_address_owner_set_at=timezone.now())
        lock_account(account=locked.get(), reason=LockReason.PHISHING)
        for address in ("rh@exemple.net", "rh@exemple.net", "rh2@exemple.net"):
            report = imported(row(recovery_address=address, language="fr"))
            assert (report.proposed, report.corrected, report.updated, report.unchanged) == (1, 0, 0, 0)
            assert problems_in(report) == [(2, "HR1", "recovery_address", Severity.PROPOSAL)]
        others = [another(number, recovery_address=f"rh{number}@exemple.net") for number in (2, 3)]
        report = imported(*others)
        assert (report.proposed, report.corrected, active.get().language) == (2, 0, "en")
        on_file = Account.objects.order_by("hr_id").values_list("recovery_address", flat=True)
        assert list(on_file) == [ADDRESS, "p2@exemple.net", "p3@exemple.net"]
        proposals = active.get().journal.filter(event=Event.RECOVERY_ADDRESS_PROPOSED).order_by("pk")
        assert [entry.details["proposed"] for entry in proposals] == ["rh@exemple.net", "rh2@exemple.net"]
        assert addresses() == ["rh2@exemple.net", "rh2@exemple.net", "rh3@exemple.net"]
        assert not Message.objects.filter(address__startswith="rh").exists()

    def test_a_shared_address_or_a_probable_typo_is_a_warning(self):
        """ADM-08: within a file, and with a known account."""
        report = imported(row(), another(2, recovery_address=ADDRESS))
        assert (report.created, problems_in(report)) == (2, [(3, "HR2", "recovery_address", "warning")])
        assert "2" in report.problems[0].reason
        for number, address, hint in ((3, ADDRESS, ""), (4, "c@gmial.com", "gmail.com")):
            report = imported(another(number, recovery_address=address))
            assert (report.created, problems_in(report)) == (1, [(2, f"HR{number}", "recovery_address", "warning")])
            assert hint in report.problems[0].reason
            assert imported_account(f"HR{number}").recovery_address == address


def test_the_latest_proposal_of_each_account_waits_until_it_is_settled():
    """ADM-06, ADM-08: by the address on file, an agent's dismissal or replacement; not of agents and closed accounts."""
    person, other, agent = active_account(), active_account(), recovering.a_responsable()
    yesterday = timezone.now() - timedelta(days=1)
    latest = proposed_by_hr(person, "quatre@exemple.org")
    proposed_by_hr(other, "trois@exemple.org", at=yesterday)
    proposed_by_hr(person, "une@exemple.org", at=yesterday - timedelta(days=1))
    for account in (an_agent(), active_account(end_date=TODAY - timedelta(days=1))):
        proposed_by_hr(account, "rh@exemple.org")
    assert addresses() == ["trois@exemple.org", "quatre@exemple.org"]
    no_proposal = change_to(other, "trois@exemple.org")
    assert addresses() == ["quatre@exemple.org"]
    dismiss_proposal(entry_id=latest.pk, agent=agent, reason=REASON)
    kept = person.journal.get(event=Event.RECOVERY_PROPOSAL_DISMISSED)
    assert (kept.actor, kept.details) == (agent, {"proposal": latest.pk, "reason": REASON})
    for key in (latest.pk, no_proposal.pk, 10**9):
        with pytest.raises(ProposalAlreadyHandled):
            dismiss_proposal(entry_id=key, agent=agent, reason=REASON)
    proposed_by_hr(person, recovering.GIVEN)
    assert addresses() == [recovering.GIVEN]
    recovering.cancel(recovering.proposed(person), agent)
    assert addresses() == []
    proposed_by_hr(other, "rh@exemple.org")
    recovering.in_force(other)
    assert addresses() == ["rh@exemple.org"]


class TestCommand:
    def run(self, *arguments: object, **options: object) -> str:
        output = StringIO()
        call_command("import_staff", *map(str, arguments), stdout=output, **options)
        return output.getvalue()

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "people.csv"
        path.write_text(text_of(row(), another(2, category="?"), another(3)), encoding="utf-8")
        return path

    def test_a_dry_run_then_an_import_print_a_summary_and_write_a_report_without_formulas(self, file, tmp_path):
        """ADM-07"""
        preview = self.run(file, "--dry-run")
        assert preview.startswith("Essai\u00a0: rien n’a été changé.")
        assert "Comptes créés\u00a0: 2" in preview
        assert not Account.objects.exists()
        report = tmp_path / "report.csv"
        summary = self.run(file, "--report", report).splitlines()
        assert Account.objects.count() == 2
        assert {"Lignes lues\u00a0: 3", "Comptes créés\u00a0: 2", "Lignes refusées\u00a0: 1"} <= set(summary)
        assert any("ligne 3 · HR2 · category · erreur" in line for line in summary)
        heading, problem = csv.reader(StringIO(report.read_text(encoding="utf-8-sig")), delimiter=";")
        assert heading == ["ligne", "hr_id", "colonne", "gravité", "raison"]
        assert problem[:4] == ["3", "HR2", "category", "erreur"]
        assert self.run(file, verbosity=0) == ""
        # Whose account it may be is asked; columns that seem misspelt stop the import.
        file.write_text(text_of(row(hr_id="0HR1"), another(4)).replace("end_date", "date_fin", 1))
        with pytest.raises(CommandError, match=r"Une colonne qui n’est pas lue ressemble[^$]*ajoutez --sure"):
            self.run(file)
        assert "Personnes à départager (--new-person)\u00a0: 1" in self.run(file, "--dry-run")
        assert Account.objects.count() == 2
        self.run(file, "--sure", "--new-person", "0HR1")
        assert Account.objects.count() == 4
        hostile, output = ImportReport(), StringIO(newline="")
        hostile.add(Problem(2, "=1", "@SUM(1)", Severity.ERROR, '-2;"\n'))
        hostile.write_csv(output)
        [_heading, read] = csv.reader(StringIO(output.getvalue(), newline=""), delimiter=";")
        assert read == ["2", "'=1", "'@SUM(1)", "erreur", "'-2;\"\n"]

    def test_an_unreadable_file_or_report_is_one_sentence_before_any_change(self, file, tmp_path):
        with pytest.raises(CommandError, match="rapport"):
            self.run(file, "--report", tmp_path / "nowhere" / "report.csv")
        for path in (tmp_path / "missing.csv", tmp_path):
            with pytest.raises(CommandError, match="n’existe pas ou ne peut pas être lu"):
                self.run(path)
        file.write_bytes(b"hr_id;mdp\n")
        with pytest.raises(CommandError, match="mot de passe"):
            self.run(file)
        assert not Account.objects.exists()


def people(count: int, **facts: str) -> list[dict[str, str]]:
    """Every tenth is a homonym."""
    return [another(n, **({"family_name": "Durand"} if n % 10 == 0 else {}), **facts) for n in range(1, count + 1)]


@pytest.mark.slow
class TestLargeFiles:
    def statements_for(self, rows: list[dict[str, str]]) -> int:
        with CaptureQueriesContext(connection) as queries:
            imported(*rows)
        return len(queries)

    def test_the_number_of_statements_does_not_depend_on_the_number_of_rows(self):
        few = people(20)
        many = [{**cells, "hr_id": f"M{cells['hr_id']}", "birth_date": "1990-01-01"} for cells in people(2_000)]
        for number, cells in enumerate(many):
            cells["given_name"] = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        assert self.statements_for(few) == self.statements_for(many) <= 20
        assert Account.objects.count() == 2_020
        imported(*people(2_000))
        changed = people(2_000, employer="CNRS", phone="07 12 34 56 78")
        for cells in changed:
            cells["recovery_address"] = f"nouvelle.{cells['recovery_address']}"
        number = self.statements_for(changed[:20])
        assert self.statements_for(changed[20:]) == number <= 20
        assert Message.objects.filter(status=Status.QUEUED, address__startswith="nouvelle.").count() == 2_000

    def test_several_chunks_are_one_file(self, monkeypatch):
        """ADM-08"""
        monkeypatch.setattr(importer, "ROWS_IN_A_CHUNK", 7)
        rows = people(50)
        rows[40] = {**rows[0], "start_date": "2020-01-01"}
        rows[45] = {**rows[45], "recovery_address": rows[1]["recovery_address"]}
        preview, report = imported(*rows, dry_run=True), imported(*rows)
        assert preview == report
        found = [(problem.line, problem.severity.value) for problem in report.problems]
        assert found == [(47, "warning")]
        assert (report.read, report.created, report.refused, report.unchanged) == (50, 49, 0, 0)
        assert imported_account().start_date.year == 2020

    @pytest.mark.django_db(transaction=True)
    def test_two_imports_at_once_give_no_login_twice(self):
        """AVL-05"""
        for first in (100, 300, 500):
            files = [[another(start + n, family_name="Durand") for n in range(40)] for start in (first, first + 100)]
            reports = attempted_together(*(partial(imported, *rows) for rows in files))
            assert [getattr(report, "created", report) for report in reports] == [40, 40]
        assert Account.objects.values("uid").distinct().count() == 240
