"""The form of a request for assistance: which fields it asks for, what it says, and what it does with hostile values."""

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from assistance.enums import Profile
from assistance.forms import AssistanceForm
from assistance.models import AssistanceRequest
from tests.assistance.asking import ALL_WRONG, CONTACT, form_data, student_form_data
from tests.factories import pending_account
from tests.fuzz import COMPUTED, EMAIL, N

pytestmark = pytest.mark.django_db

PAGE = "assistance"
TEXTS = ("login", "contact_address", "phone", "availability", "description", "ine", "birth_date_day", "birth_date_year")
INE = "0123456789A"


def html_after(answers: dict[str, str]) -> str:
    return Client().post(reverse(PAGE), answers).content.decode()


def words_of(html: str) -> str:
    return unescape(html).replace("\u00a0", " ")


def values_in(html: str) -> dict[str, str]:
    """What the fields of the page hold, by name; a radio button only when it is checked."""
    tags = re.findall(r"<input[^>]*>", html)
    tags = [tag for tag in tags if 'type="radio"' not in tag or " checked" in tag]
    values = {name: value for tag in tags for name, value in re.findall(r'name="([^"]+)".*?value="([^"]*)"', tag)}
    areas = re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', html, re.DOTALL)
    return {name: unescape(value) for name, value in (values | dict(areas)).items()}


def test_what_was_typed_is_still_there_after_an_error():
    """Every field, the radio buttons and a description of several lines included."""
    typed = form_data(phone="06 12", ine="pas le bon", description="Première ligne.\n\n  <b>Deuxième</b> & dernière.")
    values = values_in(html_after(typed))
    assert {name: values[name] for name in typed} == typed
    assert not AssistanceRequest.objects.exists()


def test_every_field_says_what_to_correct_in_the_summary_and_beside_it():
    page = words_of(html_after(ALL_WRONG))
    for words in (
        "Choisissez ce qui se passe",
        "La date de naissance n’existe pas : vérifiez le jour et le mois",
        "Complétez l’adresse, par exemple prenom.nom@univ-exemple.fr",
        "L’adresse personnelle doit être différente de l’adresse universitaire",
        "Le numéro est trop court : il manque des chiffres",
        "La description dépasse 2 000 caractères (vous en avez 2001)",
    ):
        assert page.count(words) == 2, words
    assert "6 points sont à corriger" in page


def test_an_empty_form_says_what_is_missing_and_asks_for_no_fact_before_the_profile():
    page = words_of(html_after({}))
    for words in (
        "Choisissez ce qui se passe",
        "Indiquez si vous êtes étudiant ou personnel",
        "Saisissez l’adresse universitaire",
        "Saisissez une adresse e-mail, par exemple nom@exemple.net",
        "Saisissez un numéro de téléphone",
        "Décrivez le problème en quelques mots",
    ):
        assert page.count(words) == 2, words
    assert "6 points sont à corriger" in page


def test_the_fact_of_the_profile_is_asked_for():
    for typed, words, target in (
        (form_data(profile="student"), "Saisissez votre numéro INE", "id_ine"),
        (student_form_data(profile="staff"), "Saisissez votre date de naissance", "id_birth_date_0"),
        (form_data(birth_date_year=""), "La date de naissance doit comporter une année", "id_birth_date_0"),
        (student_form_data(ine="12"), "Le numéro INE compte 11 caractères", "id_ine"),
    ):
        page = html_after(typed)
        assert words_of(page).count(words) == 2, words
        assert f'<a href="#{target}">' in page
        assert f'id="{target}"' in page
        assert "Un point est à corriger" in page


def test_only_the_fact_of_the_profile_is_kept_and_checked():
    """PRV-04: the other value is dropped, although it was sent, and does not have to be valid."""
    for typed, fact, other in (
        (form_data(profile=Profile.STUDENT, ine=INE), "ine", "birth_date"),
        (student_form_data(birth_date_day="99", birth_date_month="x"), "ine", "birth_date"),
        (form_data(ine=INE), "birth_date", "ine"),
        (form_data(ine="n’importe quoi"), "birth_date", "ine"),
    ):
        form = AssistanceForm(typed)
        assert form.is_valid(), form.errors
        assert form.cleaned_data[fact]
        assert not form.cleaned_data[other]


def test_the_follow_up_goes_to_no_address_of_the_university_nor_to_the_locked_mailbox():
    for typed in (
        form_data(contact_address="camille.durand@univ-exemple.fr"),
        form_data(contact_address="autre@UNIV-EXEMPLE.FR"),
        form_data(contact_address="autre@labo.univ-exemple.fr"),
        form_data(login="camille@exemple.net", contact_address="camille@EXEMPLE.net"),
    ):
        assert "doit être différente" in AssistanceForm(typed).errors["contact_address"][0]


