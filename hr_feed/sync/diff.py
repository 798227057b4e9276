"""Compares the staged rows with the accounts: new people, and what differs for known ones."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db import connection

from accounts.models import Account, Lock
from accounts.returns import LONGEST_ABSENCE
from hr_feed.columns import columns_present, updated_columns

ACCOUNTS = Account._meta.db_table

NEW_LINES = f"""
SELECT line FROM hr_feed
WHERE NOT EXISTS (SELECT FROM {ACCOUNTS} account WHERE account.hr_id = hr_feed.hr_id)
ORDER BY line
"""

# In the order of the "C" collation, which these indexes have, digits and the @ sign come before every letter.
IN_USE = f"""
SELECT
    ARRAY(
        SELECT uid FROM json_array_elements_text(%(uids)s::json) AS base
        JOIN {ACCOUNTS} ON uid ~>=~ base AND uid ~<~ (base || ':')
    ),
    ARRAY(
        SELECT institutional_address FROM json_array_elements_text(%(logins)s::json) AS base
        JOIN {ACCOUNTS} ON institutional_address ~>=~ base AND institutional_address ~<~ (base || 'A')
    )
"""

# A system that writes in capitals has not changed the address.
OTHER_RECOVERY_ADDRESS = "lower(account.recovery_address) <> lower(feed.recovery_address)"

# LATERAL and LIMIT force one index lookup a line: the planner would read the whole table instead.
KNOWN_RECOVERY_ADDRESSES = f"""
SELECT line FROM unnest(%s::integer[]) checked(line)
JOIN hr_feed feed USING (line)
CROSS JOIN LATERAL (
    SELECT FROM {ACCOUNTS} account
    WHERE account.recovery_address IN (feed.recovery_address, lower(feed.recovery_address))
        AND account.hr_id IS DISTINCT FROM feed.hr_id
    LIMIT 1
) other
ORDER BY line
"""


def differences_sql() -> str:
    """An erased account is left alone until HR employs the person again."""
    columns = updated_columns()
    new_values = ", ".join(f"{column.new_value} AS {column.name}" for column in columns)
    changed = ", ".join(
        f"CASE WHEN account.{column.name} IS DISTINCT FROM new.{column.name} THEN '{column.name}' END"
        for column in columns
    )
    before, after = (", ".join(f"{row}.{column.name}" for column in columns) for row in ("account", "new"))
    return f"""
SELECT
    account.id,
    feed.line,
    account.recovery_address,
    array_remove(ARRAY[{changed}], NULL) AS fields,
    {OTHER_RECOVERY_ADDRESS} AS other_recovery_address,
    feed.institutional_address NOT IN ('', account.institutional_address) AS other_institutional_address,
    (account.activated_at IS NULL AND account.recovery_address_owner_set_at IS NULL
            OR account.end_date < %(long_ago)s AND coalesce(new.end_date >= %(today)s, true))
        AND NOT EXISTS (
            SELECT FROM {Lock._meta.db_table} lock WHERE lock.account_id = account.id AND lock.released_at IS NULL
        ) AS hr_may_correct,
    account.end_date < %(today)s AND coalesce(new.end_date >= %(today)s, true) AS comes_back,
    account.activated_at IS NULL AS is_pending,
    coalesce(account.birth_date <> new.birth_date, false)
        AND lower(account.given_name) <> lower(new.given_name) AS is_of_another_person,
    coalesce(account.end_date < %(long_ago)s, false) AS is_long_gone,
    coalesce(account.end_date >= %(today)s, true) AND coalesce(new.end_date < %(today)s, false) AS leaves,
    account.recovery_address <> '' AND account.recovery_address_disputed_at IS NULL AS can_be_mailed
FROM {ACCOUNTS} account
JOIN hr_feed feed ON feed.hr_id = account.hr_id
CROSS JOIN LATERAL (SELECT {new_values}) new
WHERE (account.erased_at IS NULL OR coalesce(new.end_date >= %(today)s, true))
    AND ({OTHER_RECOVERY_ADDRESS}
        OR feed.institutional_address NOT IN ('', account.institutional_address)
        OR ({before}) IS DISTINCT FROM ({after}))
ORDER BY account.id
FOR NO KEY UPDATE OF account
"""


@dataclass(frozen=True, slots=True)
class AccountDifference:
    """How a row differs from its account."""

    account_id: int
    line: int
    old_recovery_address: str
    fields: list[str]
    other_recovery_address: bool
    other_institutional_address: bool
    #: The account was never activated nor locked, and its owner has not chosen the recovery address; or starts anew.
    hr_may_correct: bool
    #: Employed again after the account was closed.
    comes_back: bool | None
    is_pending: bool
    #: First name and birth date are others: the number was given again, or columns were sorted one without the other.
    is_of_another_person: bool
    is_long_gone: bool
    #: The file closes the account.
    leaves: bool
    #: At the old recovery address.
    can_be_mailed: bool

    @property
    def starts_anew(self) -> bool:
        return bool(self.comes_back) and self.is_long_gone and not self.is_pending

    @property
    def reopens(self) -> bool:
        """The account, with its password, after a short absence."""
        return bool(self.comes_back) and not self.is_pending and not self.is_long_gone

    @property
    def is_a_change(self) -> bool:
        return bool(self.fields) or self.other_recovery_address

    @property
    def is_correction(self) -> bool:
        return self.other_recovery_address and self.hr_may_correct

    @property
    def is_proposal(self) -> bool:
        """Agents decide about the recovery address of the file."""
        return self.other_recovery_address and not self.hr_may_correct


def new_lines() -> list[int]:
    """Staged rows of people without an account."""
    with connection.cursor() as cursor:
        cursor.execute(NEW_LINES)
        return [line for (line,) in cursor.fetchall()]


def differences(*, columns: frozenset[str], today: date) -> list[AccountDifference]:
    """Locks the accounts that differ."""
    with connection.cursor() as cursor:
        days = {"today": today, "long_ago": today - LONGEST_ABSENCE}
        cursor.execute(differences_sql(), {**days, **columns_present(columns)})
        return [AccountDifference(*row) for row in cursor.fetchall()]


def names_in_use(*, uids: Iterable[str], logins: Iterable[str]) -> tuple[set[str], set[str]]:
    """LDAP names and institutional addresses in use that begin with these, also of people who left."""
    with connection.cursor() as cursor:
        cursor.execute(IN_USE, {"uids": json.dumps([*set(uids)]), "logins": json.dumps([*set(logins)])})
        taken_uids, taken_addresses = cursor.fetchone()
    return set(taken_uids), set(taken_addresses)


def lines_with_a_known_recovery_address(lines: list[int]) -> list[int]:
    """Lines whose recovery address another account has."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN_RECOVERY_ADDRESSES, [lines])
        return [line for (line,) in cursor.fetchall()]
