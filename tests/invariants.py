"""Invariants across tables, of what services wrote, that hold even after a crash (SES-02, AVL-02, LOG-03)."""

from django.db import connection


def entries(event: str) -> str:
    return f"(SELECT count(*) FROM journal_journalentry WHERE account_id = account.id AND event LIKE '{event}')"


def mails(*kinds: str) -> str:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return f"(SELECT count(*) FROM outbox_message WHERE person_id = account.id AND kind IN ({listed}))"


def has(table: str) -> str:
    return f"(account.id IN (SELECT account_id FROM {table}))"


ACTIVE, EMPLOYED = "activated_at IS NOT NULL", "coalesce(end_date >= current_date, true)"
NO_PASSWORD = "(password LIKE '!%')"
ACCEPTED, DECIDED = has("activation_charteracceptance"), has("directory_directoryconsent")
MAILBOX, SESSION = has("mailrouting_mailbox"), has("accounts_session")
LOCKS = "(SELECT count(*) FROM accounts_lock WHERE account_id = account.id)"
OPEN_LOCKS = "(SELECT count(*) FROM accounts_lock WHERE account_id = account.id AND released_at IS NULL)"
FORWARDS = "redirection.verified_at IS NOT NULL AND lower(redirection.target) <> lower(recovery_address)"
LINKS = mails("new-link", "already-active", "locked", "password-reset", "reactivation")
#: Conditions on an account that are never true.
NEVER = {
    "active without an accepted charter": f"{ACTIVE} AND NOT {ACCEPTED}",
    "active without an answer for the directory": f"{ACTIVE} AND NOT {DECIDED}",
    "active member of staff without a mailbox": f"{ACTIVE} AND category = 'staff' AND NOT {MAILBOX}",
    "active without a password, and never locked": f"{ACTIVE} AND {NO_PASSWORD} AND {LOCKS} = 0",
    "mailbox before the activation": f"{MAILBOX} AND NOT {ACTIVE}",
    "password before the activation": f"NOT {NO_PASSWORD} AND NOT {ACTIVE}",
    "signed in before the activation": f"{SESSION} AND NOT {ACTIVE}",
    "activated in the journal only": f"{entries('user_activated')} > 0 AND NOT {ACTIVE}",
    "activated without a journal entry": (
        f"{ACTIVE} AND {entries('activation_started')} > 0 AND {entries('user_activated')} = 0"
    ),
    "activated twice": f"{entries('user_activated')} > 1",
    "activated without exactly one mail": f"{entries('user_activated')} <> {mails('account-activated')}",
    "charter accepted without a proof": f"(charter_accepted_at IS NOT NULL) <> {ACCEPTED}",
    "acceptance without its entry": f"{ACCEPTED} <> ({entries('charter_accepted')} > 0)",
    "choice for the directory without its entry": f"{DECIDED} <> ({entries('directory_consent_%')} > 0)",
    "mailbox without its entry": f"{MAILBOX} <> ({entries('mailbox_created')} > 0)",
    "lock without its entry": f"{LOCKS} <> {entries('authn_login_lock')}",
    "two open locks": f"{OPEN_LOCKS} > 1",
    "unconfirmed forwarding": f"{FORWARDS} AND {entries('redirection_verified')} = 0",
    "link requested and not mailed": f"{entries('link_requested')} > {LINKS}",
    "created by HR twice": f"{entries('user_created')} > 1",
    "created by HR and never invited": f"{entries('user_created')} > {mails('activation')} AND {EMPLOYED}",
}
BROKEN_MAILS = """
SELECT id, 'sent mail without times or attempts' FROM outbox_message
WHERE status = 'sent' AND (sent_at IS NULL OR built_at IS NULL OR attempts = 0 OR leased_until IS NOT NULL)
UNION ALL
SELECT id, 'mail in sending without a lease' FROM outbox_message WHERE status = 'sending' AND leased_until IS NULL
"""


def broken() -> dict[str, list[int]]:
    """Ids of accounts or mails by violated invariant."""
    rows = ", ".join(f"('{name}', {condition})" for name, condition in NEVER.items())
    accounts = f"""
        SELECT account.id, name FROM accounts_account account
        LEFT JOIN mailrouting_redirection redirection ON redirection.account_id = account.id,
        LATERAL (VALUES {rows}) AS invariant (name, is_broken) WHERE is_broken AND erased_at IS NULL"""
    found: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        # Without statistics the planner takes new tables for empty.
        cursor.execute("ANALYZE accounts_account, journal_journalentry, accounts_lock, outbox_message")
        cursor.execute(f"{accounts} UNION ALL {BROKEN_MAILS}")
        for key, name in cursor.fetchall():
            found.setdefault(name, []).append(key)
    return found


def assert_nothing_is_half_done() -> None:
    found = broken()
    assert not found, found
