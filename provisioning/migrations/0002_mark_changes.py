"""Mark the accounts whose facts changed, in the transaction of the change, whoever writes: a page, an import, SQL.

A trigger that reads transition tables cannot be limited to columns: the functions compare the columns themselves.
"""

from django.db import migrations

# Accounts that were never activated have no entry anywhere. In the order of ids: overlapping changes must not deadlock.
MARK = """
CREATE FUNCTION provisioning_mark(ids bigint[], urgent integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO provisioning_replica
        (account_id, target_id, wanted, applied, marked_at, urgency, status, attempts, due_at)
    SELECT account.id, target.name, 1, 0, now(), urgent, 'waiting', 0, now()
    FROM accounts_account AS account CROSS JOIN provisioning_target AS target
    WHERE account.id = ANY(ids) AND target.is_enabled
    AND (
        account.activated_at IS NOT NULL
        OR EXISTS (
            SELECT FROM provisioning_replica AS known
            WHERE known.account_id = account.id AND known.target_id = target.name
        )
    )
    ORDER BY account.id, target.name
    ON CONFLICT (account_id, target_id) DO UPDATE SET
        wanted = provisioning_replica.wanted + 1,
        marked_at = now(),
        urgency = CASE WHEN provisioning_replica.status = 'waiting'
            THEN least(provisioning_replica.urgency, EXCLUDED.urgency) ELSE EXCLUDED.urgency END,
        status = 'waiting',
        attempts = 0,
        due_at = now()
$$;
"""

ACCOUNTS = """
CREATE FUNCTION provisioning_mark_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
    urgent integer;
BEGIN
    IF NOT EXISTS (SELECT FROM provisioning_target WHERE is_enabled) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(id) INTO ids FROM new_rows WHERE activated_at IS NOT NULL;
        urgent := 1;
    ELSE
        SELECT
            array_agg(after.id),
            min(CASE
                WHEN after.end_date < current_date OR after.password LIKE '!%' OR after.erased_at IS NOT NULL THEN 0
                WHEN after.password <> before.password THEN 1
                ELSE 2
            END)
        INTO ids, urgent
        FROM new_rows AS after JOIN old_rows AS before USING (id)
        WHERE (
            after.uid, after.institutional_address, after.given_name, after.family_name, after.category, after.hr_id,
            after.ine, after.phone, after.employer, after.language, after.recovery_address, after.end_date,
            after.password, after.activated_at, after.erased_at
        ) IS DISTINCT FROM (
            before.uid, before.institutional_address, before.given_name, before.family_name, before.category,
            before.hr_id, before.ine, before.phone, before.employer, before.language, before.recovery_address,
            before.end_date, before.password, before.activated_at, before.erased_at
        );
    END IF;
    IF ids IS NOT NULL THEN
        PERFORM provisioning_mark(ids, urgent);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER provisioning_account_inserted AFTER INSERT ON accounts_account
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION provisioning_mark_accounts();
CREATE TRIGGER provisioning_account_updated AFTER UPDATE ON accounts_account
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION provisioning_mark_accounts();
"""

# The argument is the urgency of the change.
OWNED = """
CREATE FUNCTION provisioning_mark_owners() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    IF EXISTS (SELECT FROM provisioning_target WHERE is_enabled) THEN
        SELECT array_agg(DISTINCT account_id) INTO ids FROM changed;
        IF ids IS NOT NULL THEN
            PERFORM provisioning_mark(ids, TG_ARGV[0]::integer);
        END IF;
    END IF;
    RETURN NULL;
END
$$;
"""
TABLES = {
    "accounts_lock": {"INSERT": 0, "UPDATE": 1, "DELETE": 1},
    "directory_directoryconsent": {"INSERT": 1},
    "mailrouting_mailbox": {"INSERT": 1, "DELETE": 1},
    "mailrouting_redirection": {"INSERT": 1, "UPDATE": 1, "DELETE": 1},
}
TRANSITION = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
CREATE_TRIGGERS = "".join(
    f"CREATE TRIGGER provisioning_{operation.lower()} AFTER {operation} ON {table}"
    f" REFERENCING {TRANSITION[operation]} TABLE AS changed"
    f" FOR EACH STATEMENT EXECUTE FUNCTION provisioning_mark_owners({urgency});\n"
    for table, operations in TABLES.items()
    for operation, urgency in operations.items()
)
DROP = """
DROP FUNCTION provisioning_mark_accounts CASCADE;
DROP FUNCTION provisioning_mark_owners CASCADE;
DROP FUNCTION provisioning_mark;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("provisioning", "0001_initial"),
        ("accounts", "0003_tenure_of_agents"),
        ("directory", "0002_search_functions"),
        ("mailrouting", "0001_initial"),
    ]
    operations = [migrations.RunSQL([MARK, ACCOUNTS, OWNED, CREATE_TRIGGERS], DROP)]
