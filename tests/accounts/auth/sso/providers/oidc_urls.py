from django.contrib.auth.views import LoginView
from django.urls import include, path

urlpatterns = [
    path("entrer/", LoginView.as_view()),
    path("oidc/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
