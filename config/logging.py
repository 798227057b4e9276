from typing import Any

# They log tickets, codes and addresses at DEBUG.
LIBRARIES_WITH_SECRETS = ("authlib", "cas", "requests", "urllib3")


def logging_settings(*, log_format: str, level: str) -> dict[str, Any]:
    """LOGGING of web, worker, beat and commands: everything goes to standard error in one format."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "core.logging.JsonFormatter"}, "text": {"()": "core.logging.TextFormatter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": log_format}},
        "loggers": {
            # Django's own handlers do not mask secrets.
            "django": {"handlers": [], "propagate": True},
            # Errors that any client can cause; the portal logs them itself, as security events.
            "django.security": {"level": "CRITICAL"},
            **{name: {"level": "WARNING"} for name in LIBRARIES_WITH_SECRETS},
            # Celery's logger of its processes does not propagate.
            "multiprocessing": {"handlers": ["console"], "propagate": False},
        },
        "root": {"handlers": ["console"], "level": level},
    }
