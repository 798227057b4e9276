"""The portal's settings for one machine, where the environment does not say otherwise."""

import os
import secrets
import sys
from pathlib import Path

DEFAULTS = {
    "DEBUG": "true",
    "PORTAL_URL": "http://127.0.0.1:8000",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "EMAIL_URL": "smtp://127.0.0.1:2525",
    "UNIVERSITY_NAME": "Université Exemple",
    "UNIVERSITY_DOMAINS": "univ-exemple.fr",
}


def local_environment(**settings: str) -> dict[str, str]:
    """Our environment with `settings`, defaults for what is missing, and this Python's programs first."""
    environment = {**DEFAULTS, "SECRET_KEY": secrets.token_urlsafe(48), **os.environ, **settings}
    environment["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
    return environment
