"""New passwords: what is accepted, what is refused, and the reason of each refusal (PWD-01 to PWD-04)."""

import re
import threading
import time
import unicodedata
from contextlib import contextmanager, suppress
from datetime import date
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError

from accounts.models import Account
from accounts.passwords import PASSWORDRULES, RULES, leaks, normalise_password
from accounts.passwords.common import french_lists
from accounts.passwords.patterns import follows_an_order
from accounts.passwords.strength import guesses
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
LONGEST = "".join(chr(0x4E00 + 37 * position) for position in range(256))


@pytest.fixture(autouse=True)
def _university(settings):
    settings.UNIVERSITY_NAME, settings.UNIVERSITY_DOMAINS = "Université des Embruns", ["univ-x.fr"]
    settings.HIBP_ENABLED = False


def refusals(password: str, user: object = PERSON) -> list[str]:
    """The code of each refusal; none when the password is accepted."""
    try:
        validate_password(password, user)
    except ValidationError as refused:
        return [error.code.removeprefix("password_") for error in refused.error_list]
    return []


def test_each_value_of_the_packs_is_accepted_or_refused_as_wanted():
    """PWD-01 to PWD-03, INP-01: the PASSWORD pack, without network; the universal pack is refused or kept whole."""
    wrong = []
    for password, wanted in PASSWORD:
        codes = refusals(password, STRANGER)
        must_be_refused = wanted.startswith("refuse") or "accept" not in wanted
        may_be_refused = wanted.startswith("accept or") or "or refuse" in wanted
        if (must_be_refused and not codes) or (codes and not must_be_refused and not may_be_refused):
            wrong.append((password[:30], wanted, codes))
    for value in N.values():
        is_accepted = isinstance(value, str) and not refusals(value)
        if is_accepted and normalise_password(value) != unicodedata.normalize("NFC", value):
            wrong.append((value[:30], "kept", []))
    assert wrong == []


def test_a_refusal_says_why_once():
    """PWD-03: French and American keyboards, unshifted signs too."""
    for codes, passwords in (
        (["too_short", "too_common"], ("motdepasse123", "Montpellier34!")),
        (["too_common"], ("123456789012345", "azertyuiopqsdfg")),
        (["personal"], ("jean.dupont@exemple.fr",)),
        (["repetitive"], ("aaaaaaaaaaaaaaa", "aaaabbbbccccdddd", "\U0001f418" * 15, "aaaaaaaaaaaaaab")),
        (["repetitive"], ("111111111111111111", "éééééééééééééééé", " " * 20)),
        (["in_order"], ("&é\"'(-è_çà)=&é\"'", "NBVCXWMLKJHGFDSQ", "abcdefghijklmnopqr", "zyxwvutsrqponmlkj")),
        (["in_order"], ("qwertyuiop[]asdf", "abababababababab")),
        (["guessable"], ("tktktktktktktktk", "azeazeazeazeazeaze")),
        (["control_character"], ("a\x00bcdefghijklmnop", "motdepasse\nmultiligne1")),
        (["too_long"], ("x" * 1_000_000,)),
        ([], ("x7Q" * 43,)),
    ):
        for password in passwords:
            assert refusals(password, STRANGER) == codes, password[:30]
    for common in ("wxcvbn,;:!wxcvbn", "a-z-e-r-t-y-u-i-o-p-q", "9876543210 98765", "1qaz2wsx3edc4rfv5tgb"):
        assert follows_an_order(common), common
    with pytest.raises(ValidationError, match=r"au moins 15 caractères \(vous en avez saisi 13\)"):
        validate_password("motdepasse123")


