"""Addresses of the public directory."""

from django.urls import path

from directory import views

urlpatterns = [
    path("annuaire/", views.DirectoryView.as_view(), name="directory"),
    path("compte/annuaire/", views.DirectoryChoiceView.as_view(), name="account-directory"),
]
