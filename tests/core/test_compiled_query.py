"""Questions whose SQL is written once give what the query set gives, and ask anew each time."""

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.models import Charter
from activation.querysets import account_with_facts, lock_account_with_facts, with_wizard_facts
from core.compiled_query import CompiledQuery
from mailrouting.models import Redirection
from tests.activation.wizard.client import MAILBOX, PASSWORD, answered_until
from tests.factories import active_account, pending_account

pytestmark = pytest.mark.django_db

EVERYTHING = CompiledQuery(
    lambda pk, now: with_wizard_facts(Account.objects.with_lock(), now).filter(pk=pk).select_related("mailbox")
)


def everything_by_django(person: Account) -> Account:
    accounts = with_wizard_facts(Account.objects.with_lock(), timezone.now())
    return accounts.select_related("mailbox").get(pk=person.pk)


def told(account: Account) -> dict[str, object]:
    related = {
        name: getattr(account, name).__dict__ | {"_state": None} if hasattr(account, name) else None
        for name in ("redirection", "mailbox")
    }
    return account.__dict__ | {"_state": None} | related


def test_a_row_is_what_django_would_have_read(django_assert_num_queries):
    """Columns, annotations, related rows that are there and that are not; then nothing of them is asked again."""
    newcomer, forwarding, active, locked = pending_account(), pending_account(), active_account(), active_account()
    answered_until(forwarding, MAILBOX)
    lock_account(account=locked, reason=LockReason.OTHER)
    different = {}
    for person in (newcomer, forwarding, active, locked):
        found = EVERYTHING.first(person.pk, timezone.now())
        if told(found) != told(everything_by_django(person)):
            different[person] = told(found)
        with django_assert_num_queries(0):
            assert hasattr(found, "redirection") == (person not in (newcomer, forwarding))
            assert found.is_locked == (person is locked)
            if person is active:
                assert (found.redirection.account, found.mailbox.account) == (found, found)
    assert different == {}
    assert EVERYTHING.first(0, timezone.now()) is None


def test_what_has_changed_since_is_seen():
    """A row that was answered, a charter that came into force: nothing is remembered but the words of the question."""
    person = pending_account()
    answered_until(person, PASSWORD)
    assert (account_with_facts(person.pk).charter_is_accepted, account_with_facts(person.pk).is_listed) == (True, False)

    Charter.objects.create(version="suivante", published_at=timezone.now(), text_fr="## Un", text_en="## One")
    Redirection.objects.filter(account=person).update(target="ailleurs@exemple.org")

    assert account_with_facts(person.pk).charter_is_accepted is False
    assert account_with_facts(person.pk).redirection.target == "ailleurs@exemple.org"


def test_a_row_that_is_held_can_be_changed():
    person = pending_account()
    with transaction.atomic():
        held = lock_account_with_facts(person.pk)
        held.phone = "0102030405"
        held.save(update_fields=["phone"])

    assert Account.objects.get(pk=person.pk).phone == "0102030405"
