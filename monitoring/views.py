import hmac
import time
from threading import Lock

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from monitoring.collectors import PortalCollector

#: Frequent scrapes do not run the queries each time.
CACHE_SECONDS = 10.0


class CachedMetrics:
    """The last metrics. In one process one request computes them, the others wait for it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(PortalCollector())
        self._lock = Lock()
        self._text, self._expires_at = b"", 0.0

    def text(self) -> bytes:
        with self._lock:
            if time.monotonic() >= self._expires_at:
                self._text = generate_latest(self._registry)
                self._expires_at = time.monotonic() + CACHE_SECONDS
            return self._text

    def clear(self) -> None:
        self._expires_at = 0.0


cached_metrics = CachedMetrics()


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics; 404 without METRICS_KEY."""
    if not _has_key(request):
        raise Http404
    return HttpResponse(cached_metrics.text(), content_type=CONTENT_TYPE_LATEST)


def _has_key(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").encode(errors="replace")
    wanted = f"Bearer {settings.METRICS_KEY}".encode()
    return bool(settings.METRICS_KEY) and hmac.compare_digest(given, wanted)
