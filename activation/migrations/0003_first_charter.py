"""Publish the charter that a new portal starts with."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import migrations

TEXTS = Path(__file__).resolve().parent.parent / "charter_texts"
VERSION = "2026-09"
PUBLISHED_AT = datetime(2026, 9, 1, tzinfo=ZoneInfo("Europe/Paris"))


def text(name):
    return (TEXTS / f"{VERSION}.{name}").read_text(encoding="utf-8")


def publish(apps, schema_editor):
    apps.get_model("activation", "Charter").objects.create(
        version=VERSION,
        text_fr=text("fr.md"),
        text_en=text("en.md"),
        key_points_fr=text("points.fr.txt"),
        key_points_en=text("points.en.txt"),
        published_at=PUBLISHED_AT,
    )


class Migration(migrations.Migration):
    dependencies = [("activation", "0002_immutable_charter")]
    # Going back leaves the charter: the database refuses to delete what is published.
    operations = [migrations.RunPython(publish, migrations.RunPython.noop)]
