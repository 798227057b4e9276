"""Publishes the first charter again after the flush that follows a test with transactions."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.dispatch import receiver


@receiver(post_migrate, dispatch_uid="tests.charter")
def publish_first_charter(sender: AppConfig, **kwargs: Any) -> None:
    """Django sends this signal after each flush."""
    if sender.label != "activation":
        return
    from importlib import import_module

    from django.apps import apps

    first = import_module("activation.migrations.0003_first_charter")
    if not apps.get_model("activation", "Charter").objects.filter(version=first.VERSION).exists():
        first.publish(apps, None)
