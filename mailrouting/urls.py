"""Addresses of forwarding."""

from django.urls import path

from mailrouting import views

urlpatterns = [
    path("compte/redirection/", views.RedirectionChangeView.as_view(), name="account-redirection"),
    path("compte/redirection/arret/", views.RedirectionStopView.as_view(), name="account-redirection-stop"),
    path(
        "compte/redirection/renvoi/",
        views.VerificationRequestView.as_view(),
        name="redirection-verification-resend",
    ),
    path("redirection/", views.RedirectionView.as_view(), name="redirection"),
    path("redirection/<str:token>/", views.RedirectionLinkView.as_view(), name="redirection-link"),
]
