"""The pages that the portal's are compared with.

The shortest there is, an admin page with nothing in it, and the activation written with django-formtools, with forms
drawn as Django draws them.
"""

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.auth.forms import SetPasswordMixin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from formtools.wizard.views import SessionWizardView

from accounts.models import Account


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


class WelcomeForm(forms.Form):
    account = forms.ModelChoiceField(Account.objects.all(), widget=forms.HiddenInput)


class CharterForm(forms.Form):
    accepted = forms.BooleanField(label="J’ai lu la charte et je m’engage à la respecter")


class DirectoryForm(forms.Form):
    listed = forms.ChoiceField(
        label="Voulez-vous apparaître dans l’annuaire public ?",
        choices=[("yes", "Oui, afficher ma fiche"), ("no", "Non, ne pas afficher ma fiche")],
        widget=forms.RadioSelect,
        help_text="Vous pourrez changer d’avis à tout moment.",
    )
    understood = forms.BooleanField(label="Je confirme mon choix")


class MailboxForm(forms.Form):
    forward = forms.BooleanField(label="Rediriger mes messages vers une autre adresse", required=False)
    target = forms.EmailField(label="Adresse de redirection", required=False)
    keep_copy = forms.BooleanField(label="Garder une copie dans ma boîte universitaire", required=False)


class VerificationForm(forms.Form):
    """Nothing to fill in: one goes on."""


class PasswordForm(SetPasswordMixin, forms.Form):
    password1, password2 = SetPasswordMixin.create_password_fields()

    def clean(self) -> dict:
        self.validate_passwords()
        self.validate_password_for_user(Account())
        return super().clean()


class Wizard(SessionWizardView):
    """Six steps, their answers kept in the session; the end writes one row."""

    template_name = "wizard.html"
    form_list = (
        ("welcome", WelcomeForm),
        ("charter", CharterForm),
        ("directory", DirectoryForm),
        ("mailbox", MailboxForm),
        ("verification", VerificationForm),
        ("password", PasswordForm),
    )

    def done(self, form_list: list[forms.Form], form_dict: dict[str, forms.Form], **kwargs: object) -> HttpResponse:
        account = form_dict["welcome"].cleaned_data["account"]
        account.set_password(form_dict["password"].cleaned_data["password1"])
        account.charter_accepted_at = account.activated_at = account.password_changed_at = timezone.now()
        account.save()
        return HttpResponse("Votre compte est activé")


#: The answers of each step of the wizard, but for the account.
WIZARD_ANSWERS = {
    "charter": {"accepted": "on"},
    "directory": {"listed": "no", "understood": "on"},
    "mailbox": {},
    "verification": {},
    "password": {"password1": "cheval-agrafe-pile-correct", "password2": "cheval-agrafe-pile-correct"},
}

empty_admin = AdminSite(name="empty_admin")

urlpatterns = [
    path("hello/", hello, name="hello"),
    path("wizard/", Wizard.as_view(), name="wizard"),
    path("admin/", empty_admin.urls),
]
