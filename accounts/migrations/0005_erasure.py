"""Erasing one person (PRV-07): when it was done, and a narrow way to empty what the journal says of them.

Under `SET LOCAL portal.retention = 'on'` an entry of the journal may lose its details, its network address and its
device; what happened, when, and to which account can be changed by nobody (LOG-03).
"""

from django.db import migrations, models

CREATE = """
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
DROP TRIGGER journal_append_only ON accounts_journalentry;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON accounts_journalentry
    FOR EACH ROW EXECUTE FUNCTION portal_guard_journal();
"""
DROP = """
DROP TRIGGER journal_append_only ON accounts_journalentry;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON accounts_journalentry
    FOR EACH ROW EXECUTE FUNCTION portal_refuse_change();
DROP FUNCTION portal_guard_journal();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_assistance_event")]
    operations = [
        migrations.AddField(
            model_name="account",
            name="erased_at",
            field=models.DateTimeField(null=True, verbose_name="effacé le"),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("erased_at__isnull", True),
                    models.Q(("activated_at__isnull", True), ("end_date__isnull", False), ("recovery_address", "")),
                    _connector="OR",
                ),
                name="account_erased_is_empty",
            ),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
