"""Let only the owner of the tables record a migration: default privileges gave the portal's role that right too."""

from django.db import migrations

REVOKE = """
DO $$
DECLARE
    role name;
BEGIN
    FOR role IN
        SELECT DISTINCT grantee FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND table_name = 'django_migrations' AND grantee <> current_user
    LOOP
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM %I', role);
    END LOOP;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("journal", "0002_append_only")]
    operations = [migrations.RunSQL(REVOKE, migrations.RunSQL.noop)]
