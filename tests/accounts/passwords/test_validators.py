"""New passwords: what is accepted, what is refused, and the message of each refusal (PWD-01 to PWD-04)."""

import re
import threading
import time
import unicodedata
from contextlib import contextmanager
from datetime import date
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts.models import Account
from accounts.passwords import MAXIMUM_LENGTH, MINIMUM_LENGTH, PASSWORDRULES, RULES, leaks, normalise_password
from accounts.passwords.common import FRENCH_LISTS, common_passwords, french_lists
from accounts.passwords.folding import cores, folded, shortest_period
from accounts.passwords.patterns import follows_an_order, repeats_too_much
from accounts.passwords.personal import contains_personal_data
from accounts.passwords.strength import guesses, is_easily_guessed
from tests.fuzz import PASSWORD, N

pytestmark = pytest.mark.usefixtures("without_garbage_collection")

PERSON = Account(
    given_name="Anne-Ségolène",
    family_name="Le Goff",
    institutional_address="anne-segolene.le-goff@univ-x.fr",
    recovery_address="Zouzou.Breizh29@exemple.fr",
    uid="alegoff3",
    birth_date=date(1985, 3, 7),
    ine="0123456789A",
)
STRANGER = Account(given_name="Jean", family_name="Dupont", institutional_address="jean.dupont@exemple.fr")

TOO_COMMON = "Ce mot de passe est trop courant. Choisissez-en un autre"
PERSONAL = "Le mot de passe ne doit pas contenir votre nom ou votre identifiant"
REPETITIVE = "Ce mot de passe répète trop les mêmes caractères"
IN_ORDER = "Ce mot de passe suit l’ordre du clavier, de l’alphabet ou des chiffres. Choisissez-en un autre"
GUESSABLE = "Ce mot de passe est trop facile à deviner. Ajoutez des mots sans lien entre eux"
LEAKED = "Ce mot de passe figure dans une liste de mots de passe divulgués. Choisissez-en un autre"
TOO_LONG = "Le mot de passe dépasse 256 caractères"
CONTROL_CHARACTER = "Le mot de passe contient un caractère que le clavier ne produit pas. Saisissez-le à nouveau"
LONGEST = "".join(chr(0x4E00 + 37 * position) for position in range(256))


def too_short(count: int) -> str:
    return f"Le mot de passe doit compter au moins 15 caractères (vous en avez {count})"


@pytest.fixture(autouse=True)
def _university(settings):
    settings.UNIVERSITY_NAME = "Université des Embruns"
    settings.UNIVERSITY_DOMAINS = ["univ-x.fr"]
    settings.HIBP_ENABLED = False


def refusals(password: str, user: object = PERSON) -> list[str]:
    """The messages that a form shows; none when the password is accepted."""
    try:
        validate_password(password, user)
    except ValidationError as refused:
        return refused.messages
    return []


def answers_to(passwords: list[str], user: object = PERSON) -> dict[str, list[str]]:
    return {password: refusals(password, user) for password in passwords}


def test_each_value_of_the_packs_is_accepted_or_refused_as_wanted():
    """PWD-01 to PWD-03, INP-01: the PASSWORD pack, without network; the universal pack is refused or kept whole."""
    wrong = []
    for password, wanted in PASSWORD:
        messages = refusals(password, STRANGER)
        must_be_refused = wanted.startswith("refuse") or "accept" not in wanted
        may_be_refused = wanted.startswith("accept or") or "or refuse" in wanted
        if (must_be_refused and not messages) or (messages and not must_be_refused and not may_be_refused):
            wrong.append((password[:30], wanted, messages))
    for value in N.values():
        is_accepted = isinstance(value, str) and not refusals(value)
        if is_accepted and normalise_password(value) != unicodedata.normalize("NFC", value):
            wrong.append((value[:30], "kept", []))
    assert wrong == []


def test_a_refusal_says_why_once():
    """PWD-03"""
    wanted = {
        "motdepasse123": [too_short(13), TOO_COMMON],
        "Montpellier34!": [too_short(14), TOO_COMMON],
        "aaaaaaaaaaaaaaa": [REPETITIVE],
        "123456789012345": [TOO_COMMON],
        "azertyuiopqsdfg": [TOO_COMMON],
        "Bonjour2026!!!!": [TOO_COMMON],
        "jean.dupont@exemple.fr": [PERSONAL],
        "\U0001f418" * 15: [REPETITIVE],
        "&é\"'(-è_çà)=&é\"'": [IN_ORDER],
        "NBVCXWMLKJHGFDSQ": [IN_ORDER],
        "a\x00bcdefghijklmnop": [CONTROL_CHARACTER],
        "motdepasse\nmultiligne1": [CONTROL_CHARACTER],
        "x7Q" * 43: [],
        "x" * 1_000_000: [TOO_LONG],
    }

    assert answers_to(list(wanted), STRANGER) == wanted