def test_fifteen_to_256_code_points_are_enough_in_any_script():
    """PWD-01, PWD-02, PWD-04: counted in NFC, whatever the keyboard sends."""
    for alphabet in ("tkwqzmhxvbrjdgc", "éàùçôîêâûëïöüœæÿ", "🐘🦊🐙🦉🐝🦋🐢🦀🐬🦚🦜🐿🦔🐞🦄🐴"):
        assert refusals(alphabet[:14]) == ["too_short"]
        assert refusals(alphabet[:15]) == []
    assert refusals(LONGEST) == []
    assert refusals(LONGEST + "x") == ["too_long"]
    assert refusals(unicodedata.normalize("NFD", "éàùçôîêâûëïöüÿ")) == ["too_short"]
    for form in ("NFC", "NFD"):
        assert len(normalise_password(unicodedata.normalize(form, "ᾯ" * 256))) == 256
    assert normalise_password("\u00a0 de\u0301jà \u202f\u3000") == "  déjà   "
    # The page shows the same rules.
    assert PASSWORDRULES == "minlength: 15; allowed: unicode"
    assert {str(rule.text) for rule in RULES} <= set(map(str, password_validators_help_texts()))


def test_every_check_is_quick_on_the_worst_passwords():
    """PWD-02, INP-07: NFC of a million accents would take minutes, so the length is checked before."""
    refusals("charge les listes")
    monsters = ("x" * 1_000_000, "Z" + "\u0301\u0323" * 500_000, "é" * 1_000_000)
    leetspeak = ("a4@8({[<361!|70$5+%2" * 2, "1!lL7|iI+tT0oO3eE4aA@5sS$8bB6gG9zZ2%xX(c")
    long = ('!(/6=DKRY`gnu")07>ELSZahov#*18?FMT[bipw', "aB3" * 85 + "x", LONGEST)
    for password in (*monsters, *leetspeak, *long, "\ufdfa" * 40, "a\u0301\u0323\u0302" * 64):
        start = time.process_time()
        codes = refusals(password)
        assert time.process_time() - start < (0.05 if password in monsters else 0.1), password[:40]
        assert password not in monsters or codes == ["too_long"]


def test_a_common_password_is_refused_however_disguised():
    """PWD-03: case, accents, leetspeak, figures around, repetition, the university's own name."""
    for password in (
        "motdepassemotdepasse", "motdepasse1motdepasse2", "M0td3p@ss3-2026!!", "MonMotDePasse2026!", "azertyuiop123456",
        "Bonjour2026Bonjour2026", "soleil-soleil-soleil", "Nounours Nounours 12", "123soleil123soleil",
        "!!!!Marseille2026!!!!", "p4ssw0rdp4ssw0rd", "ＭＯＴＤＥＰＡＳＳＥ１２３４", "liberté-égalité-fraternité",
        "anticonstitutionnellement", "La vie est belle 34", "Université2026!!", "Embruns-2026!!!!!",
        "UniversitéDesEmbruns",
    ):  # fmt: skip
        assert "too_common" in refusals(password), password
    # The entries are in the form that passwords are folded to.
    assert all(re.fullmatch(r"[a-z0-9]+", entry) for list_ in french_lists().values() for entry in list_)


def test_a_phrase_of_several_words_is_accepted():
    """PWD-01: no composition rule; common words may be part of a phrase."""
    for password in (
        "correct horse battery staple", "cheval-agrafe-pile-correct", "éléphant-été-violet", "  deux espaces autour  ",
        "trois petits chats gris", "J'aime les croissants !", "kayak vinyle brume", "smart indigo vélo",
        "Zy8qkPv2!mQx4Lr", "soleil84629571031", "x7" * 32,
    ):  # fmt: skip
        assert refusals(password) == [], password


