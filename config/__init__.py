"""Wiring: settings, addresses of the pages, worker, web server."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
