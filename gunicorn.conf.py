"""How gunicorn serves the portal: `gunicorn config.wsgi` reads this file by itself."""

import gc
import os
import re
import time
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from config.env import WEB_THREADS
from core.logging import JsonFormatter, timestamp, to_json_line

# Links in mails carry their secret in the path; no other name in a path is that long (TOK-09).
SECRET = re.compile(r"[\w-]{24,}")


def masked(text: str) -> str:
    """The text without secrets and without the query, in which visitors type names and addresses."""
    return SECRET.sub("…", text.partition("?")[0])


class JsonLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """One JSON line for each request and each word of gunicorn's own; no request can break or forge one (LOG-02)."""

    def setup(self, cfg: Any) -> None:
        """Write gunicorn's own lines as the application writes its own."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonFormatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """Write the line; the application has put the request's id in a header of the answer."""
        if not self.access_log_enabled:
            return
        headers = {name.lower(): value for name, value in resp.headers}
        facts = {
            "time": timestamp(time.time()),
            "level": "INFO",
            "logger": "gunicorn.access",
            "event": "http_request",
            "request_id": headers.get("x-request-id"),
            "method": environ.get("REQUEST_METHOD"),
            "path": masked(environ.get("PATH_INFO", "")),
            "status": int(str(resp.status).split()[0]),
            "bytes": getattr(resp, "sent", 0),
            "milliseconds": round(request_time.total_seconds() * 1000),
            "peer": environ.get("REMOTE_ADDR"),
        }
        self.access_log.info("%s", to_json_line(facts))

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Gunicorn names the address of the request it failed on."""
        super().exception(msg, *(masked(part) if isinstance(part, str) else part for part in args), **kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Gunicorn quotes the first line of a request that it cannot read."""
        super().warning(masked(msg), *args, **kwargs)


bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# More than can be worked on: most of them wait for a connection to the database, and the others tell whoever comes too
# many at once, and the load balancer that asks (AVL-08).
threads = int(os.environ.get("WEB_THREADS", WEB_THREADS))
timeout = 30
graceful_timeout = 20
max_requests = 5000
max_requests_jitter = 500

# The application alone decides which proxies it believes (TRUSTED_PROXIES): gunicorn believes nobody.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

limit_request_line = 2048
limit_request_fields = 60
limit_request_field_size = 8190

accesslog = "-"
logger_class = JsonLog
control_socket_disable = True

#: Objects made since the last look for those that nobody reaches any more; Python's own 700 come several times a page.
COLLECT_AFTER = 50_000


def post_worker_init(worker: Any) -> None:
    """Leave alone what a process has loaded for good: looking through it again took an eighth of its time."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 100)
