"""French at the root, English under /en/."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from anymail.urls import urlpatterns as anymail_patterns
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, include, path
from django.views.generic import TemplateView

from accounts.locking.api import LocksView
from accounts.views.password import WellKnownChangePasswordView
from config import views
from monitoring import health
from monitoring.views import metrics

logger = logging.getLogger(__name__)


class InformationPage(TemplateView):
    """A public page without personal data, which search engines may index."""

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        return super().render_to_response(context, headers={"X-Robots-Tag": "all"}, **options)


def page(route: str, name: str, template: str) -> URLPattern:
    return path(route, login_not_required(InformationPage.as_view(template_name=f"pages/{template}.html")), name=name)


def mail_webhooks() -> list[URLPattern]:
    """Status reports of the mail provider in use; only when there is a secret to authenticate it."""
    if not settings.ANYMAIL["WEBHOOK_SECRET"]:
        return []
    # "anymail.backends.<provider>.EmailBackend"
    provider = settings.EMAIL_BACKEND.split(".")[-2]
    names = (f"{provider}_webhook", f"{provider}_tracking_webhook")
    return [
        path(str(hook.pattern), webhook(hook.callback), name=hook.name)
        for hook in anymail_patterns
        if hook.name in names
    ]


def webhook(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """404 while the key is missing with which some providers sign their reports."""

    @login_not_required
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except ImproperlyConfigured as error:
            logger.warning("No reports of the mail provider: %s", str(error).partition("\n")[0])
            raise Http404 from error

    return answer


urlpatterns = [
    path("identite/logo", views.logo, name="logo"),
    path("identite/couleurs.css", views.colours, name="colours"),
    path("sante/vivant", health.alive, name="alive"),
    path("sante/pret", health.ready, name="ready"),
    path("sante/mesures", metrics, name="metrics"),
    path(".well-known/change-password", WellKnownChangePasswordView.as_view(), name="well-known-change-password"),
    path(".well-known/security.txt", views.security_txt, name="security-txt"),
    path("api/blocages/", LocksView.as_view(), name="locks-api"),
    path("anymail/", include(mail_webhooks())),
    path("admin/", admin.site.urls),
    *i18n_patterns(
        page("", "home", "home"),
        page("aide/", "help", "aide"),
        page("accessibilite/", "accessibility", "accessibilite"),
        page("donnees-personnelles/", "privacy", "donnees-personnelles"),
        page("mentions-legales/", "legal", "mentions-legales"),
        page("plan-du-site/", "sitemap", "plan-du-site"),
        page("compte-bloque/", "locked-help", "compte-bloque"),
        # First: the busiest, and URL resolution is linear.
        path("", include("activation.urls")),
        path("", include("accounts.urls")),
        path("", include("privacy.urls")),
        path("", include("directory.urls")),
        path("", include("mailrouting.urls")),
        path("", include("assistance.urls")),
        prefix_default_language=False,
    ),
]

handler400 = "config.error_views.bad_request"
handler403 = "config.error_views.permission_denied"
handler404 = "config.error_views.page_not_found"
handler500 = "config.error_views.server_error"
