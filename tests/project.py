"""Where the project lies, and which folders are its own code."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
APPS = (
    "core",
    "journal",
    "outbox",
    "accounts",
    "privacy",
    "directory",
    "mailrouting",
    "hr_feed",
    "activation",
    "assistance",
    "agents",
    "monitoring",
)
PACKAGES = (*APPS, "config", "devtools")
