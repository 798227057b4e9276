"""How nasty inputs are sent: each value into one field, and the ways in which a form should never be sent (§17.1)."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple
from urllib.parse import quote_plus

from tests.fuzz.payloads import BIRTH, EMAIL, INE, NEXT, PASSWORD, PHONE, N
from tests.fuzz.shown import CSRF, Field, Form

URLENCODED = "application/x-www-form-urlencoded"
Value = str | bytes

#: As much as fits into one value: shown raw, the first is markup and a template; the second is refused by most fields.
MIXED = "\"><script>alert(1)</script>'{{7*142857}}${7*142857}%(user)s=1' OR '1'='1"
UNSEEN = "a\x00b\r\nBcc: victime@example.org\r\n\u202e\u200b\ufeff\x1b[31m"
#: The worst of all values, for each field of each form.
DISTILLED: list[tuple[str, Value]] = [
    ("mixed", MIXED),
    ("unseen", UNSEEN),
    *((label, N[label]) for label in ("N02", "N33", "N36", "N39")),
]
#: What no form asks for, and a careless one would take (INP-06).
EXTRA = {
    "is_staff": "1",
    "is_superuser": "1",
    "is_active": "0",
    "status": "active",
    "state": "active",
    "user": "1",
    "account": "1",
    "pk": "1",
    "id": "1",
    "role": "responsables",
    "groups": "1",
    "category": "staff",
    "uid": "root",
    "activated_at": "2026-01-01",
    "institutional_address": "a@evil.example",
    "recovery_address": "a@evil.example",
    "recovery_email": "a@evil.example",
    "email": "a@evil.example",
    "_connector": "OR 1=1--",
    "_negated": "1",
    "password__startswith": "argon2",
}
#: Numbers and dates that a parameter by itself may take for one of its own.
ODD = ("0", "-1", "8" * 30, "1-1", "8" * 30 + "-1", "a@b", "2026-02-31", "0001-01-01", "9999-12-31")
#: What another site cannot know: it is signed, and in the page.
SIGNED = {CSRF, "permit"}
#: The packs of a field, by the kind of its input, what it completes itself with, or a part of its name.
PACKS: dict[str, list[Value]] = {
    "email": [value for value, _wanted in EMAIL],
    "username": [value for value, _wanted in EMAIL],
    "login": [value for value, _wanted in EMAIL],
    "password": [value for value, _wanted in PASSWORD],
    "tel": list(PHONE),
    "ine": list(INE),
    "birth": list(BIRTH),
    "date": list(BIRTH),
    "next": list(NEXT),
    "checkbox": ["on", "true", "0", "false", "1"],
}


class Payload(NamedTuple):
    """What is sent instead of a plausible form: its name in a failure, the payloads to look for, and the request."""

    name: str
    payloads: tuple[str, ...]
    body: bytes
    query: str = ""
    content_type: str = URLENCODED


def encoded(value: Value) -> bytes:
    """As a browser would write it; bytes are percent-encoded already."""
    return value if isinstance(value, bytes) else quote_plus(value).encode()


def in_a_header(value: str) -> str:
    """As a web server hands it over: no line breaks, which would begin another header, and octets as letters."""
    return value.replace("\r", "").replace("\n", "").encode().decode("latin-1")


def body_of(answers: list[tuple[str, Value]]) -> bytes:
    return b"&".join(encoded(name) + b"=" + encoded(value) for name, value in answers)


def values_for(one: Field) -> Iterator[tuple[str, Value]]:
    """Every universal value, and the packs that fit the field, each with its name in a failure."""
    yield from N.items()
    marks = {one.kind, one.autocomplete, *one.name.split("_")}
    packs = {mark: pack for mark, pack in PACKS.items() if mark in marks}
    if len({"email", "username", "login"} & set(packs)) > 1:
        packs.pop("login")
    yield from ((f"{mark} {number}", value) for mark, pack in packs.items() for number, value in enumerate(pack))


def text_of(value: Value) -> str:
    return value if isinstance(value, str) else ""


def thrown_at_each_field(form: Form, names: set[str], thorough: set[str]) -> Iterator[Payload]:
    """Every value into each of the `thorough` fields, the worst ones into each of the others; in every round a different
    one into each field. Then what may be taken, alone, since a form that is refused for one field goes no further."""
    good = form.answers()
    rounds = {name: list(values_for(form.fields[name])) if name in thorough else DISTILLED for name in sorted(names)}
    for turn in range(max((len(values) for values in rounds.values()), default=0)):
        drawn = {name: values[(turn + place) % len(values)] for place, (name, values) in enumerate(rounds.items())}
        label = " ".join(f"{name} {value_name}" for name, (value_name, _value) in drawn.items())
        values = {name: value for name, (_name, value) in drawn.items()}
        payloads = tuple(text_of(value) for value in values.values())
        yield Payload(label, payloads, body_of(list({**good, **values}.items())))
    if len(rounds) > 1:
        for name in rounds:
            yield Payload(f"{name} mixed alone", (MIXED,), body_of(list({**good, name: MIXED}.items())))


def mixed(form: Form) -> Payload:
    """A mixture into every field."""
    return Payload("mixed", (MIXED,), body_of([(name, MIXED) for name in form.fields if name != CSRF]))


def in_the_query(form: Form, names: set[str]) -> Iterator[Payload]:
    """A mixture in all parameters, then every universal value in these."""
    yield Payload("? mixed", (MIXED,), b"", query=body_of([(name, MIXED) for name in form.fields]).decode())
    for label, value in N.items() if names else ():
        # A server takes no longer line than this.
        short = value[:4000]
        query = body_of([(name, short) for name in names]).decode()
        yield Payload(f"? {label}", (text_of(short),), b"", query=query)
    for name, value in product(sorted(names), ODD):
        yield Payload(f"? {name} {value!r}", (), b"", query=body_of([(name, value)]).decode())


class Forged(NamedTuple):
    """A form that a page of somebody else makes a browser send."""

    thrown: Payload
    #: Our cookie, as far as the other site could set it, and where the browser says that the form comes from.
    csrf_cookie: str = ""
    origin: str = ""


def as_another_site(form: Form) -> Iterator[Forged]:
    """Without a token, with the token of another session, with nonsense, and with the right one from elsewhere."""
    answers = [(name, value) for name, value in form.answers().items() if name not in SIGNED]
    token, other = "A" * 64, "A" * 32 + "B" * 32
    yield Forged(Payload("no token", (), body_of(answers)), token)
    yield Forged(Payload("from elsewhere", (), body_of([*answers, (CSRF, token)])), token, "https://evil.example")
    yield Forged(Payload("from nowhere", (), body_of([*answers, (CSRF, token)])), token, "null")
    yield Forged(Payload("another token", (), body_of([*answers, (CSRF, other)])), token)
    yield Forged(Payload("odd token", (MIXED,), body_of([*answers, (CSRF, MIXED)])), in_a_header(UNSEEN))


def misshapen(form: Form) -> Iterator[Payload]:
    """The form in every way in which no page of ours makes a browser send it."""
    good = list(form.answers().items())
    for name in form.fields:
        yield Payload(f"{name} omitted", (), body_of([pair for pair in good if pair[0] != name]))
    yield Payload("twice", (MIXED,), body_of([*good, *((name, MIXED) for name in form.fields if name != CSRF)]))
    yield Payload("[]", (MIXED,), body_of([(f"{name}[]", MIXED) for name in form.fields]))
    query = body_of([(name, MIXED) for name in form.fields]).decode()
    yield Payload("in the query", (MIXED,), b"", query=query)
    yield Payload("nothing", (), b"")
    yield Payload("files", (MIXED,), file_part(form), content_type="multipart/form-data; boundary=x")


def unreadable(form: Form) -> Iterator[Payload]:
    """Bodies that are no form, or too much of one."""
    good = list(form.answers().items())
    yield Payload("as JSON", (), body_of(good), content_type="application/json")
    yield Payload("odd charset", (), body_of(good), content_type=f"{URLENCODED}; charset=nonsense")
    yield Payload("broken multipart", (), b"--x\r\nbroken", content_type="multipart/form-data; boundary=x")
    yield Payload("300 fields", (), body_of([*good, *((f"f{number}", "x") for number in range(300))]))
    yield Payload("3 MB", (), b"x=" + b"A" * 3_000_000)


def file_part(form: Form) -> bytes:
    """A file in place of each field, with a name that would like to be a path and markup."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="../../<script>alert(1)</script>.php"\r\n'
        "Content-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n"
        for name in form.fields
    ]
    return "".join([*parts, "--x--\r\n"]).encode()
