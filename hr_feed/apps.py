from django.apps import AppConfig


class HrFeedConfig(AppConfig):
    name = "hr_feed"