def test_fifteen_code_points_are_enough_in_any_script():
    """PWD-01"""
    for alphabet in ("tkwqzmhxvbrjdgc", "éàùçôîêâûëïöüœæÿ", "🐘🦊🐙🦉🐝🦋🐢🦀🐬🦚🦜🐿🦔🐞🦄🐴"):
        assert refusals(alphabet[:14]) == [too_short(14)]
        assert refusals(alphabet[:15]) == []


def test_256_characters_are_accepted_and_257_are_not():
    """PWD-02, PWD-04: counted in NFC, whatever the keyboard sends."""
    assert refusals(LONGEST) == []
    assert normalise_password(LONGEST) == LONGEST
    assert refusals(LONGEST + "x") == [TOO_LONG]
    assert refusals(unicodedata.normalize("NFD", "éàùçôîêâûëïöüÿ")) == [too_short(14)]
    for form in ("NFC", "NFD"):
        assert len(normalise_password(unicodedata.normalize(form, "ᾯ" * 256))) == 256


@given(st.text(max_size=40))
@example("E\u0301le\u0301phant-e\u0301te\u0301-violet")
@example("  deux espaces autour  ")
def test_the_two_spellings_of_a_password_are_one_and_nothing_is_stripped(typed):
    """PWD-04"""
    try:
        password = normalise_password(typed)
    except ValidationError as refused:
        assert refused.code == "password_control_character"  # noqa: PT017
        return
    assert password == unicodedata.normalize("NFC", typed)
    assert normalise_password(unicodedata.normalize("NFD", typed)) == password


def test_every_check_is_quick_on_the_worst_passwords():
    """PWD-02, INP-07: NFC of a million accents would take minutes, so the length is checked before."""
    refusals("charge les listes")
    for monster in ("x" * 1_000_000, "Z" + "\u0301\u0323" * 500_000, "é" * 1_000_000):
        start = time.process_time()
        assert refusals(monster) == [TOO_LONG]
        assert time.process_time() - start < 0.05
    for password in (
        "a4@8({[<361!|70$5+%2" * 2,
        "1!lL7|iI+tT0oO3eE4aA@5sS$8bB6gG9zZ2%xX(c",
        '!(/6=DKRY`gnu")07>ELSZahov#*18?FMT[bipw',
        "aB3" * 85 + "x",
        LONGEST,
        "\ufdfa" * 40,
        "a\u0301\u0323\u0302" * 64,
    ):
        start = time.process_time()
        refusals(password)
        assert time.process_time() - start < 0.1, password


def test_a_common_password_is_refused_however_disguised():
    """PWD-03: case, accents, leetspeak, figures around, repetition, the university's own name."""
    answers = answers_to([
        "motdepassemotdepasse",
        "motdepasse1motdepasse2",
        "M0td3p@ss3-2026!!",
        "MonMotDePasse2026!",
        "azertyuiop123456",
        "Bonjour2026Bonjour2026",
        "soleil-soleil-soleil",
        "Nounours Nounours 12",
        "123soleil123soleil",
        "!!!!Marseille2026!!!!",
        "p4ssw0rdp4ssw0rd",
        "ＭＯＴＤＥＰＡＳＳＥ１２３４",
        "liberté-égalité-fraternité",
        "anticonstitutionnellement",
        "La vie est belle 34",
        "Université2026!!",
        "Embruns-2026!!!!!",
        "UniversitéDesEmbruns",
    ])  # fmt: skip

    assert {password for password, messages in answers.items() if TOO_COMMON not in messages} == set()


def test_a_phrase_of_several_words_is_accepted():
    """PWD-01: no composition rule; common words may be part of a phrase."""
    words = french_lists()["words"]
    phrases = [" ".join(words[(97 * phrase + 389 * place) % len(words)] for place in range(4)) for phrase in range(100)]
    answers = answers_to([
        "correct horse battery staple",
        "cheval-agrafe-pile-correct",
        "éléphant-été-violet",
        "  deux espaces autour  ",
        "trois petits chats gris",
        "J'aime les croissants !",
        "kayak vinyle brume",
        "smart indigo vélo",
        "Zy8qkPv2!mQx4Lr",
        "soleil84629571031",
        "x7" * 32,
        *(phrase for phrase in phrases if len(phrase) >= MINIMUM_LENGTH),
    ])  # fmt: skip

    assert {password: messages for password, messages in answers.items() if messages} == {}


