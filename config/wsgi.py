"""The WSGI application that gunicorn serves: `gunicorn config.wsgi`."""

import logging
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
# Python's warnings are lines of the log too (LOG-02).
logging.captureWarnings(True)
