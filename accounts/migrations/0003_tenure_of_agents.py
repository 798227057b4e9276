"""A date from which an agent may approve: present agents may at once. Locks made with a leaked key end without a proof."""

from django.db import migrations, models
from django.db.models import Q

PRESENT_AGENTS = "UPDATE accounts_account SET approves_from = now() WHERE is_staff"
IS_OPEN = Q(released_at__isnull=True)
IS_PROVEN = Q(
    released_reason__in=["phishing-over", "suspicion-over", "by-mistake", "other"],
    proof__in=["call-back", "in-person", "video", "manager"],
)
WAS_OF_A_SYSTEM = Q(released_reason="by-mistake", proof="") & ~Q(report="") & ~Q(locked_by_system="")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_immutable_locks")]
    operations = [
        migrations.AddField(
            "account", "approves_from", models.DateTimeField(null=True, verbose_name="peut approuver à partir du")
        ),
        migrations.RemoveConstraint("lock", "lock_released_with_proof"),
        migrations.AddConstraint(
            "lock",
            models.CheckConstraint(
                name="lock_released_with_proof", condition=IS_OPEN | (IS_PROVEN & ~Q(report="")) | WAS_OF_A_SYSTEM
            ),
        ),
        migrations.RunSQL(PRESENT_AGENTS, migrations.RunSQL.noop),
    ]
