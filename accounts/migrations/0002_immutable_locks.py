"""Refuse to change or delete a released lock, except under `SET LOCAL portal.retention = 'on'`."""

from django.db import migrations

CREATE = """
CREATE FUNCTION portal_guard_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('portal.retention', true) = 'on' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% is released, and stays as it is', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER lock_kept_once_released BEFORE UPDATE OR DELETE ON accounts_lock
    FOR EACH ROW WHEN (OLD.released_at IS NOT NULL) EXECUTE FUNCTION portal_guard_lock();
"""
DROP = """
DROP TRIGGER lock_kept_once_released ON accounts_lock;
DROP FUNCTION portal_guard_lock();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
