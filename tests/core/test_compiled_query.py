"""Queries compiled once return what the query set returns, and read the rows anew each time."""

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


def accounts(pk, now):
    return with_wizard_facts(Account.objects.with_lock(), now).filter(pk=pk).select_related("mailbox")


def facts(account: Account) -> dict[str, object]:
    related = {name: getattr(account, name, None) for name in ("redirection", "mailbox")}
    rows = {name: row and row.__dict__ | {"_state": None} for name, row in related.items()}
    return account.__dict__ | {"_state": None} | rows


def test_a_row_is_what_django_would_have_read(django_assert_num_queries):
    """Columns, annotations, related rows, present or not; then reading them costs no query."""
    query = CompiledQuery(accounts)
    newcomer, forwarding, active, locked = pending_account(), pending_account(), active_account(), active_account()
    answered_until(forwarding, MAILBOX)
    lock_account(account=locked, reason=LockReason.OTHER)
    for person in (newcomer, forwarding, active, locked):
        found = query.first(person.pk, timezone.now())
        assert facts(found) == facts(accounts(person.pk, timezone.now()).get())
        with django_assert_num_queries(0):
            assert hasattr(found, "redirection") == (person in (active, locked))
            assert found.is_locked == (person == locked)
            if person == active:
                assert (found.redirection.account, found.mailbox.account) == (found, found)
    assert query.first(0, timezone.now()) is None


def test_rows_are_read_anew_and_a_locked_row_can_be_changed():
    person = pending_account()
    answered_until(person, PASSWORD)
    assert (account_with_facts(person.pk).charter_is_accepted, account_with_facts(person.pk).is_listed) == (True, False)
    Charter.objects.create(version="suivante", published_at=timezone.now(), text_fr="## Un", text_en="## One")
    Redirection.objects.filter(account=person).update(target="ailleurs@exemple.org")
    with transaction.atomic():
        locked = lock_account_with_facts(person.pk)
        locked.phone = "0102030405"
        locked.save(update_fields=["phone"])
    found = account_with_facts(person.pk)
    assert (found.charter_is_accepted, found.redirection.target) == (False, "ailleurs@exemple.org")
    assert found.phone == "0102030405"
