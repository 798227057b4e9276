"""Refuse to change a published charter or the proof of its acceptance."""

from django.db import migrations

CREATE = """
CREATE TRIGGER acceptance_append_only BEFORE UPDATE OR DELETE ON activation_charteracceptance
    FOR EACH ROW EXECUTE FUNCTION portal_refuse_change();
CREATE TRIGGER charter_immutable_once_published BEFORE UPDATE OR DELETE ON activation_charter
    FOR EACH ROW WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION portal_refuse_change();
"""
DROP = """
DROP TRIGGER charter_immutable_once_published ON activation_charter;
DROP TRIGGER acceptance_append_only ON activation_charteracceptance;
"""


class Migration(migrations.Migration):
    dependencies = [("activation", "0001_initial"), ("journal", "0002_append_only")]
    operations = [migrations.RunSQL(CREATE, DROP)]