def test_what_is_known_of_the_person_is_refused():
    """PWD-03, PWD-04: names, identifiers, addresses, birth date, INE, whatever the case, accents and punctuation."""
    personal = (
        "Ségolène-2026-vélo", unicodedata.normalize("NFD", "Ségolène-2026-vélo"), "SEGOLENE et le train bleu",
        "5é6olène et le train", "anne et le train bleu", "lego LEGOFF brique 12", "le_goff anneau 77 rouge",
        "LeGoffAnneSegolene", "alegoff3 train bleu", "anne-segolene.le-goff@univ-x.fr", "zouzou et le train bleu",
        "Zouzou.Breizh29@exemple.fr", "train bleu 07/03/1985", "train-19850307-bleu", "7.3.1985 le train bleu",
        "7 mars 1985 train bleu", "le train de 070385 bleu", "0123456789a train bleu", "01234-56789-A train bleu",
    )  # fmt: skip
    for password in personal:
        assert refusals(password) == ["personal"], password
        assert "personal" not in refusals(password, None), password
    decomposed = SimpleNamespace(given_name=unicodedata.normalize("NFD", "Ségolène"))
    assert refusals("Ségolène-2026-vélo", decomposed) == ["personal"]
    assert refusals("wu-luc et le train", SimpleNamespace(given_name="Luc", family_name="Wu")) == ["personal"]
    brzk = SimpleNamespace(given_name="Xylodwen", family_name="Brzk")
    assert guesses("Xylodwen 77 vert", brzk) < guesses("Xylodwen 77 vert", None) / 1_000
    # Missing or short data refuse nothing by chance.
    for person in (
        SimpleNamespace(),
        SimpleNamespace(given_name="", family_name=None, birth_date=None, ine="", uid=None, recovery_address=None),
        SimpleNamespace(given_name="Luc", family_name="Wu"),
    ):
        assert refusals("smart indigo luciole wu", person) == [], person


LEAKED_PASSWORD = "kayak vinyle brume"
DIGEST = sha1(LEAKED_PASSWORD.encode()).hexdigest().upper()
PADDING = "0" * 35 + ":0"


@contextmanager
def leak_service(monkeypatch, *lines: str, status: int = 200, seconds_per_line: float = 0):
    """A real HTTP server in place of the service; yields the requests received. A status of 0 closes the connection."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self)
            if status:
                self.send_response(status)
                self.end_headers()
            # The portal may close the connection before the last line.
            with suppress(OSError):
                for line in lines:
                    time.sleep(seconds_per_line)
                    self.wfile.write(f"{line}\r\n".encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(leaks, "RANGE_URL", f"http://127.0.0.1:{server.server_port}/range/")
        try:
            yield requests
        finally:
            server.shutdown()


def test_a_leaked_password_is_refused_and_only_five_figures_of_its_digest_leave(monkeypatch, settings):
    """PWD-03, k-anonymity: a count of 0 is padding; a password refused offline is not sent, nor any by default."""
    assert leaks.RANGE_URL.startswith("https://")
    with leak_service(monkeypatch, PADDING, f"{DIGEST[5:]}:42") as requests:
        assert refusals(LEAKED_PASSWORD) == []
        assert requests == []
        settings.HIBP_ENABLED = True
        assert refusals(LEAKED_PASSWORD) == ["leaked"]
        assert refusals("motdepassemotdepasse") == ["too_common"]
        assert refusals("zkqwv") == ["too_short"]
    [request] = requests
    assert request.path == f"/range/{DIGEST[:5]}"
    assert request.headers["Add-Padding"] == "true"
    with leak_service(monkeypatch, PADDING, "0" * 34 + "1:7", f"{DIGEST[5:]}:0") as requests:
        assert refusals(LEAKED_PASSWORD) == []
    assert len(requests) == 1


def test_a_failing_leak_service_accepts_the_password_in_time_and_writes_a_log_line(monkeypatch, caplog, settings):
    """AVL-08: an outage of the service keeps no user from choosing a password; neither password nor digest is logged."""
    settings.HIBP_ENABLED = True
    assert leaks.TIMEOUT_SECONDS == 2
    monkeypatch.setattr(leaks, "TIMEOUT_SECONDS", 0.3)
    for service in (
        leak_service(monkeypatch, "busy", status=503),
        leak_service(monkeypatch, "<html>not a list</html>"),
        leak_service(monkeypatch, "0" * 1_100_000),
        leak_service(monkeypatch, *["0:0"] * 40, seconds_per_line=0.1),
        leak_service(monkeypatch, status=0),
    ):
        caplog.clear()
        start = time.monotonic()
        with service:
            assert refusals(LEAKED_PASSWORD) == []
            assert time.monotonic() - start < 1.5
        assert "did not answer" in caplog.text
        assert LEAKED_PASSWORD not in caplog.text
        assert DIGEST[:5] not in caplog.text
