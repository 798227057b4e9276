"""The portal's settings for one machine, where the environment does not say otherwise."""

import os
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DEFAULTS = {
    "DEBUG": "true",
    "PORTAL_URL": "http://127.0.0.1:8000",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "EMAIL_URL": "smtp://127.0.0.1:2525",
    "UNIVERSITY_NAME": "Université Exemple",
    "UNIVERSITY_DOMAINS": "univ-exemple.fr",
}


def local_environment(**settings: str) -> dict[str, str]:
    """Our environment with `settings`, and with defaults for what is missing.

    Programs of this Python are found first, and modules of the project from any directory.
    """
    environment = {**DEFAULTS, "SECRET_KEY": secrets.token_urlsafe(48), **os.environ, **settings}
    environment["PATH"] = before(environment.get("PATH", os.defpath), Path(sys.prefix) / "bin")
    environment["PYTHONPATH"] = before(environment.get("PYTHONPATH", ""), PROJECT)
    return environment


def before(path: str, first: Path) -> str:
    """The search path with a directory put in front."""
    return os.pathsep.join(filter(None, [str(first), path]))
