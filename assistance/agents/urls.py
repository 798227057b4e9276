"""Addresses of the agents' area, under /admin/ and in the name space `admin`."""

from django.urls import path

from assistance.agents.views import accounts, agents, device, door, home

urlpatterns = [
    path("", home.HomeView.as_view(), name="index"),
    path("verification/", door.VerificationView.as_view(), name="verification"),
    path("inscription/", door.EnrolmentView.as_view(), name="enrolment"),
    path("inscription/application/", door.ApplicationView.as_view(), name="application"),
    path("appareil/", device.DeviceView.as_view(), name="device"),
    path("appareil/remplacement/", device.ReplacementView.as_view(), name="device-replacement"),
    path("appareil/codes-de-secours/", device.BackupCodesView.as_view(), name="backup-codes"),
    path("appareil/retrait/", device.RemovalView.as_view(), name="device-removal"),
    path("comptes/", accounts.AccountsView.as_view(), name="accounts"),
    path("comptes/<int:pk>/", accounts.AccountView.as_view(), name="account"),
    path("comptes/<int:pk>/adresse-de-secours/", accounts.RecoveryAddressView.as_view(), name="account-address"),
    path("agents/", agents.AgentsView.as_view(), name="agents"),
    path("agents/<int:pk>/code/", agents.EnrolmentCodeView.as_view(), name="agent-code"),
]
