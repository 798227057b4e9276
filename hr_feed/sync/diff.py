"""What the staged rows would change: who is new, and what differs for the others."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db import connection

from hr_feed.parsing.columns import OPTIONAL_COLUMNS

NEWCOMERS = """
SELECT line FROM hr_feed
WHERE NOT EXISTS (SELECT FROM accounts_account account WHERE account.hr_id = hr_feed.hr_id)
ORDER BY line
"""

# A column that the file does not have says nothing; an empty cell says "none". The language is the person's own
# once the account is activated. Somebody whose data were erased stays erased until HR employs them again.
DIFFERENCES = """
SELECT
    account.id,
    feed.line,
    account.recovery_address,
    array_remove(ARRAY[
        CASE WHEN account.family_name <> feed.family_name THEN 'family_name' END,
        CASE WHEN account.given_name <> feed.given_name THEN 'given_name' END,
        CASE WHEN account.birth_date IS DISTINCT FROM feed.birth_date THEN 'birth_date' END,
        CASE WHEN account.category <> feed.category THEN 'category' END,
        CASE WHEN account.employer <> feed.employer THEN 'employer' END,
        CASE WHEN account.start_date IS DISTINCT FROM feed.start_date THEN 'start_date' END,
        CASE WHEN account.end_date IS DISTINCT FROM wanted.end_date THEN 'end_date' END,
        CASE WHEN account.language <> wanted.language THEN 'language' END,
        CASE WHEN account.ine <> wanted.ine THEN 'ine' END,
        CASE WHEN account.phone <> wanted.phone THEN 'phone' END
    ], NULL) AS fields,
    account.recovery_address <> feed.recovery_address AS other_recovery_address,
    feed.institutional_address NOT IN ('', account.institutional_address) AS other_institutional_address,
    account.activated_at IS NULL
        AND account.recovery_address_owner_set_at IS NULL
        AND NOT EXISTS (
            SELECT FROM accounts_lock WHERE accounts_lock.account_id = account.id AND released_at IS NULL
        ) AS hr_may_correct,
    account.activated_at IS NULL
        AND account.end_date < %(today)s
        AND coalesce(wanted.end_date >= %(today)s, true) AS comes_back,
    coalesce(account.end_date >= %(today)s, true) AND coalesce(wanted.end_date < %(today)s, false) AS leaves
FROM accounts_account account
JOIN hr_feed feed ON feed.hr_id = account.hr_id
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN %(has_end_date)s THEN feed.end_date ELSE account.end_date END AS end_date,
        CASE WHEN %(has_ine)s THEN feed.ine ELSE account.ine END AS ine,
        CASE WHEN %(has_phone)s THEN feed.phone ELSE account.phone END AS phone,
        CASE WHEN account.activated_at IS NULL THEN coalesce(feed.language, account.language)
            ELSE account.language END AS language
) wanted
WHERE (account.erased_at IS NULL OR coalesce(wanted.end_date >= %(today)s, true))
    AND (account.recovery_address <> feed.recovery_address
    OR feed.institutional_address NOT IN ('', account.institutional_address)
    OR (account.family_name, account.given_name, account.birth_date, account.category, account.employer,
        account.start_date, account.end_date, account.language, account.ine, account.phone)
    IS DISTINCT FROM (feed.family_name, feed.given_name, feed.birth_date, feed.category, feed.employer,
        feed.start_date, wanted.end_date, wanted.language, wanted.ine, wanted.phone))
ORDER BY account.id
FOR NO KEY UPDATE OF account
"""

# In the order of the "C" collation, which these indexes have, digits and the @ sign come before every letter.
IN_USE = """
SELECT
    ARRAY(
        SELECT uid FROM json_array_elements_text(%(uids)s::json) AS base
        JOIN accounts_account ON uid ~>=~ base AND uid ~<~ (base || ':')
    ),
    ARRAY(
        SELECT institutional_address FROM json_array_elements_text(%(logins)s::json) AS base
        JOIN accounts_account ON institutional_address ~>=~ base AND institutional_address ~<~ (base || 'A')
    )
"""

# LATERAL and LIMIT: one look at the index for each line, whatever the planner thinks of reading every account instead.
KNOWN_RECOVERY_ADDRESSES = """
SELECT line FROM unnest(%s::integer[]) doubtful(line)
JOIN hr_feed feed USING (line)
CROSS JOIN LATERAL (
    SELECT FROM accounts_account account
    WHERE account.recovery_address = feed.recovery_address AND account.hr_id IS DISTINCT FROM feed.hr_id
    LIMIT 1
) other
ORDER BY line
"""


@dataclass(frozen=True, slots=True)
class AccountDifference:
    """How a known person's row differs from the account, and what may be done about it."""

    account_id: int
    line: int
    old_recovery_address: str
    fields: list[str]
    other_recovery_address: bool
    other_institutional_address: bool
    #: Nobody but HR has ever had a say on the recovery address.
    hr_may_correct: bool
    #: Never activated, had left, is here again.
    comes_back: bool
    #: Was here, and the file has an end date that is over: the account closes.
    leaves: bool

    @property
    def is_a_change(self) -> bool:
        """HR now says something else than the account."""
        return bool(self.fields) or self.other_recovery_address

    @property
    def is_correction(self) -> bool:
        """The recovery address of the file replaces the one of the account."""
        return self.other_recovery_address and self.hr_may_correct

    @property
    def is_proposal(self) -> bool:
        """The recovery address is the person's own choice: agents are told what HR has."""
        return self.other_recovery_address and not self.hr_may_correct


def lines_of_newcomers() -> list[int]:
    """Lines of the staged people who have no account, in the order of the file."""
    with connection.cursor() as cursor:
        cursor.execute(NEWCOMERS)
        return [line for (line,) in cursor.fetchall()]


def differences(*, columns: frozenset[str], today: date) -> list[AccountDifference]:
    """How the staged rows differ from their accounts, which stay as they are until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, {"today": today, **normalized_facts(columns)})
        return [AccountDifference(*row) for row in cursor.fetchall()]


def normalized_facts(columns: frozenset[str]) -> dict[str, bool]:
    """Which optional columns the file has, as parameters of the statements."""
    return {f"has_{column}": column in columns for column in OPTIONAL_COLUMNS}


def names_in_use(*, uids: Iterable[str], logins: Iterable[str]) -> tuple[set[str], set[str]]:
    """LDAP names, and institutional addresses, in use that begin with these; whoever they belong to, left or not."""
    with connection.cursor() as cursor:
        cursor.execute(IN_USE, {"uids": json.dumps([*set(uids)]), "logins": json.dumps([*set(logins)])})
        taken_uids, taken_addresses = cursor.fetchone()
    return set(taken_uids), set(taken_addresses)


def lines_with_a_known_recovery_address(lines: list[int]) -> list[int]:
    """Those of these lines whose recovery address another account has already."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN_RECOVERY_ADDRESSES, [lines])
        return [line for (line,) in cursor.fetchall()]
