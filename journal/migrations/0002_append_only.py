"""Make the journal append-only: the database refuses to change or delete an entry.

Under `SET LOCAL portal.retention = 'on'` whole entries may be deleted, and an entry may lose its details, its network
address and its device. Other apps use `portal_refuse_change` for tables that never change.
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
CREATE FUNCTION portal_guard_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('portal.retention', true) = 'on' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        IF NEW.details = '{}' AND NEW.client_address IS NULL AND NEW.device = ''
            AND to_jsonb(NEW) - '{details,client_address,device}'::text[]
                = to_jsonb(OLD) - '{details,client_address,device}'::text[]
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON journal_journalentry
    FOR EACH ROW EXECUTE FUNCTION portal_guard_journal();
CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal_journalentry
    FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
"""
DROP = """
DROP TRIGGER journal_no_truncate ON journal_journalentry;
DROP TRIGGER journal_append_only ON journal_journalentry;
DROP FUNCTION portal_guard_journal();
DROP FUNCTION portal_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("journal", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
