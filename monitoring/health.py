"""Health checks for load balancers: liveness and readiness."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from monitoring.redis_server import redis_trouble


@login_not_required
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Liveness: asks no other server. Shows the version."""
    return HttpResponse(f"vivant\nversion {settings.VERSION}\n", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Readiness: 503 without a database that takes writes. Without Redis, or with a full one, requests are served."""
    if trouble := database_trouble():
        return HttpResponse(f"{trouble}\n", status=503, content_type="text/plain; charset=utf-8")
    trouble = redis_trouble()
    note = f" ({trouble})" if trouble else ""
    return HttpResponse(f"prêt{note}\n", content_type="text/plain; charset=utf-8")


def database_trouble() -> str:
    """Empty when the database answers and takes writes."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            [is_read_only] = cursor.fetchone()
    except (DatabaseError, InterfaceError):
        return "base de données injoignable"
    return "base de données en lecture seule" if is_read_only == "on" else ""
