"""URLs of the activation. The steps come before the link, whose token matches any segment."""

from django.urls import URLPattern, path

from activation.charter import views as charter_views
from activation.first_connection import views as first_connection
from activation.reactivation import views as reactivation_views
from activation.reminders import views as reminder_views
from activation.wizard import views
from activation.wizard.steps import STEPS, Step

#: Steps whose page does more than show a form.
STEP_VIEWS = {"verification": views.VerificationStepView}


def step_path(step: Step) -> URLPattern:
    view = STEP_VIEWS.get(step.slug, views.StepView)
    return path(f"activation/{step.slug}/", view.as_view(step=step), name=step.url_name)


urlpatterns = [
    path("premiere-connexion/", first_connection.FirstConnectionView.as_view(), name="first-connection"),
    path(
        "premiere-connexion/envoye/",
        first_connection.LinkRequestAnswerView.as_view(form_page="first-connection"),
        name="first-connection-answer",
    ),
    path("mot-de-passe-oublie/", first_connection.ForgottenPasswordView.as_view(), name="forgotten-password"),
    path(
        "mot-de-passe-oublie/envoye/",
        first_connection.LinkRequestAnswerView.as_view(form_page="forgotten-password"),
        name="forgotten-password-answer",
    ),
    path(
        "mot-de-passe-oublie/nouveau-lien/",
        first_connection.NewPasswordResetLinkView.as_view(),
        name="password-reset-new-link",
    ),
    path("activation/", views.WelcomeView.as_view(), name="activation"),
    path("activation/ce-n-est-pas-moi/", views.WrongRecipientView.as_view(), name="activation-not-me"),
    path("activation/nouveau-lien/", first_connection.NewActivationLinkView.as_view(), name="activation-new-link"),
    path("activation/continuer/", views.WizardKeepAliveView.as_view(), name="activation-keep-alive"),
    path("activation/charte/refus/", views.CharterRefusedView.as_view(), name="activation-charter-refused"),
    path("activation/verification/etat/", views.VerificationStateView.as_view(), name="activation-verification-state"),
    path(
        "activation/verification/renvoi/", views.VerificationResendView.as_view(), name="activation-verification-resend"
    ),
    path("activation/terminee/", views.DoneView.as_view(), name="activation-done"),
    *map(step_path, STEPS),
    path("reactivation/", reactivation_views.ReactivationView.as_view(), name="reactivation"),
    path("reactivation/terminee/", reactivation_views.ReactivationDoneView.as_view(), name="reactivation-done"),
    path(
        "reactivation/nouveau-lien/",
        reactivation_views.NewReactivationLinkView.as_view(),
        name="reactivation-new-link",
    ),
    path("reactivation/<str:token>/", reactivation_views.ReactivationLinkView.as_view(), name="reactivation-link"),
    path("compte/charte/", charter_views.AccountCharterView.as_view(), name="account-charter"),
    path("compte/charte/refus/", charter_views.CharterNotAcceptedView.as_view(), name="account-charter-refused"),
    path("compte/charte/<path:version>/", charter_views.AcceptedCharterView.as_view(), name="account-charter-version"),
    path("rappels/", reminder_views.RemindersView.as_view(), name="reminders"),
    path("rappels/arretes/", reminder_views.RemindersStoppedView.as_view(), name="reminders-stopped"),
    path("rappels/<str:token>/", reminder_views.RemindersLinkView.as_view(), name="reminders-link"),
    path("activation/<str:token>/", views.ActivationLinkView.as_view(), name="activation-link"),
]
