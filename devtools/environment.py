"""Default settings for one machine; environment variables override them."""

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
    """The environment with `settings` and defaults; PATH starts with this Python's programs."""
    environment = {**DEFAULTS, "SECRET_KEY": secrets.token_urlsafe(48), **os.environ, **settings}
    environment["PATH"] = prepend(environment.get("PATH", os.defpath), Path(sys.prefix) / "bin")
    environment["PYTHONPATH"] = prepend(environment.get("PYTHONPATH", ""), PROJECT)
    return environment


def prepend(path: str, first: Path) -> str:
    return os.pathsep.join(filter(None, [str(first), path]))
