"""Health check of a container: `python deploy/health.py /sante/vivant` fails unless the response is 200."""

import http.client
import os
import sys
from urllib.parse import urlsplit

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
connection.request("GET", sys.argv[1], headers={"Host": urlsplit(os.environ["PORTAL_URL"]).netloc})
sys.exit(connection.getresponse().status != http.HTTPStatus.OK)
