from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0002_mark_changes")]
    operations = [
        migrations.AddField(
            model_name="replica",
            name="differences",
            field=models.JSONField(null=True, verbose_name="écarts à la dernière comparaison"),
        ),
        migrations.AddField(
            model_name="replica",
            name="checked_at",
            field=models.DateTimeField(null=True, verbose_name="comparé le"),
        ),
    ]