def test_the_lists_are_in_the_form_that_passwords_are_folded_to():
    entries = [entry for list_ in french_lists().values() for entry in list_]
    assert [entry for entry in entries if not re.fullmatch(r"[a-z0-9]+", entry)] == []
    assert len(set(entries)) > 3_000
    assert {"motdepasse", "jetaime", "soleil", "azertyuiop", "montpellier", "password"} <= common_passwords()
    assert {path.stem for path in FRENCH_LISTS.glob("*.txt")} == set(french_lists())


def test_a_repeated_text_is_reduced_to_its_period():
    periods = {"": "", "abc": "abc", "abcabc": "abc", "abcabcab": "abc", "aaaa": "a", "abcab": "abc"}
    assert {text: shortest_period(text) for text in periods} == periods


@given(st.text(max_size=60))
def test_folding_is_idempotent_and_bounded(text):
    assert folded(folded(text)) == folded(text)
    assert all(len(core) <= 18 * max(len(text), 1) for core in cores(text))


def test_repetitions_keyboard_walks_and_easy_guesses_are_refused():
    """PWD-03: French and American keyboards, unshifted signs too."""
    for password in ("aaaaaaaaaaaaaab", "aaaabbbbccccdddd", "111111111111111111", "éééééééééééééééé", " " * 20):
        assert repeats_too_much(password)
        assert refusals(password) == [REPETITIVE] or TOO_COMMON in refusals(password)
    for password in (
        "&é\"'(-è_çà)=&é\"'",
        "abcdefghijklmnopqr",
        "zyxwvutsrqponmlkj",
        "qwertyuiop[]asdf",
        "wxcvbn,;:!wxcvbn",
        "a-z-e-r-t-y-u-i-o-p-q",
        "9876543210 98765",
        "NBVCXWMLKJHGFDSQ",
        "1qaz2wsx3edc4rfv5tgb",
    ):
        assert follows_an_order(password)
        assert refusals(password) in ([IN_ORDER], [TOO_COMMON]), password
    for password in ("azeazeazeazeazeaze", "abababababababab", "tktktktktktktktk"):
        assert is_easily_guessed(password)
        assert refusals(password) in ([GUESSABLE], [IN_ORDER]), password


def test_what_is_known_of_the_person_is_refused():
    """PWD-03, PWD-04: names, identifiers, addresses, birth date, INE, whatever the case, accents and punctuation."""
    personal = [
        "Ségolène-2026-vélo",
        unicodedata.normalize("NFD", "Ségolène-2026-vélo"),
        "SEGOLENE et le train bleu",
        "5é6olène et le train",
        "anne et le train bleu",
        "lego LEGOFF brique 12",
        "le_goff anneau 77 rouge",
        "LeGoffAnneSegolene",
        "alegoff3 train bleu",
        "anne-segolene.le-goff@univ-x.fr",
        "zouzou et le train bleu",
        "Zouzou.Breizh29@exemple.fr",
        "train bleu 07/03/1985",
        "train-19850307-bleu",
        "7.3.1985 le train bleu",
        "7 mars 1985 train bleu",
        "le train de 070385 bleu",
        "0123456789a train bleu",
        "01234-56789-A train bleu",
    ]

    assert answers_to(personal) == {password: [PERSONAL] for password in personal}
    assert not any(PERSONAL in messages for messages in answers_to(personal, None).values())
    decomposed = SimpleNamespace(given_name=unicodedata.normalize("NFD", "Ségolène"))
    assert refusals("Ségolène-2026-vélo", decomposed) == [PERSONAL]
    assert contains_personal_data("wu-luc et le train", SimpleNamespace(given_name="Luc", family_name="Wu"))


def test_missing_or_short_personal_data_refuse_nothing_by_chance():
    for person in (
        SimpleNamespace(),
        SimpleNamespace(given_name="", family_name=None, birth_date=None, ine="", uid=None, recovery_address=None),
        SimpleNamespace(given_name="Luc", family_name="Wu"),
        SimpleNamespace(family_name="Martin"),
    ):
        assert refusals("smart indigo luciole wu", person) == [], person


