"""Addresses of single sign-on; those of the way there and back exist while it is on."""

from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path
from django.views.generic import TemplateView

from accounts.auth.sso import views


def failure(address: str, name: str, reason: str) -> URLPattern:
    """The page that tells one reason."""
    view = views.FailureView.as_view(template_name=f"accounts/sso_{reason}.html")
    return path(address, view, name=name)


urlpatterns = [
    path("connexion/fournisseur/", views.LeaveView.as_view(), name="single-sign-on"),
    path("connexion/retour/", views.ReturnView.as_view(), name="single-sign-on-return"),
    failure("connexion/interrompue/", views.INTERRUPTED, "interrupted"),
    failure("connexion/indisponible/", views.UNAVAILABLE, "unavailable"),
    failure("connexion/sans-compte/", views.NOBODY, "account_not_found"),
    path("deconnexion/fournisseur/", views.SignOutOfProviderView.as_view(), name="single-sign-out"),
    path(
        "deconnexion/terminee/",
        login_not_required(TemplateView.as_view(template_name="accounts/sso_signed_out.html")),
        name="signed-out",
    ),
]
