"""The HTML of forms: labels, hints, errors, the error summary (A11Y-02, A11Y-03, A11Y-05)."""

from html.parser import HTMLParser

from django import forms
from django.forms.renderers import TemplatesSetting
from django.template.loader import render_to_string

from accounts.passwords import RULES


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == name]

    @property
    def ids(self) -> set[str | None]:
        return {attributes["id"] for _, attributes in self.found if "id" in attributes}


class AddressForm(forms.Form):
    address = forms.CharField(
        label="Adresse de redirection",
        help_text="Par défaut, votre adresse de secours.",
        error_messages={"required": "Saisissez l’adresse de redirection"},
    )


class RequestForm(forms.Form):
    conditional_fields = ("ine",)

    reason = forms.ChoiceField(
        label="Que se passe-t-il ?",
        choices=[("locked", "Mon compte est bloqué"), ("other", "Autre chose")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choisissez ce qui se passe"},
    )
    ine = forms.CharField(label="Numéro INE", required=False)
    phone = forms.CharField(label="Téléphone", error_messages={"required": "Saisissez un numéro de téléphone"})
    when = forms.CharField(label="Quand vous appeler ?", required=False)


class SignInForm(forms.Form):
    login = forms.CharField(label="Identifiant")
    password = forms.CharField(label="Mot de passe", widget=forms.PasswordInput)


class NewPasswordForm(forms.Form):
    password = forms.CharField(
        label="Choisissez un mot de passe",
        help_text="Une phrase de plusieurs mots.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["password"].rules = RULES


def summary_of(form: forms.Form) -> str:
    return render_to_string("partials/error_summary.html", {"form": form})


def test_label_hint_error_and_input_come_in_that_order():
    html = str(AddressForm({}))
    positions = [html.index(part) for part in ("<label", "id_address_helptext", "id_address_error", "<input")]
    assert positions == sorted(positions)


def test_aria_describedby_refers_to_existing_ids():
    tags = Tags(str(AddressForm({})))
    described_by = tags.named("input")[0]["aria-describedby"].split()
    assert described_by == ["id_address_helptext", "id_address_error"]
    assert tags.ids.issuperset(described_by)
    assert tags.named("input")[0]["aria-invalid"] == "true"


def test_field_without_error_is_not_invalid():
    (address,) = Tags(str(AddressForm())).named("input")
    assert "aria-invalid" not in address
    assert address["aria-describedby"] == "id_address_helptext"


def test_summary_counts_and_links_each_error():
    form = RequestForm({})
    page = summary_of(form) + str(form)
    assert "2 points sont à corriger" in page
    targets = [link["href"].removeprefix("#") for link in Tags(page).named("a")]
    assert targets == ["id_reason_0", "id_phone"]
    assert Tags(page).ids.issuperset(targets)
    assert page.count("Saisissez un numéro de téléphone") == 2


def test_one_error_is_in_the_singular():
    assert "Un point est à corriger" in summary_of(AddressForm({}))


def test_error_of_the_whole_form_is_in_the_summary():
    form = SignInForm({"login": "camille", "password": "x"})
    form.add_error(None, "L’identifiant ou le mot de passe ne correspond pas")
    assert "<li>L’identifiant ou le mot de passe ne correspond pas</li>" in summary_of(form)


def test_radios_are_a_fieldset_with_a_legend():
    tags = Tags(str(RequestForm({})))
    assert len(tags.named("fieldset")) == len(tags.named("legend")) == 1
    radios = [attributes for attributes in tags.named("input") if attributes["type"] == "radio"]
    labelled = {label.get("for") for label in tags.named("label")}
    assert {radio["id"] for radio in radios} == {"id_reason_0", "id_reason_1"} <= labelled
    assert not any("checked" in radio for radio in radios)


def test_required_and_optional_fields_are_marked():
    """A single field has no mark; with optional fields, only those are marked."""
    assert "(obligatoire)" not in str(AddressForm())
    assert str(SignInForm()).count("(obligatoire)") == 2
    html = str(RequestForm())
    assert "Tous les champs sont obligatoires sauf mention contraire." in html
    assert html.count("(facultatif)") == 1
    assert "(obligatoire)" not in html


def test_new_password_is_described_by_its_rules():
    tags = Tags(str(NewPasswordForm()))
    described_by = tags.named("input")[0]["aria-describedby"].split()
    assert described_by == ["id_password_helptext", "id_password_rules"]
    assert tags.ids.issuperset(described_by)
    assert str(NewPasswordForm()).count("data-rule=") == len(RULES)


def test_password_is_never_rendered():
    assert "cheval" not in str(NewPasswordForm({"password": "cheval agrafe"}))


def test_second_password_is_asked_without_javascript_only():
    html = str(NewPasswordForm())
    inside, after = html.split("<noscript>")[1].split("</noscript>")
    assert 'name="password2"' in inside
    assert "password2" not in html.split("<noscript>")[0] + after


def test_input_without_template_has_the_attributes_of_django():
    class Stock(AddressForm):
        default_renderer = TemplatesSetting

    values = {"address": "\"><script>alert(1)</script>&'é"}
    ours, stock = (Tags(str(form(values)["address"])).named("input") for form in (AddressForm, Stock))
    assert ours == stock
    assert "<script>" not in str(AddressForm(values))
