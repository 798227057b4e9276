"""The WSGI application that gunicorn serves: `gunicorn config.wsgi`."""

import logging
import os

from django.core.wsgi import get_wsgi_application

from config.celery import app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Shorter than a worker's: a browser waits.
BROKER_TIMEOUTS = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
app.conf.broker_transport_options = {**app.conf.broker_transport_options, **BROKER_TIMEOUTS}
application = get_wsgi_application()
logging.captureWarnings(True)
