"""For the queries of hr_feed/sync/look_alikes.py: without them, each chunk with a new person reads every account."""

from django.db import migrations

CREATE = """
CREATE INDEX account_similar_hr_id ON accounts_account (ltrim(regexp_replace(lower(hr_id), '[.]0+$', ''), '0'));
CREATE INDEX account_birth_date ON accounts_account (birth_date);
"""
DROP = "DROP INDEX account_similar_hr_id; DROP INDEX account_birth_date;"


class Migration(migrations.Migration):
    dependencies = [("hr_feed", "0002_distinct_people"), ("accounts", "0003_tenure_of_agents")]
    operations = [migrations.RunSQL(CREATE, DROP)]
