"""Addresses of single sign-on; those of the way there and back exist while it is on."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from django.views.generic import TemplateView

from accounts.single_sign_on import views


def failure(reason: str) -> object:
    """The page that tells one reason."""
    return views.FailureView.as_view(template_name=f"accounts/single_sign_on_{reason}.html")


urlpatterns = [
    path("connexion/fournisseur/", views.LeaveView.as_view(), name="single-sign-on"),
    path("connexion/retour/", views.ReturnView.as_view(), name="single-sign-on-return"),
    path("connexion/interrompue/", failure("interrupted"), name=views.INTERRUPTED),
    path("connexion/indisponible/", failure("unavailable"), name=views.UNAVAILABLE),
    path("connexion/sans-compte/", failure("nobody"), name=views.NOBODY),
    path("deconnexion/fournisseur/", views.SignOutOfProviderView.as_view(), name="single-sign-out"),
    path(
        "deconnexion/terminee/",
        login_not_required(TemplateView.as_view(template_name="accounts/single_sign_on_signed_out.html")),
        name="signed-out",
    ),
]