def test_the_domain_of_the_university_may_be_left_out():
    form = AssistanceForm(form_data(login=" Camille.Durand "))
    assert form.is_valid()
    assert form.cleaned_data["login"] == "camille.durand@univ-exemple.fr"


def test_a_description_of_2000_characters_and_a_hundred_lines_is_accepted():
    """INP-04, HLP-08"""
    lines = "\r\n".join(["x" * 19] * 100)
    assert AssistanceForm(form_data(description=f"y{lines}")).is_valid()
    assert not AssistanceForm(form_data(description=f"yy{lines}")).is_valid()


def test_the_page_has_groups_with_names_parts_with_labels_and_autocomplete_tokens():
    """A11Y: and nothing is cut silently by a maximal length."""
    page = Client().get(reverse(PAGE)).content.decode()
    for token in ("bday-day", "bday-month", "bday-year", "username", "email", "tel"):
        assert f'autocomplete="{token}"' in page
    assert page.count("<fieldset") == page.count("<legend>") == 3
    for label in ("Jour", "Mois", "Année"):
        assert re.search(rf">\s*{label}\s*</label>", page)
    assert "maxlength" not in page.split("<textarea")[1].split(">")[0]
    assert page.count("(facultatif)") == 1
    assert "(obligatoire)" not in page
    assert " checked" not in page
    assert reverse("privacy") in page.split("<main")[1].split("</main>")[0]


def test_what_cannot_be_seen_is_never_kept(mail_delivery):
    """INP-02, INP-05, HLP-08: one inert request or the form again, nothing unescaped, one mail to the address given."""
    values = [N[name] for name in ("N06", "N09", "N14", "N28", "N29", "N36", "N37") if isinstance(N[name], str)]
    for number, value in enumerate(values):
        for place, field in enumerate((*TEXTS, "reason", "profile", "website")):
            good = (student_form_data if field == "ine" else form_data)(contact_address=f"{field}{number}@exemple.net")
            browser = Client(REMOTE_ADDR=f"203.0.{number}.{place}")
            answer = browser.post(reverse(PAGE), good | {field: value})
            html = answer.content.decode()
            assert answer.status_code in (200, 302), (field, value)
            assert not ("<" in value and value in html), (field, value)
            assert COMPUTED not in html, (field, value)

    requests = AssistanceRequest.objects.all()
    mailed = [mail["To"] for mail in mail_delivery.deliver()]
    assert sorted(mailed) == sorted(request.contact_address for request in requests)
    kept = "".join(f"{request.description}{request.availability}{request.phone_typed}" for request in requests)
    assert not set(kept) & set("\x00\x07\x08\x1b\x85\u200b\u2028\u202e\u2067\ufeff\ufffd")


def test_hostile_addresses_are_mailed_to_one_mailbox_or_refused():
    """F4, EML-03, INP-03: the cleaner has its own tests; here, that the two fields use it."""
    for value, policy in EMAIL:
        form = AssistanceForm(form_data(contact_address=re.sub(r"(?i)univ-x", "univ-exemple", value)))
        address = form.cleaned_data["contact_address"] if form.is_valid() else ""
        if policy.startswith(("refuse", "own")):
            assert not address or "xn--" in address, value
        if policy.startswith("accept") and "xn--" not in policy:
            assert address, value
    for institutional_address in ("kevin@exemple.fr", "mike@github.com"):
        pending_account(institutional_address=institutional_address)
    for number, (value, _policy) in enumerate(EMAIL):
        Client(REMOTE_ADDR=f"203.0.113.{number}").post(reverse(PAGE), form_data(login=value))
    assert not AssistanceRequest.objects.filter(account__isnull=False).exists()
    assert not AssistanceRequest.objects.exclude(contact_address=CONTACT).exists()


def test_links_and_markup_in_a_description_are_kept_as_text():
    """HLP-08, INP-05: and shown escaped when the form comes back."""
    text = "http://evil.example <script>alert(1)</script> {{7*142857}} %(user)s"
    form = AssistanceForm(form_data(description=text))
    assert form.is_valid()
    assert form.cleaned_data["description"] == text
    again = html_after(form_data(description=text, phone=""))
    assert "<script>alert" not in again
    assert 'href="http://evil' not in again
    assert values_in(again)["description"] == text
