"""The project's folder and packages."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
APPS = ("core", "journal", "outbox", "accounts", "privacy", "directory", "mailrouting", "hr_feed", "activation")
APPS += ("assistance", "agents", "monitoring")
PACKAGES = (*APPS, "config", "devtools")