def test_the_words_of_the_person_make_a_password_easier_to_guess():
    person = SimpleNamespace(given_name="Xylodwen", family_name="Brzk")
    assert guesses("Xylodwen 77 vert", person) < guesses("Xylodwen 77 vert", None) / 1_000


def test_the_page_and_the_validators_share_the_rules():
    """PWD-01: the rules shown before typing match the code."""
    texts = [str(rule.text) for rule in RULES]
    assert texts == [
        "15 caractères au minimum",
        "Ni votre nom, ni votre prénom, ni votre identifiant",
        "Pas un mot de passe courant ou déjà divulgué (vérifié à l’envoi)",
    ]
    assert [rule.key for rule in RULES] == ["length", "personal", "common"]
    assert set(texts) <= set(map(str, password_validators_help_texts()))
    assert f"minlength: {MINIMUM_LENGTH}; allowed: unicode" == PASSWORDRULES
    assert (MINIMUM_LENGTH, MAXIMUM_LENGTH) == (15, 256)


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=80))
def test_any_password_is_accepted_or_refused_with_a_message(password):
    """INP-01"""
    messages = refusals(password)
    assert all(messages)
    if len(password) < MINIMUM_LENGTH:
        assert messages


LEAKED_PASSWORD = "kayak vinyle brume"
DIGEST = sha1(LEAKED_PASSWORD.encode()).hexdigest().upper()
PADDING = "0" * 35 + ":0"


@contextmanager
def leak_service(monkeypatch, answer):
    """A real HTTP server in place of the service; yields the requests received. `answer(handler)` writes the response."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self)
            try:
                answer(self)
            except OSError:
                # The portal has closed the connection.
                self.close_connection = True

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setattr(leaks, "RANGE_URL", f"http://127.0.0.1:{server.server_port}/range/")
        try:
            yield requests
        finally:
            server.shutdown()
            thread.join()


def answering(*lines, status=200):
    def answer(handler):
        body = "\r\n".join(lines).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def answer_slowly(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b"0")
        handler.wfile.flush()
        time.sleep(0.1)


@pytest.fixture
def hibp(settings):
    settings.HIBP_ENABLED = True


@pytest.mark.usefixtures("hibp")
def test_a_leaked_password_is_refused_and_only_five_figures_of_its_digest_leave(monkeypatch):
    """PWD-03, k-anonymity: a count of 0 is padding; a password refused offline is not sent."""
    with leak_service(monkeypatch, answering(PADDING, f"{DIGEST[5:]}:42")) as requests:
        assert refusals(LEAKED_PASSWORD) == [LEAKED]
        assert refusals("motdepassemotdepasse") == [TOO_COMMON]
        assert refusals("zkqwv") == [too_short(5)]
    [request] = requests
    assert request.path == f"/range/{DIGEST[:5]}"
    assert request.headers["Add-Padding"] == "true"
    with leak_service(monkeypatch, answering(PADDING, "0" * 34 + "1:7", f"{DIGEST[5:]}:0")) as requests:
        assert refusals(LEAKED_PASSWORD) == []
    assert len(requests) == 1


def test_the_service_is_asked_only_when_the_setting_says_so(monkeypatch):
    assert leaks.RANGE_URL.startswith("https://")
    with leak_service(monkeypatch, answering(f"{DIGEST[5:]}:42")) as requests:
        assert refusals(LEAKED_PASSWORD) == []
    assert requests == []


@pytest.mark.usefixtures("hibp")
def test_a_failing_leak_service_accepts_the_password_in_time_and_writes_a_log_line(monkeypatch, caplog):
    """AVL-08: an outage of the service keeps no user from choosing a password; neither password nor digest is logged."""
    assert leaks.TIMEOUT_SECONDS == 2
    monkeypatch.setattr(leaks, "TIMEOUT_SECONDS", 0.3)
    for answer in (
        answering("busy", status=503),
        answering("<html>not a list</html>"),
        answering("0" * 1_100_000),
        answer_slowly,
        lambda handler: handler.connection.close(),
    ):
        caplog.clear()
        start = time.monotonic()
        with leak_service(monkeypatch, answer):
            assert refusals(LEAKED_PASSWORD) == [], answer
            assert time.monotonic() - start < 1.5
        assert "did not answer" in caplog.text
        assert LEAKED_PASSWORD not in caplog.text
        assert DIGEST[:5] not in caplog.text
    caplog.clear()
    monkeypatch.setattr(leaks, "RANGE_URL", "http://127.0.0.1:9/range/")
    assert refusals(LEAKED_PASSWORD) == []
    assert "did not answer" in caplog.text
