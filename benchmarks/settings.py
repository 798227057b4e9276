"""The portal's own settings, and one more page: `/hello/`, which costs what each page costs before it says anything."""

from config.settings import *  # noqa: F403 - the portal's own

ROOT_URLCONF = "benchmarks.urls"
