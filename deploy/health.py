"""Health check of a container: `python deploy/health.py /sante/vivant` fails unless the response is 200.

`python deploy/health.py worker`, or `beat`, fails unless that process has given a sign of life within two minutes.
"""

import http.client
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

SECONDS_WITHOUT_A_SIGN = 120


def answers(path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
    connection.request("GET", path, headers={"Host": urlsplit(os.environ["PORTAL_URL"]).netloc})
    return connection.getresponse().status == http.HTTPStatus.OK


def gives_signs_of_life(process: str) -> bool:
    """The file is monitoring/heartbeats.py's."""
    file = Path(tempfile.gettempdir()) / f"portal-{process}.heartbeat"
    return file.exists() and time.time() - file.stat().st_mtime < SECONDS_WITHOUT_A_SIGN


asked = sys.argv[1]
sys.exit(not (answers(asked) if asked.startswith("/") else gives_signs_of_life(asked)))
