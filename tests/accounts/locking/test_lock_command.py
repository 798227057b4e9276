"""`manage.py lock_account`: what an operator does when there is no time (HLP-01)."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.enums import LockReason
from accounts.models import Lock
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.factories import active_account
from tests.locking import locked_person

pytestmark = pytest.mark.django_db


def run(*arguments: object, reason: str = "phishing", **options: object) -> list[str]:
    out = StringIO()
    call_command("lock_account", *map(str, arguments), f"--reason={reason}", stdout=out, **options)
    return out.getvalue().splitlines()


def test_locks_by_address_and_by_short_name_and_says_so():
    """HLP-01: reason, comment, origin."""
    by_address, by_uid, before = active_account(), active_account(), locked_person()

    said = run(
        by_address.login.upper(), by_uid.uid, before.uid, "--comment", "Alerte CERT 12", reason="fraudulent-site"
    )

    assert said == [
        f"{by_address.login.upper()}\tbloqué",
        f"{by_uid.uid}\tbloqué",
        f"{before.uid}\tdéjà bloqué",
    ]
    locks = Lock.objects.filter(reason=LockReason.FRAUDULENT_SITE, comment="Alerte CERT 12")
    assert {lock.account for lock in locks} == {by_address, by_uid}
    assert by_uid.journal.get(event=Event.LOCKED).source == "command"
    assert Message.objects.filter(kind=Kind.ACCOUNT_LOCKED, person=by_uid).exists()


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_locks_whoever_a_file_names(tmp_path, line_end):
    """A list as any system exports it: with its mark, its line ends, its empty lines."""
    people = [active_account() for _ in range(3)]
    file = tmp_path / "liste.txt"
    lines = ["", *(person.login for person in people), "  "]
    file.write_bytes(b"\xef\xbb\xbf" + line_end.join(lines).encode())

    assert len(run("--file", file)) == 3
    assert Lock.objects.open().count() == 3


def test_who_is_unknown_is_told_and_makes_the_command_fail_while_the_others_are_locked():
    """Exit code 1: a script notices."""
    person = active_account()
    out = StringIO()

    with pytest.raises(CommandError, match="inconnus\N{NO-BREAK SPACE}: 1"):
        call_command("lock_account", "personne", person.uid, "--reason=phishing", stdout=out)

    assert out.getvalue().splitlines() == ["personne\tinconnu", f"{person.uid}\tbloqué"]
    assert person.is_locked


def test_says_nothing_when_asked_to_be_quiet():
    assert run(active_account().uid, verbosity=0) == []


def test_without_anybody_or_a_file_that_can_be_read_nothing_is_done(tmp_path):
    for arguments in ((), ("--file", tmp_path / "absent.txt"), ("--file", tmp_path)):
        with pytest.raises(CommandError):
            run(*arguments)


def test_a_file_that_is_no_text_names_nobody(tmp_path):
    """INP-01"""
    file = tmp_path / "liste.bin"
    file.write_bytes(bytes(range(256)) * 10)

    with pytest.raises(CommandError, match="inconnus"):
        run("--file", file)
    assert not Lock.objects.exists()


@pytest.mark.parametrize("reason", ["", "parce que", "PHISHING"])
def test_the_reason_is_one_that_the_person_can_read(reason):
    with pytest.raises(CommandError):
        run(active_account().uid, reason=reason)
    assert not Lock.objects.exists()


@pytest.mark.parametrize("comment", ["x" * 501, "a\x00b", "a\u202eb"])
def test_a_comment_that_cannot_be_kept_locks_nobody(comment):
    """INP-02"""
    with pytest.raises(CommandError):
        run(active_account().uid, "--comment", comment)
    assert not Lock.objects.exists()
