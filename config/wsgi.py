"""The WSGI application that gunicorn serves: `gunicorn config.wsgi`."""

import logging
import os

from django.core.wsgi import get_wsgi_application

from config.celery import app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# A browser waits for the broker no longer than for the limits (AVL-08); a worker has more time.
WAITS = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
app.conf.broker_transport_options = {**app.conf.broker_transport_options, **WAITS}
application = get_wsgi_application()
# Python's warnings are lines of the log too (LOG-02).
logging.captureWarnings(True)
