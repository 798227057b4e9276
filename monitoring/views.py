"""The page that a Prometheus reads, for whoever has the key (LOG-04)."""

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

#: Seconds for which figures are given again: whoever asks often does not make the database count often.
CACHE_SECONDS = 10.0


class CachedMetrics:
    """The figures as they were a moment ago. In one process one request looks them up, the others wait for it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(PortalCollector())
        self._lock = Lock()
        self._text, self._good_until = b"", 0.0

    def text(self) -> bytes:
        """In the format of Prometheus, ten seconds old at most."""
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._text = generate_latest(self._registry)
                self._good_until = time.monotonic() + CACHE_SECONDS
            return self._text

    def forget(self) -> None:
        """Look them up at the next question."""
        self._good_until = 0.0


last_figures = CachedMetrics()


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures; for whoever has no key there is no such page (ADM-01)."""
    if not _has_the_key(request):
        raise Http404
    return HttpResponse(last_figures.text(), content_type=CONTENT_TYPE_LATEST)


def _has_the_key(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").encode(errors="replace")
    wanted = f"Bearer {settings.METRICS_KEY}".encode()
    return bool(settings.METRICS_KEY) and hmac.compare_digest(given, wanted)
