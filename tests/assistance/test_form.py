"""The form of a request for assistance."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from assistance.enums import Profile
from assistance.forms import AssistanceForm
from assistance.models import AssistanceRequest
from tests.assistance.asking import ALL_WRONG, CONTACT, form_data, student_form_data, values_in, words_of
from tests.factories import pending_account
from tests.fuzz import COMPUTED, EMAIL, N

pytestmark = pytest.mark.django_db

PAGE = "assistance"
TEXTS = ("login", "contact_address", "phone", "availability", "description", "ine", "birth_date_day", "birth_date_year")
INE = "0123456789A"


def html_after(answers: dict[str, str]) -> str:
    return Client().post(reverse(PAGE), answers).content.decode()


def test_what_was_typed_is_still_there_after_an_error_and_escaped():
    """HLP-08, INP-05: every field, the radio buttons and a description of several lines included."""
    text = "Première ligne.\n\n  <b>Deuxième</b> http://evil.example <script>alert(1)</script> {{7*142857}} %(user)s"
    typed = form_data(phone="06 12", ine="pas le bon", description=text)
    html = html_after(typed)
    assert {name: value for name, value in values_in(html).items() if name in typed} == typed
    assert "<script>alert" not in html
    assert 'href="http://evil' not in html
    assert not AssistanceRequest.objects.exists()
    assert AssistanceForm(form_data(description=text)).is_valid()


def test_every_field_says_what_to_correct_in_the_summary_and_beside_it():
    """No fact is asked for before the profile is known."""
    expected = [
        (
            ALL_WRONG,
            "6 points sont à corriger",
            "Choisissez ce qui se passe",
            "La date de naissance n’existe pas : vérifiez le jour et le mois",
            "Complétez l’adresse, par exemple prenom.nom@univ-exemple.fr",
            "L’adresse personnelle doit être différente de l’adresse universitaire",
            "Le numéro est trop court : il manque des chiffres",
            "La description dépasse 2 000 caractères (vous en avez 2001)",
        ),
        (
            {},
            "6 points sont à corriger",
            "Choisissez ce qui se passe",
            "Indiquez si vous êtes étudiant ou personnel",
            "Saisissez l’adresse universitaire",
            "Saisissez une adresse e-mail, par exemple nom@exemple.net",
            "Saisissez un numéro de téléphone",
            "Décrivez le problème en quelques mots",
        ),
        (form_data(profile="student"), "Un point est à corriger", "Saisissez votre numéro INE"),
        (student_form_data(profile="staff"), "Un point est à corriger", "Saisissez votre date de naissance"),
        (student_form_data(ine="12"), "Un point est à corriger", "Le numéro INE compte 11 caractères"),
    ]
    for typed, summary, *messages in expected:
        page = words_of(html_after(typed))
        assert summary in page
        assert {words: page.count(words) for words in messages} == dict.fromkeys(messages, 2)


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


def test_the_domain_of_the_university_may_be_left_out_and_a_long_description_typed():
    """INP-04, HLP-08: 2,000 characters on a hundred lines, and the browser cuts nothing silently."""
    lines = "\r\n".join(["x" * 19] * 100)
    form = AssistanceForm(form_data(login=" Camille.Durand ", description=f"y{lines}"))
    assert form.is_valid()
    assert form.cleaned_data["login"] == "camille.durand@univ-exemple.fr"
    assert not AssistanceForm(form_data(description=f"yy{lines}")).is_valid()
    assert "maxlength" not in html_after({}).split("<textarea")[1].split(">")[0]


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
