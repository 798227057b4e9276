"""Argon2id with the parameters of the settings; older hashes are upgraded at sign-in (PWD-05)."""

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher


class PortalArgon2PasswordHasher(Argon2PasswordHasher):
    """The hash is what bounds a storm of sign-ins, so its cost is a setting (docs/configuration.md)."""

    time_cost = settings.ARGON2_TIME_COST
    memory_cost = settings.ARGON2_MEMORY_KIB
    parallelism = settings.ARGON2_PARALLELISM
