"""Requests built from the packs: each value in each field, malformed bodies, forged forms."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote_plus

from tests.fuzz import BIRTH, EMAIL, INE, NEXT, PASSWORD, PHONE, N
from tests.fuzz.rendered_forms import CSRF, RenderedField, RenderedForm

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
Value = str | bytes
NamedValue = tuple[str, Value]

#: Markup, template and SQL in one value; then invisible and control characters, which most fields refuse.
MIXED = "\"><script>alert(1)</script>'{{7*142857}}${7*142857}%(user)s=1' OR '1'='1"
INVISIBLE = "a\x00b\r\nBcc: victime@example.org\r\n\u202e\u200b\ufeff\x1b[31m"
#: For each parameter and field of the public area.
ALL_VALUES = list(N.items())
#: For each field of each form.
WORST_VALUES: list[NamedValue] = [
    ("mixed", MIXED),
    ("unseen", INVISIBLE),
    *((label, N[label]) for label in ("N02", "N33", "N36", "N39")),
]
#: Fields that no form has (INP-06).
EXTRA = dict.fromkeys(("is_staff", "is_superuser", "user", "account", "pk", "id", "groups", "_negated"), "1")
EXTRA |= dict.fromkeys(("institutional_address", "recovery_address", "recovery_email", "email"), "a@evil.example")
EXTRA |= {"is_active": "0", "status": "active", "state": "active", "role": "responsables", "category": "staff"}
EXTRA |= {"uid": "root", "activated_at": "2026-01-01", "_connector": "OR 1=1--", "password__startswith": "argon2"}
#: For parameters that are numbers or dates.
ODD_NUMBERS = ("0", "-1", "8" * 30, "1-1", "8" * 30 + "-1", "a@b", "2026-02-31", "0001-01-01", "9999-12-31")
#: Another site cannot know them.
SIGNED = {CSRF, "permit"}
#: Each pack with the types, autocomplete tokens and parts of names that it is for.
PACKS: dict[str, tuple[set[str], list[Value]]] = {
    "address": ({"email", "username", "login"}, [value for value, _wanted in EMAIL]),
    "password": ({"password"}, [value for value, _wanted in PASSWORD]),
    "phone": ({"tel"}, list(PHONE)),
    "ine": ({"ine"}, list(INE)),
    "date": ({"birth", "date"}, list(BIRTH)),
    "next": ({"next"}, list(NEXT)),
}


class Payload(NamedTuple):
    """A hostile request: its name in a failure, the values to look for in the answer, and what is sent."""

    name: str
    values: tuple[str, ...]
    body: bytes = b""
    query: str = ""
    content_type: str = URLENCODED


def percent_encoded(value: Value) -> bytes:
    """Bytes are percent-encoded already."""
    return value if isinstance(value, bytes) else quote_plus(value).encode()


def encode_form(answers: Iterable[tuple[str, Value]]) -> bytes:
    return b"&".join(percent_encoded(name) + b"=" + percent_encoded(value) for name, value in answers)


def as_header(value: str) -> str:
    """As the web server passes it on: without line breaks, decoded as latin-1."""
    return value.replace("\r", "").replace("\n", "").encode().decode("latin-1")


def text_of(value: Value) -> str:
    return value if isinstance(value, str) else ""


def packs_for(one: RenderedField) -> dict[str, list[NamedValue]]:
    """The universal values and the packs that fit the field, each value with its name."""
    marks = {one.kind, one.autocomplete, *one.name.split("_")}
    fitting = {name: pack for name, (marked, pack) in PACKS.items() if marked & marks}
    named = {name: [(f"{name} {number}", value) for number, value in enumerate(pack)] for name, pack in fitting.items()}
    return {"universal": ALL_VALUES, **named}


def field_payloads(
    form: RenderedForm, own: dict[str, list[NamedValue]], others: list[NamedValue], alone: set[str]
) -> Iterator[Payload]:
    """Its `own` values in each field, else `others`, different ones in one form; then one `alone`, which others let pass."""
    good, names = form.answers(), sorted(set(form.fields) - {CSRF})
    yield mixed_payload(form)
    rounds = {name: own.get(name, others) for name in names}
    for turn in range(max((len(values) for values in rounds.values()), default=0)):
        drawn = {name: values[(turn + place) % len(values)] for place, (name, values) in enumerate(rounds.items())}
        label = " ".join(f"{name} {value_name}" for name, (value_name, _value) in drawn.items())
        values = {name: value for name, (_name, value) in drawn.items()}
        payloads = tuple(text_of(value) for value in values.values())
        yield Payload(label, payloads, encode_form({**good, **values}.items()))
    for name in sorted(alone & set(names)):
        yield Payload(f"{name} mixed alone", (MIXED,), encode_form({**good, name: MIXED}.items()))


def mixed_payload(form: RenderedForm) -> Payload:
    return Payload("mixed", (MIXED,), encode_form((name, MIXED) for name in form.fields if name != CSRF))


def query_payloads(names: set[str], new: set[str], values: list[NamedValue]) -> Iterator[Payload]:
    """A mixture in each parameter; for those that are `new`, each of the values and odd numbers."""
    yield Payload("? mixed", (MIXED,), query=encode_form((name, MIXED) for name in sorted(names)).decode())
    for label, value in values if new else ():
        # gunicorn refuses longer request lines.
        short = value[:4000]
        yield Payload(f"? {label}", (text_of(short),), query=encode_form((name, short) for name in new).decode())
    for turn in range(len(ODD_NUMBERS) if new else 0):
        drawn = [(name, ODD_NUMBERS[(turn + place) % len(ODD_NUMBERS)]) for place, name in enumerate(sorted(new))]
        yield Payload(f"? {drawn}", (), query=encode_form(drawn).decode())


def forged_requests(form: RenderedForm) -> Iterator[tuple[Payload, str, str]]:
    """The form as another site sends it, with the CSRF cookie of the browser and the Origin header."""
    answers = [(name, value) for name, value in form.answers().items() if name not in SIGNED]
    token, other = "A" * 64, "A" * 32 + "B" * 32
    yield Payload("no token", (), encode_form(answers)), token, ""
    for name, given, cookie, origin in (
        ("from elsewhere", token, token, "https://evil.example"),
        ("from nowhere", token, token, "null"),
        ("another token", other, token, ""),
        ("odd token", MIXED, as_header(INVISIBLE), ""),
    ):
        yield Payload(name, (), encode_form([*answers, (CSRF, given)])), cookie, origin


def incomplete_payloads(form: RenderedForm) -> Iterator[Payload]:
    good = form.answers()
    for omitted in form.fields:
        yield Payload(f"{omitted} omitted", (), encode_form((name, good[name]) for name in good if name != omitted))
    yield Payload("nothing", ())


def malformed_payloads(form: RenderedForm) -> Iterator[Payload]:
    good, asked = list(form.answers().items()), [(name, MIXED) for name in form.fields if name != CSRF]
    yield Payload("twice", (MIXED,), encode_form([*good, *asked]))
    yield Payload("[]", (MIXED,), encode_form((f"{name}[]", MIXED) for name in form.fields))
    yield Payload("in the query", (MIXED,), query=encode_form((name, MIXED) for name in form.fields).decode())
    # A file in place of each field; its name is a path and markup.
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="../../<script>alert(1)</script>.php"\r\n'
        "Content-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n"
        for name in form.fields
    ]
    yield Payload("files", (MIXED,), "".join([*parts, "--x--\r\n"]).encode(), content_type=MULTIPART)


def unreadable_payloads(form: RenderedForm) -> Iterator[Payload]:
    good = list(form.answers().items())
    yield Payload("as JSON", (), encode_form(good), content_type="application/json")
    yield Payload("odd charset", (), encode_form(good), content_type=f"{URLENCODED}; charset=nonsense")
    yield Payload("broken multipart", (), b"--x\r\nbroken", content_type=MULTIPART)
    yield Payload("300 fields", (), encode_form([*good, *((f"f{number}", "x") for number in range(300))]))
    yield Payload("3 MB", (), b"x=" + b"A" * 3_000_000)
