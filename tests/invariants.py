"""What holds at every moment, whatever was killed, stopped or emptied a moment ago: each query finds what breaks it.

Rows of an account are written in one transaction with the account, so no reader ever sees half of them (SES-02, LOG-03).
They hold for whatever services did; rows that a test writes by hand may have no journal.
"""

from django.db import connection

LINK_MAILS = "('new-link', 'already-active', 'locked', 'password-reset', 'reactivation')"
ENTRIES = "SELECT count(*) FROM accounts_journalentry entry WHERE entry.account_id = account.id AND entry.event"
MAILS = "SELECT count(*) FROM outbox_message mail WHERE mail.person_id = account.id AND mail.kind"
HAS_ACCEPTED = "EXISTS (SELECT FROM activation_charteracceptance accepted WHERE accepted.account_id = account.id)"
HAS_DECIDED = "EXISTS (SELECT FROM directory_directoryconsent decided WHERE decided.account_id = account.id)"
HAS_MAILBOX = "EXISTS (SELECT FROM mailrouting_mailbox mailbox WHERE mailbox.account_id = account.id)"
WAS_LOCKED = "EXISTS (SELECT FROM accounts_lock l WHERE l.account_id = account.id)"
HAS_BEGUN = f"({ENTRIES} = 'activation_started') > 0"

#: What would be wrong, and the accounts of which it is true.
OF_ACCOUNTS = {
    "active without an accepted charter": f"activated_at IS NOT NULL AND NOT {HAS_ACCEPTED}",
    "active without an answer for the directory": f"activated_at IS NOT NULL AND NOT {HAS_DECIDED}",
    "active member of staff without a mailbox": f"activated_at IS NOT NULL AND category = 'staff' AND NOT {HAS_MAILBOX}",
    "mailbox before the activation": f"activated_at IS NULL AND erased_at IS NULL AND {HAS_MAILBOX}",
    "password before the activation": "activated_at IS NULL AND password NOT LIKE '!%%'",
    "active without a password, and never locked": f"activated_at IS NOT NULL AND password LIKE '!%%' AND NOT {WAS_LOCKED}",
    "activation in the journal only": f"activated_at IS NULL AND erased_at IS NULL AND ({ENTRIES} = 'user_activated') > 0",
    "activated in silence": f"activated_at IS NOT NULL AND {HAS_BEGUN} AND ({ENTRIES} = 'user_activated') = 0",
    "activated twice": f"({ENTRIES} = 'user_activated') > 1",
    "activated and not told": f"({ENTRIES} = 'user_activated') > ({MAILS} = 'account-activated')",
    "charter accepted without a proof": f"(charter_accepted_at IS NOT NULL) <> {HAS_ACCEPTED} AND erased_at IS NULL",
    "acceptance without its entry": f"{HAS_ACCEPTED} AND ({ENTRIES} = 'charter_accepted') = 0 AND erased_at IS NULL",
    "choice for the directory without its entry": f"{HAS_DECIDED} AND erased_at IS NULL"
    f" AND ({ENTRIES} LIKE 'directory_consent_%%') = 0",
    "mailbox without its entry": f"{HAS_MAILBOX} AND ({ENTRIES} = 'mailbox_created') = 0",
    "link promised and not mailed": f"({ENTRIES} = 'link_requested') > ({MAILS} IN {LINK_MAILS})",
    "created by HR and never invited": f"({ENTRIES} = 'user_created') > ({MAILS} = 'activation')"
    " AND coalesce(end_date >= current_date, true)",
    "created by HR twice": f"({ENTRIES} = 'user_created') > 1",
    "two open locks": "(SELECT count(*) FROM accounts_lock l WHERE l.account_id = account.id AND released_at IS NULL) > 1",
}
#: The same of other rows: whole queries.
OTHERS = {
    "two accounts of one person": "SELECT hr_id FROM accounts_account GROUP BY hr_id HAVING count(*) > 1",
    "forwarding that nobody confirmed": """
        SELECT redirection.account_id FROM mailrouting_redirection redirection
        JOIN accounts_account account ON account.id = redirection.account_id
        WHERE verified_at IS NOT NULL AND lower(target) <> lower(recovery_address) AND NOT EXISTS (
            SELECT FROM accounts_journalentry entry
            WHERE entry.account_id = redirection.account_id AND event = 'redirection_verified')""",
    "mail sent at no time, or never tried": """
        SELECT id FROM outbox_message
        WHERE status = 'sent' AND (sent_at IS NULL OR built_at IS NULL OR attempts = 0 OR leased_until IS NOT NULL)""",
    "mail that nobody will send": "SELECT id FROM outbox_message WHERE status = 'sending' AND leased_until IS NULL",
    "session of somebody who is not active": """
        SELECT account.id FROM accounts_session session JOIN accounts_account account ON account.id = session.account_id
        WHERE activated_at IS NULL""",
}


def broken() -> dict[str, list[object]]:
    """What does not hold, and of which rows."""
    queries = {
        name: f"SELECT id FROM accounts_account account WHERE {condition}" for name, condition in OF_ACCOUNTS.items()
    }
    found: dict[str, list[object]] = {}
    with connection.cursor() as cursor:
        for name, query in (queries | OTHERS).items():
            cursor.execute(query, [])
            if rows := [key for (key,) in cursor.fetchall()]:
                found[name] = rows
    return found


def assert_nothing_is_half_done() -> None:
    """Every promise holds for every row there is."""
    assert broken() == {}
