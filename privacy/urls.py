from django.urls import path

from privacy.views import DataView

urlpatterns = [
    path("compte/donnees/", DataView.as_view(), name="account-data"),
    path("compte/donnees/copie/", DataView.as_view(), name="account-data-copy"),
]
