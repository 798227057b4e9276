"""Invariants across tables that hold at every moment, also after a crash; one query checks them (SES-02, AVL-02, LOG-03).

They hold for what services wrote; rows written by a test may have no journal entries.
"""

from django.db import connection

#: One row an account.
FACTS = """
WITH entries AS (
    SELECT account_id,
        count(*) FILTER (WHERE event = 'user_created') AS created,
        count(*) FILTER (WHERE event = 'activation_started') AS begun,
        count(*) FILTER (WHERE event = 'charter_accepted') AS accepted,
        count(*) FILTER (WHERE event LIKE 'directory_consent_%%') AS decided,
        count(*) FILTER (WHERE event = 'mailbox_created') AS mailboxes,
        count(*) FILTER (WHERE event = 'user_activated') AS activated,
        count(*) FILTER (WHERE event = 'link_requested') AS links,
        count(*) FILTER (WHERE event = 'redirection_verified') AS verified,
        count(*) FILTER (WHERE event = 'authn_login_lock') AS locked
    FROM journal_journalentry GROUP BY account_id
), mails AS (
    SELECT person_id AS account_id,
        count(*) FILTER (WHERE kind = 'activation') AS invitations,
        count(*) FILTER (WHERE kind = 'account-activated') AS activated,
        count(*) FILTER (
            WHERE kind IN ('new-link', 'already-active', 'locked', 'password-reset', 'reactivation')
        ) AS links
    FROM outbox_message GROUP BY person_id
), locks AS (
    SELECT account_id, count(*) AS ever, count(*) FILTER (WHERE released_at IS NULL) AS open
    FROM accounts_lock GROUP BY account_id
), facts AS (
    SELECT account.*,
        account.activated_at IS NOT NULL AS is_active,
        account.password LIKE '!%%' AS has_no_password,
        coalesce(end_date >= current_date, true) AS is_employed,
        account.id IN (SELECT account_id FROM activation_charteracceptance) AS has_accepted,
        account.id IN (SELECT account_id FROM directory_directoryconsent) AS has_decided,
        account.id IN (SELECT account_id FROM mailrouting_mailbox) AS has_mailbox,
        account.id IN (SELECT account_id FROM accounts_session) AS has_session,
        redirection.verified_at IS NOT NULL AND lower(redirection.target) <> lower(recovery_address) AS forwards,
        coalesce(entries.created, 0) AS entries_created, coalesce(entries.begun, 0) AS entries_begun,
        coalesce(entries.accepted, 0) AS entries_accepted, coalesce(entries.decided, 0) AS entries_decided,
        coalesce(entries.mailboxes, 0) AS entries_mailboxes, coalesce(entries.activated, 0) AS entries_activated,
        coalesce(entries.links, 0) AS entries_links, coalesce(entries.verified, 0) AS entries_verified,
        coalesce(entries.locked, 0) AS entries_locked,
        coalesce(mails.invitations, 0) AS mails_invitations, coalesce(mails.activated, 0) AS mails_activated,
        coalesce(mails.links, 0) AS mails_links,
        coalesce(locks.ever, 0) AS locks_ever, coalesce(locks.open, 0) AS locks_open
    FROM accounts_account account
    LEFT JOIN entries ON entries.account_id = account.id
    LEFT JOIN mails ON mails.account_id = account.id
    LEFT JOIN locks ON locks.account_id = account.id
    LEFT JOIN mailrouting_redirection redirection ON redirection.account_id = account.id
    WHERE erased_at IS NULL
)
"""
#: Conditions that are never true.
NEVER = {
    "active without an accepted charter": "is_active AND NOT has_accepted",
    "active without an answer for the directory": "is_active AND NOT has_decided",
    "active member of staff without a mailbox": "is_active AND category = 'staff' AND NOT has_mailbox",
    "active without a password, and never locked": "is_active AND has_no_password AND locks_ever = 0",
    "mailbox before the activation": "has_mailbox AND NOT is_active",
    "password before the activation": "NOT has_no_password AND NOT is_active",
    "signed in before the activation": "has_session AND NOT is_active",
    "activated in the journal only": "entries_activated > 0 AND NOT is_active",
    "activated without a journal entry": "is_active AND entries_begun > 0 AND entries_activated = 0",
    "activated twice": "entries_activated > 1",
    "activated without exactly one mail": "entries_activated <> mails_activated",
    "charter accepted without a proof": "(charter_accepted_at IS NOT NULL) <> has_accepted",
    "acceptance without its entry": "has_accepted AND entries_accepted = 0",
    "acceptance in the journal only": "entries_accepted > 0 AND NOT has_accepted",
    "choice for the directory without its entry": "has_decided <> (entries_decided > 0)",
    "mailbox without its entry": "has_mailbox <> (entries_mailboxes > 0)",
    "lock without its entry": "locks_ever <> entries_locked",
    "two open locks": "locks_open > 1",
    "unconfirmed forwarding": "forwards AND entries_verified = 0",
    "link requested and not mailed": "entries_links > mails_links",
    "created by HR twice": "entries_created > 1",
    "created by HR and never invited": "entries_created > mails_invitations AND is_employed",
}
MAILS = """
SELECT id, 'sent mail without times or attempts' FROM outbox_message
WHERE status = 'sent' AND (sent_at IS NULL OR built_at IS NULL OR attempts = 0 OR leased_until IS NOT NULL)
UNION ALL
SELECT id, 'mail in sending without a lease' FROM outbox_message WHERE status = 'sending' AND leased_until IS NULL
"""


def broken() -> dict[str, list[int]]:
    """Ids of accounts or mails by violated invariant."""
    rows = ", ".join(f"('{name}', {condition})" for name, condition in NEVER.items())
    query = (
        f"{FACTS} SELECT id, name FROM facts, LATERAL (VALUES {rows}) AS invariant (name, is_broken) WHERE is_broken"
    )
    found: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        # Without statistics the planner takes new tables for empty.
        cursor.execute("ANALYZE accounts_account, journal_journalentry, accounts_lock, outbox_message")
        cursor.execute(f"{query} UNION ALL {MAILS}", [])
        for key, name in cursor.fetchall():
            found.setdefault(name, []).append(key)
    return found


def assert_nothing_is_half_done() -> None:
    found = broken()
    assert not found, found
