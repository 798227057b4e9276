"""Addresses of the account (design §6)."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("connexion/", views.SignInView.as_view(), name="login"),
    path("deconnexion/", views.SignOutView.as_view(), name="logout"),
    path("compte/", views.AccountView.as_view(), name="account"),
]
