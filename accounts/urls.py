from django.urls import include, path

from accounts.views import account, login, password, recovery

urlpatterns = [
    path("connexion/", login.LoginView.as_view(), name="login"),
    path("", include("accounts.auth.sso.urls")),
    path("deconnexion/", login.LogoutView.as_view(), name="logout"),
    path("reinitialisation/", password.PasswordResetView.as_view(), name="password-reset"),
    path("reinitialisation/terminee/", password.PasswordResetDoneView.as_view(), name="password-reset-done"),
    path("reinitialisation/<str:token>/", password.PasswordResetLinkView.as_view(), name="password-reset-link"),
    path("adresse-de-secours/", recovery.RecoveryAddressConfirmView.as_view(), name="recovery-address"),
    path("adresse-de-secours/<str:token>/", recovery.RecoveryAddressLinkView.as_view(), name="recovery-address-link"),
    path("ce-n-est-pas-moi/", recovery.NotMeView.as_view(), name="not-me"),
    path("ce-n-est-pas-moi/termine/", recovery.NotMeDoneView.as_view(), name="not-me-done"),
    path("ce-n-est-pas-moi/<str:token>/", recovery.NotMeLinkView.as_view(), name="not-me-link"),
    path("compte/", account.AccountView.as_view(), name="account"),
    path("compte/continuer/", login.KeepAliveView.as_view(), name="account-keep-alive"),
    path("compte/mot-de-passe/", password.ChangePasswordView.as_view(), name="account-password"),
    path("compte/adresse-de-secours/", recovery.RecoveryAddressView.as_view(), name="account-recovery"),
    path(
        "compte/adresse-de-secours/renvoi/",
        recovery.RecoveryVerificationRequestView.as_view(),
        name="account-recovery-resend",
    ),
    path(
        "compte/adresse-de-secours/abandon/",
        recovery.RecoveryChangeCancelView.as_view(),
        name="account-recovery-cancel",
    ),
    path("compte/historique/", account.HistoryView.as_view(), name="account-history"),
    path("compte/sessions/", account.SessionsView.as_view(), name="account-sessions"),
    path("compte/sessions/autres/", account.OtherSessionsEndView.as_view(), name="account-sessions-end-others"),
    path("compte/sessions/toutes/", account.AllSessionsEndView.as_view(), name="account-sessions-end-all"),
    path("compte/sessions/<str:handle>/", account.SessionEndView.as_view(), name="account-session-end"),
    path("compte/langue/", account.LanguageView.as_view(), name="account-language"),
]
