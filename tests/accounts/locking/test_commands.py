"""`manage.py lock_account` and `manage.py release_account` (HLP-01, HLP-03)."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.locking.unlock import changes_to_review
from accounts.models import Account, Lock
from accounts.passwords.services import change_password
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.factories import active_account, reloaded
from tests.locking import REPORT, an_agent, locked_account

pytestmark = pytest.mark.django_db


def lock(*arguments: object, reason: str = "phishing", **options: object) -> list[str]:
    out = StringIO()
    call_command("lock_account", *map(str, arguments), f"--reason={reason}", stdout=out, **options)
    return out.getvalue().splitlines()


def unlock(login: str, agent: str, **changed: Any) -> str:
    output = StringIO()
    arguments = {"reason": "phishing-over", "proof": "in-person", "report": REPORT, **changed}
    call_command("release_account", login, agent=agent, stdout=output, **arguments)
    return output.getvalue()


def test_it_locks_by_address_or_uid_and_prints_each_result():
    """HLP-01"""
    by_address, by_uid, before = active_account(), active_account(), locked_account()
    printed = lock(
        by_address.login.upper(), by_uid.uid, before.uid, "--comment", "Alerte CERT 12", reason="fraudulent-site"
    )
    assert printed == [f"{by_address.login.upper()}\tbloqué", f"{by_uid.uid}\tbloqué", f"{before.uid}\tdéjà bloqué"]
    locks = Lock.objects.filter(reason=LockReason.FRAUDULENT_SITE, comment="Alerte CERT 12")
    assert {lock.account for lock in locks} == {by_address, by_uid}
    assert by_uid.journal.get(event=Event.LOCKED).source == "command"
    assert Message.objects.filter(kind=Kind.ACCOUNT_LOCKED, person=by_uid).exists()
    assert lock(active_account().uid, verbosity=0) == []


def test_it_reads_a_file_with_any_line_ends(tmp_path):
    for line_end in ("\n", "\r\n"):
        names = [active_account().login for _ in range(3)]
        file = tmp_path / "liste.txt"
        file.write_bytes(b"\xef\xbb\xbf" + line_end.join(["", *names, "  "]).encode())
        assert lock("--file", file) == [f"{name}\tbloqué" for name in names]


def test_an_unknown_name_makes_it_fail_after_locking_the_others():
    person, out = active_account(), StringIO()
    with pytest.raises(CommandError, match="inconnus\N{NO-BREAK SPACE}: 1"):
        call_command("lock_account", "personne", person.uid, "--reason=phishing", stdout=out)
    assert out.getvalue().splitlines() == ["personne\tinconnu", f"{person.uid}\tbloqué"]
    assert person.is_locked


def test_invalid_arguments_lock_no_account(tmp_path):
    """INP-01, INP-02"""
    uid, binary = active_account().uid, tmp_path / "liste.bin"
    binary.write_bytes(bytes(range(256)) * 10)
    for arguments, options in (
        ((), {}),
        *((("--file", path), {}) for path in (tmp_path / "absent.txt", tmp_path, binary)),
        *(((uid,), {"reason": reason}) for reason in ("", "parce que", "PHISHING")),
        *(((uid, "--comment", comment), {}) for comment in ("x" * 501, "a\x00b", "a\u202eb")),
    ):
        with pytest.raises(CommandError):
            lock(*arguments, **options)
    assert not Lock.objects.exists()


def test_an_agent_unlocks_after_reviewing_each_change():
    """HLP-06, HLP-05"""
    person, agent = active_account(), an_agent()
    change_password(account=person, password="un-autre-mot-de-passe-long")
    lock_account(account=person, reason=LockReason.PHISHING)
    [entry] = changes_to_review(person)
    with pytest.raises(CommandError, match=rf"{entry.pk}  .*Mot de passe changé"):
        unlock(person.login, agent.login)
    assert reloaded(person).state == State.LOCKED
    assert "débloqué" in unlock(person.login, agent.login, reviewed=[entry.pk])
    assert reloaded(person).state == State.TO_REACTIVATE
    assert Message.objects.latest("pk").address == person.recovery_address


def test_a_refused_unlock_says_why():
    """ADM-05, HLP-03, HLP-04"""
    person: Account = locked_account()
    agent = an_agent().login
    for by, changed, words in (
        (active_account().login, {}, "Seul un agent"),
        (person.login, {}, "Seul un agent"),
        (agent, {"report": "vu"}, "10 caractères"),
        (agent, {"proof": "call-back"}, "aucun numéro"),
        ("personne", {}, "Aucun compte"),
    ):
        with pytest.raises(CommandError, match=words):
            unlock(person.login, by, **changed)
    assert reloaded(person).state == State.LOCKED
