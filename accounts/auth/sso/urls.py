from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path
from django.views.generic import TemplateView

from accounts.auth.sso import views


def failure_page(address: str, name: str, reason: str) -> URLPattern:
    view = views.FailureView.as_view(template_name=f"accounts/sso_{reason}.html")
    return path(address, view, name=name)


urlpatterns = [
    path("connexion/fournisseur/", views.ProviderLoginView.as_view(), name="single-sign-on"),
    path("connexion/retour/", views.ProviderReturnView.as_view(), name="single-sign-on-return"),
    failure_page("connexion/interrompue/", views.INTERRUPTED, "interrupted"),
    failure_page("connexion/indisponible/", views.UNAVAILABLE, "unavailable"),
    failure_page("connexion/sans-compte/", views.ACCOUNT_NOT_FOUND, "account_not_found"),
    path("deconnexion/fournisseur/", views.ProviderLogoutView.as_view(), name="single-sign-out"),
    path(
        "deconnexion/terminee/",
        login_not_required(TemplateView.as_view(template_name="accounts/sso_signed_out.html")),
        name="signed-out",
    ),
]
