"""What a load balancer asks: is the process alive, and can it work."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django_redis import get_redis_connection
from redis.exceptions import RedisError


@login_not_required
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers; asks nobody else."""
    return HttpResponse("vivant\n", content_type="text/plain; charset=utf-8")


@login_not_required
def ready(request: HttpRequest) -> HttpResponse:
    """The database answers, so requests can be served; a missing Redis slows things down but stops nothing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("base de données injoignable\n", status=503, content_type="text/plain; charset=utf-8")
    return HttpResponse(f"prêt{_redis_note()}\n", content_type="text/plain; charset=utf-8")


def _redis_note() -> str:
    try:
        get_redis_connection().ping()
    except (RedisError, OSError):
        return " (sans Redis)"
    return ""
