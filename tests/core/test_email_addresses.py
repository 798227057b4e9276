"""E-mail addresses and the characters people may type (INP-02, INP-03, FWD-02, EML-03, ENU-05)."""

import re
import sys
import time
import unicodedata
from contextlib import suppress
from email.message import EmailMessage

import pytest
from django import forms
from hypothesis import example, given
from hypothesis import strategies as st

from core import email_addresses as addresses
from core.email_addresses import InvalidAddress, canonical_address, external_address, suggested_correction
from core.email_typos import COMMON_DOMAINS, MISTAKEN_DOMAINS, OTHER_KNOWN_DOMAINS
from core.forms.fields import AddressField, ExternalAddressField, LineField, LoginField, ParagraphField
from core.text import FORBIDDEN, InvalidText, clean_line, clean_paragraph, has_forbidden_character
from tests.fuzz import EMAIL, N

pytestmark = pytest.mark.usefixtures("without_garbage_collection")

#: The values of the pack that are not here are refused.
ACCEPTED = {
    **{same: same for same in ("jean.dupont@exemple.fr", "o'brien+um@exemple.fr", "jean@mail.univ-x.fr")},
    "jean@xn--universit-j4a.fr": "jean@xn--universit-j4a.fr",
    " jean.dupont@exemple.fr ": "jean.dupont@exemple.fr",
    "Jean.Dupont@EXEMPLE.FR": "Jean.Dupont@exemple.fr",
    "jean@universit\u00e9.fr": "jean@xn--universit-j4a.fr",
    "mike@g\u0131thub.com": "mike@xn--gthub-n4a.com",
    "jean@\u0430pple.fr": "jean@xn--pple-43d.fr",
    "jean@mail.univ-x\u3002fr": "jean@mail.univ-x.fr",
    "jean@UNIV-X.FR": "jean@univ-x.fr",
    "jean@exemple.fr\n": "jean@exemple.fr",
}
#: Default_Ignorable_Code_Point, as Unicode lists it: drawn as nothing. What is not assigned yet is among it.
DRAWN_AS_NOTHING = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

