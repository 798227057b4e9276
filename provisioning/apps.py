from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"
    verbose_name = "Services reliés"

    def ready(self) -> None:
        from accounts.signals import accounts_updated
        from journal.signals import events_recorded
        from provisioning import checks  # noqa: F401 - registers them
        from provisioning.tasks import wake_workers

        events_recorded.connect(wake_workers, dispatch_uid="provisioning.events")
        accounts_updated.connect(wake_workers, dispatch_uid="provisioning.hr_feed")
