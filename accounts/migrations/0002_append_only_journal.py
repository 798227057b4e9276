"""The journal can be added to, never changed: the database itself refuses (LOG-03).

Retention deletes whole entries under `SET LOCAL portal.retention = 'on'`, in its own transaction, and is logged.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION portal_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' AND current_setting('portal.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON accounts_journalentry
    FOR EACH ROW EXECUTE FUNCTION portal_refuse_change();
CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON accounts_journalentry
    FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
"""
DROP = """
DROP TRIGGER journal_no_truncate ON accounts_journalentry;
DROP TRIGGER journal_append_only ON accounts_journalentry;
DROP FUNCTION portal_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