address_like = st.builds(
    "{}{}@{}{}".format, st.text(max_size=8), st.from_regex(r"[A-Za-z.'+-]{0,9}", fullmatch=True), st.text(max_size=8),
    st.sampled_from([".fr", "exemple.fr", "\u3002fr", "universit\u00e9.fr", ".", ""]),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _university(settings):
    settings.UNIVERSITY_DOMAINS = ["univ-x.fr", "universit\u00e9-y.fr"]


def refusal(function, value):
    with pytest.raises(InvalidAddress) as refused:
        function(value)
    assert str(refused.value.message) == str(refused.value) != ""
    return refused.value.code


def test_each_value_of_the_pack_is_accepted_in_one_spelling_or_refused_with_a_message():
    """INP-03, the whole EMAIL pack."""
    for value, wanted in EMAIL:
        assert value in ACCEPTED or "refuse" in wanted
        if value in ACCEPTED:
            assert canonical_address(value) == ACCEPTED[value]
        else:
            assert refusal(canonical_address, value)


@given(st.one_of(st.text(), address_like, st.emails()))
@example("\u202e@gmial.com")
@example("a" * 300 + "@gmial.com")
@example("a@\u2488fr.fr")
@example("a@" + "b." * 120 + "fr")
def test_any_text_is_refused_or_becomes_an_address_that_is_safe_in_a_header(raw):
    """INP-03, EML-03: nothing but a refusal is raised; cleaning twice is cleaning once, also of lines."""
    suggestion = suggested_correction(raw)
    assert suggestion is None or canonical_address(suggestion) == suggestion
    assert clean_paragraph(clean_paragraph(raw)) == clean_paragraph(raw)
    with suppress(InvalidText):
        assert clean_line(clean_line(raw)) == clean_line(raw)
    with suppress(InvalidAddress):
        login = addresses.institutional_address_from_login(raw)
        assert login.isascii()
        assert addresses.institutional_address_from_login(login) == login
    try:
        address = canonical_address(raw)
    except InvalidAddress:
        return
    assert canonical_address(address) == address
    assert re.fullmatch(r"[A-Za-z0-9._+'&=~-]+@[a-z0-9.-]+", address)
    assert len(address) <= 254
    message = EmailMessage()
    message["To"] = address
    assert message["To"].addresses[0].addr_spec == address


def test_technical_targets_imitations_and_long_addresses_are_refused_with_a_code_for_the_form():
    """FWD-02, INP-03: full-width letters and the Kelvin sign imitate no other address."""
    longest = "a@" + ".".join(["b" * 62] * 3) + "." + "c" * 60 + ".fr"
    assert (canonical_address(longest), len(longest)) == (longest, 254)
    local_parts = "h\u00e9l\u00e8ne \uff4aean /etc/passwd \\jean .jean jean. je..an -jean"
    domains = """
    exemple..fr printer.local intranet.lan 1.0.0.127.in-addr.arpa localhost.localdomain -exemple.fr exem_ple.fr
    \uff45xemple.fr \u212aernel.org exemple.fr\u3002 2130706433 0x7f.1 xn--a.fr
    """
    for code, values in {
        "missing": ("", " \n"),
        "incomplete": ("camille", "camille@", "camille@orange", "camille@orange.f"),
        "too_long": ("a" + longest, "a@" + ".".join(["\u00e9" * 28] * 8) + ".fr"),
        "local_part_too_long": ("a" * 65 + "@exemple.fr",),
        "several": ("a@exemple.fr, b@exemple.fr", "a@b@exemple.fr"),
        "forbidden_character": ("camille\u200b@exemple.fr", "jean@exemple.fr\x0b", "jean@exemple.fr\x85"),
        "unusual_character": [f"{local_part}@exemple.fr" for local_part in local_parts.split()],
        "unknown_domain": [f"jean@{domain}" for domain in domains.split()],
    }.items():
        assert {refusal(canonical_address, value) for value in values} == {code}


def test_addresses_are_the_same_when_only_their_domains_are_spelt_differently():
    """FWD-01; CVE-2019-19844, EML-03: Unicode twins are never the same. ENU-05: one mailbox is counted once."""
    assert addresses.same_address(" jean@Universit\u00e9.fr", "jean@xn--universit-j4a.fr")
    different = "jean+um@exemple.fr je.an@exemple.fr Jean@exemple.fr j\u0435an@exemple.fr jean@\u0435xemple.fr"
    assert not any(addresses.same_address(other, "jean@exemple.fr") for other in different.split())
    assert not addresses.same_address("\u212aevin@exemple.fr", "kevin@exemple.fr")
    spellings = ["JEAN@universit\u00e9.fr", " jean@UNIVERSIT\u00c9.fr ", "Jean@xn--universit-j4a.fr"]
    assert {addresses.address_key(spelling) for spelling in spellings} == {"jean@xn--universit-j4a.fr"}


def test_an_outside_address_is_never_below_a_domain_of_the_university():
    """FWD-02"""
    own = ["UNIV-X.FR", "mail.univ-x.fr", "mail.univ-x\u3002fr", "univ-x\uff0efr", "Universit\u00e9-Y.fr"]
    for domain in (*own, "xn--universit-y-jbb.fr"):
        assert addresses.is_university_address(f"jean@{domain}")
        assert refusal(external_address, f"jean@{domain}") == "university"
    for address in ("jean@notuniv-x.fr", "jean@univ-x.fr.exemple.net", "jean@exemple.fr", "not an address"):
        assert not addresses.is_university_address(address)
    assert external_address("Camille@Orange.FR") == "Camille@orange.fr"


def test_a_slip_in_a_well_known_domain_is_pointed_out_and_a_plausible_domain_is_left_alone():
    slips = """
    orange.f>orange.fr gmial.com>gmail.com GMAIL.CON>gmail.com gmail.fr>gmail.com hotmial.fr>hotmail.fr
    yaho.fr>yahoo.fr laposte.ne>laposte.net wanado.fr>wanadoo.fr fre.fr>free.fr sfr.f>sfr.fr outlok.com>outlook.com
    """
    for typed, meant in (slip.split(">") for slip in slips.split()):
        assert suggested_correction(f" Camille@{typed}") == f"Camille@{meant}"
    plausible = """
    gmx.fr gmx.de me.com live.fr numericable.fr bbox.fr mail.com ymail.com orange.be hotmail.de univ-x.fr cnrs.fr
    inria.fr inserm.fr ird.fr insa.fr ac-nice.fr exemple.fr srf.ch ofr.fr afr.fr tree.com yahoo.co.nz mail.co fr @
    """
    known = {*COMMON_DOMAINS, *OTHER_KNOWN_DOMAINS}
    assert {suggested_correction(f"camille@{domain}") for domain in (*plausible.split(), *known)} == {None}
    assert set(MISTAKEN_DOMAINS).isdisjoint(known)
    assert set(MISTAKEN_DOMAINS.values()) <= set(COMMON_DOMAINS)


def errors(field, value):
    with pytest.raises(forms.ValidationError) as refused:
        field.clean(value)
    return refused.value.messages


def test_fields_clean_reword_a_refusal_and_help_a_phone_to_type():
    """A provider is suggested only where the address cannot work; elsewhere the page warns."""
    for typed in ["camille.durand", " Camille.Durand ", "CAMILLE.DURAND@UNIV-X.FR", "camille.durand@univ-x\u3002fr\n"]:
        assert LoginField().clean(typed) == "camille.durand@univ-x.fr"
    for typed in ["", "camille durand", "\u212aevin", "je\u0131n", "camille@", "x" * 100_000]:
        assert errors(LoginField(), typed)
    assert AddressField(required=False).clean(" ") == ""
    assert AddressField().clean("camille@gmial.com") == "camille@gmial.com"
    external = ExternalAddressField(error_messages={"university": "Pas celle-là"})
    for field, typed, said in [
        (external, "camille@univ-x.fr", "Pas celle-là"),
        (external, "", "Saisissez une adresse e-mail, par exemple nom@exemple.net"),
        (AddressField(), "camille@gmial", "Complétez l’adresse e-mail, par exemple nom@exemple.net"),
        (AddressField(), "camille@orange.f", "Avez-vous voulu écrire camille@orange.fr\u00a0?"),
    ]:
        assert errors(field, typed) == [said]
    html = external.widget.render("x", "")
    assert all(attribute in html for attribute in ('type="email"', 'autocomplete="email"', 'autocapitalize="none"'))


def test_the_universal_pack_never_breaks_a_field():
    """INP-01, INP-07: 100,000 characters take less than 50 milliseconds; composing accents would take seconds."""
    fields = [AddressField(), ExternalAddressField(), LoginField(), LineField(), ParagraphField()]
    long = {"long domain": "a@" + "b" * 100_000, "accents": "Z" + "\u0301\u0323" * 50_000}
    for clean in (*(field.clean for field in fields), canonical_address, suggested_correction):
        for name, value in {**N, **long}.items():
            text = value if isinstance(value, str) else value.decode()
            start = time.process_time()
            with suppress(forms.ValidationError, InvalidAddress):
                cleaned = clean(text)
                assert cleaned if clean not in (canonical_address, suggested_correction) else cleaned is None, name
            assert time.process_time() - start < 0.05, name


def test_the_policy_covers_every_control_format_and_separator_character_of_unicode():
    """INP-02: C0, C1, direction, zero width, line separators, surrogates, variation selectors."""
    unseen = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    signs = [chr(code) for code in range(sys.maxunicode + 1)]
    hidden = [sign for sign in signs if unicodedata.category(sign) in unseen or DRAWN_AS_NOTHING.match(sign)]
    assert [hex(ord(sign)) for sign in hidden if not FORBIDDEN.match(sign)] == []


def test_a_line_refuses_what_cannot_be_seen_and_a_paragraph_loses_it():
    """INP-02, INP-04: invalid UTF-8, too, which reaches forms as U+FFFD and some files as lone surrogates."""
    for key in ["N03", "N04", "N05", "N06", "N07", "N27", "N28", "N29", "N34", "N37", "N38"]:
        with pytest.raises(InvalidText, match="contient un caractère invisible") as refused:
            clean_line(N[key])
        assert refused.value.code == "forbidden_character"
    for name in ["Éléonore d’Aragon", "Nguyễn", "Łukasz", "李娜", "Ὀδυσσεύς", "عمر", "O'Brien-Roux"]:
        assert clean_line(name) == name
    assert clean_line(" \tE\u0301le\u0301onore\u00a0 Dupont\r\n") == "Éléonore Dupont"
    assert all(has_forbidden_character(f"Jean{sign}") for sign in "\ufffd\udc80")
    for clean, longest in ((clean_line, 1_000), (clean_paragraph, 10_000)):
        assert clean("A" * longest) == "A" * longest
        with pytest.raises(InvalidText, match="trop long"):
            clean("A" * longest + "A")
    # Browsers count a line break once and send two characters.
    typed = "\ufeffBonjour,\r\n\r\n\tmon compte\x07 est bloqu\u00ade\u0301\u202e.\rMerci\x00\u2028\n"
    assert clean_paragraph(typed) == "Bonjour,\n\n\tmon compte est bloqué.\nMerci"
    field, lines = ParagraphField(max_length=2_000), ["x" * 19] * 99 + ["x" * 20]
    assert len(field.clean("\r\n".join(lines))) == 2_000
    assert errors(field, "\r\n".join([*lines, "x"]))
