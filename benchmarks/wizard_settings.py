"""The wizard of django-formtools as its library comes, in pages with the head, foot and steps of the portal's."""

from benchmarks.reference_settings import *  # noqa: F403 - Django as it comes

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.sessions"]  # noqa: F405
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}  # noqa: F405
