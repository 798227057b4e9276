from django.db import migrations, models

# Those that were sent went to the address on file.
COUNT_GOES_ON = """
UPDATE activation_reminders reminders SET sent_to = account.recovery_address
FROM accounts_account account WHERE account.id = reminders.account_id AND reminders.sent > 0
"""


class Migration(migrations.Migration):
    dependencies = [
        ("activation", "0006_charter_drafts"),
    ]

    operations = [
        migrations.AddField(
            model_name="reminders",
            name="sent_to",
            field=models.CharField(blank=True, default="", max_length=254, verbose_name="adresse des rappels"),
            preserve_default=False,
        ),
        migrations.RunSQL(COUNT_GOES_ON, migrations.RunSQL.noop),
    ]
