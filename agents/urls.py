"""URLs of the agents' area, under /admin/ and in the namespace `admin`."""

from django.urls import path

from agents import views
from agents.accounts import action_views as account_actions
from agents.accounts import views as accounts
from agents.addresses import views as addresses
from agents.charters import edit_views as charter_edit
from agents.charters import publish_views as charter_publish
from agents.charters import views as charters
from agents.exports import views as exports
from agents.imports import views as imports
from agents.journal import views as journal
from agents.linked_services import action_views as service_actions
from agents.linked_services import views as services
from agents.requests import action_views as request_actions
from agents.requests import views as requests
from agents.second_factor import device_views as device
from agents.second_factor import views as second_factor
from agents.staff import views as staff

urlpatterns = [
    path("", views.DashboardView.as_view(), name="index"),
    path("verification/", second_factor.VerificationView.as_view(), name="verification"),
    path("inscription/", second_factor.EnrolmentView.as_view(), name="enrolment"),
    path("inscription/application/", second_factor.DeviceConfirmationView.as_view(), name="application"),
    path("appareil/", device.DeviceView.as_view(), name="device"),
    path("appareil/remplacement/", device.ReplacementView.as_view(), name="device-replacement"),
    path("appareil/codes-de-secours/", device.BackupCodesView.as_view(), name="backup-codes"),
    path("appareil/retrait/", device.RemovalView.as_view(), name="device-removal"),
    path("comptes/", accounts.AccountsView.as_view(), name="accounts"),
    path("comptes/<int:pk>/", accounts.AgentAccountView.as_view(), name="account"),
    path("comptes/<int:pk>/adresse-de-secours/", accounts.RevealRecoveryAddressView.as_view(), name="account-address"),
    path("comptes/<int:pk>/bloquer/", account_actions.LockView.as_view(), name="account-lock"),
    path("comptes/<int:pk>/debloquer/", account_actions.UnlockView.as_view(), name="account-release"),
    path("comptes/<int:pk>/remettre-adresse/", account_actions.RestoreAddressView.as_view(), name="account-put-back"),
    path("comptes/<int:pk>/renvoyer/", account_actions.ResendView.as_view(), name="account-resend"),
    path(
        "comptes/<int:pk>/services/<slug:target>/ecrire/",
        service_actions.WriteAgainView.as_view(),
        name="account-service-write",
    ),
    path(
        "comptes/<int:pk>/services/<slug:target>/comparer/",
        service_actions.CompareView.as_view(),
        name="account-service-compare",
    ),
    path(
        "comptes/<int:pk>/services/<slug:target>/ouvrir/",
        service_actions.OpeningView.as_view(),
        name="account-service-open",
    ),
    path("demandes/", requests.RequestsView.as_view(), name="requests"),
    path("demandes/<slug:reference>/", requests.RequestView.as_view(), name="request"),
    path("demandes/<slug:reference>/identite/", requests.IdentityView.as_view(), name="request-identity"),
    path("demandes/<slug:reference>/prendre/", request_actions.TakeView.as_view(), name="request-take"),
    path("demandes/<slug:reference>/reprendre/", request_actions.TakeOverView.as_view(), name="request-take-over"),
    path("demandes/<slug:reference>/rendre/", request_actions.HandBackView.as_view(), name="request-hand-back"),
    path("demandes/<slug:reference>/appel/", request_actions.CallView.as_view(), name="request-call"),
    path("demandes/<slug:reference>/note/", request_actions.NoteView.as_view(), name="request-note"),
    path("demandes/<slug:reference>/reponse/", request_actions.AnswerView.as_view(), name="request-answer"),
    path("demandes/<slug:reference>/compte/", request_actions.AttachView.as_view(), name="request-attach"),
    path("demandes/<slug:reference>/clore/", request_actions.CloseView.as_view(), name="request-close"),
    path("demandes/<slug:reference>/rouvrir/", request_actions.ReopenView.as_view(), name="request-reopen"),
    path("comptes/<int:pk>/corriger-adresse/", addresses.CorrectAddressView.as_view(), name="account-correct"),
    path("adresses/", addresses.AddressesView.as_view(), name="addresses"),
    path("adresses/<int:pk>/", addresses.AddressView.as_view(), name="address"),
    path("adresses/<int:pk>/approuver/", addresses.ApproveView.as_view(), name="address-approve"),
    path("adresses/<int:pk>/abandonner/", addresses.CancelReplacementView.as_view(), name="address-give-up"),
    path("adresses/proposees-par-les-rh/<int:pk>/", addresses.DismissView.as_view(), name="address-dismiss"),
    path("agents/", staff.AgentsView.as_view(), name="agents"),
    path("agents/ajouter/", staff.AppointmentView.as_view(), name="agent-new"),
    path("agents/<int:pk>/role/", staff.RoleView.as_view(), name="agent-role"),
    path("agents/<int:pk>/retrait/", staff.WithdrawalView.as_view(), name="agent-withdrawal"),
    path("agents/<int:pk>/code/", staff.EnrolmentCodeView.as_view(), name="agent-code"),
    path("import/", imports.ImportsView.as_view(), name="imports"),
    path("import/<int:pk>/", imports.ImportView.as_view(), name="import"),
    path("import/<int:pk>/avancement/", imports.ProgressView.as_view(), name="import-progress"),
    path("import/<int:pk>/confirmer/", imports.ApprovalView.as_view(), name="import-approval"),
    path("import/<int:pk>/abandonner/", imports.AbandonmentView.as_view(), name="import-abandonment"),
    path("import/<int:pk>/reprendre/", imports.ResumptionView.as_view(), name="import-resumption"),
    path("import/<int:pk>/compte-rendu/", imports.ReportView.as_view(), name="import-report"),
    path("charte/", charters.ChartersView.as_view(), name="charters"),
    path("charte/nouvelle/", charter_edit.NewCharterView.as_view(), name="charter-new"),
    path("charte/nouvelle/enregistrement/", charter_edit.NewCharterAutosaveView.as_view(), name="charter-new-autosave"),
    path("charte/<int:pk>/", charters.CharterView.as_view(), name="charter"),
    path("charte/<int:pk>/apercu/", charters.CharterPreviewView.as_view(), name="charter-preview"),
    path("charte/<int:pk>/modifier/", charter_edit.EditCharterView.as_view(), name="charter-edit"),
    path("charte/<int:pk>/enregistrement/", charter_edit.CharterAutosaveView.as_view(), name="charter-autosave"),
    path("charte/<int:pk>/publier/", charter_publish.PublishCharterView.as_view(), name="charter-publish"),
    path("charte/<int:pk>/supprimer/", charter_publish.DeleteCharterView.as_view(), name="charter-deletion"),
    path("services/", services.ServicesView.as_view(), name="services"),
    path("services/<slug:target>/", services.ReplicasView.as_view(), name="service"),
    path("services/<slug:target>/fermetures/", services.ClosingsView.as_view(), name="service-closings"),
    path("journal/", journal.JournalView.as_view(), name="journal"),
    path("exports/journal/", exports.JournalExportView.as_view(), name="export-journal"),
    path("exports/comptes/", exports.AccountsExportView.as_view(), name="export-accounts"),
    path("exports/demandes/", exports.RequestsExportView.as_view(), name="export-requests"),
]
