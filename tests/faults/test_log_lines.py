"""What web, worker and beat write down as they run, also about requests that no browser sends."""

import json
import re
import socket
from datetime import date
from functools import partial
from urllib.parse import urlsplit

import redis
import requests

from activation.models import Charter
from outbox.tasks import send_due_messages
from tests.factories import A_GOOD_PASSWORD, pending_account, reloaded
from tests.faults.browser import CSRF_TOKEN, FIRST_CONNECTION, Browser
from tests.faults.machine import browser_of
from tests.mail_delivery import text_of
from tests.stack import NEEDS_STACK, Stack, wait_until

pytestmark = NEEDS_STACK

CANARY = {
    "family_name": "Canarizo",
    "given_name": "Zénobie",
    "birth_date": date(1977, 7, 9),
    "ine": "1234567890K",
    "phone": "0612345678",
    "institutional_address": "zenobie.canarizo@univ-exemple.fr",
    "recovery_address": "privee.canarizo@exemple.net",
}
NEW_ADDRESS = "nouvelle.canarizo@exemple.org"
WRONG_PASSWORD = "mauvais-canari-au-fond-de-la-mine"
SEARCHED = "chercheuse-canari"
PERSONAL = (
    *("canarizo", "z\\u00e9nobie", "zenobie", "exemple.net", "1977-07-09", "09/07/1977", NEW_ADDRESS, SEARCHED),
    *(CANARY["ine"], CANARY["phone"], A_GOOD_PASSWORD, WRONG_PASSWORD),
)
#: Line ends, colours and separators of lines in a path (N06, N07, N37, N38).
HOSTILE_PATHS = ("a%0d%0aBcc:x", "a%0a%7b%22event%22:%22forged%22%7d", "%1b[31mROUGE%07", "%c2%85%e2%80%a8%0b%7f")
#: Requests that a proxy and the portal may read differently, or that a log cuts: a first line and the rest of the head.
AMBIGUOUS = (
    *((b"GET / HTTP/1.1", line) for line in (b"Host: evil.example", b"Cookie: sessionid=a\0b", b"X-\0: 1")),
    *((b"GET / HTTP/1.1", line) for line in (b"Accept-Language: f\0r", b"X-A: a\rX-B: b", b"X-A: a\r\n b")),
    (b"GET / HTTP/1.1", b"\r\n".join([b"X-A: a"] * 200)),
    *((b"GET /aide\0/ HTTP/1.1", b"X-A: a"), (b"GET / HTTP/9.9", b"X-A: a")),
    (b"GET /?q=" + b"a" * 20_000 + b" HTTP/1.1", b"X-A: a"),
    (b"POST /connexion/ HTTP/1.1", b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nx=12"),
    (b"POST /connexion/ HTTP/1.1", b"Content-Length: -1"),
    (b"POST /connexion/ HTTP/1.1", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0"),
    (b"POST /connexion/ HTTP/1.1", b"Transfer-Encoding: xchunked\r\n\r\nx=12"),
)
#: Bad request, too long a line, too many headers, an unknown encoding.
CLIENT_ERRORS = {400, 414, 431, 501}


def status_of(stack: Stack, first_line: bytes, *more: bytes) -> int:
    address = urlsplit(stack.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(b"\r\n".join([first_line, f"Host: {address.netloc}".encode(), *more, b"", b""]))
        line.shutdown(socket.SHUT_WR)
        return int(line.recv(64).split()[1])


def test_an_ambiguous_request_is_refused(stack):
    """INP-02, HDR-05, TOK-08: with a status of a client error; the next request is served."""
    for first_line, more in AMBIGUOUS:
        assert status_of(stack, first_line, more) in CLIENT_ERRORS, (first_line, more)
    assert status_of(stack, b"GET /sante/vivant HTTP/1.1", b"Connection: close") == 200


def mailed_link(stack: Stack, address: str) -> str:
    def mails() -> list[str]:
        return [text_of(mail) for mail in stack.catcher.messages if address in mail["To"]]

    wait_until(mails, stack.log("worker"), seconds=30)
    link, *_others = re.findall(rf"^{re.escape(stack.url)}(/\S+/[\w-]{{60,}}/)\s*$", mails()[-1], re.MULTILINE)
    return str(link)


def ask_hostile_questions(browser: Browser, token: str) -> None:
    """Hostile paths and headers, a form from elsewhere, and a link where it does not belong, one time too many."""
    browser.ask(f"/annuaire/?q={SEARCHED}")
    for path in HOSTILE_PATHS:
        browser.ask(f"/{path}/?canari={SEARCHED}")
        requests.get(f"{browser.url}/{path}/", headers={"User-Agent": "\x7f{}"}, timeout=20)
    requests.get(f"{browser.url}/", headers={"Host": "evil.example"}, timeout=20)
    requests.post(f"{browser.url}/connexion/", {"login": "canari", "password": WRONG_PASSWORD}, timeout=20)
    for _ in range(31):
        browser.ask(f"/redirection/{token}/")
    browser.ask(f"/redirection/{token}/?again={token}")


def test_lines_are_json_and_neither_logs_nor_redis_hold_personal_data_or_secrets(stack):
    """LOG-01, LOG-02, LOG-04, PWD-08, TOK-01, TOK-09: over an activation, a login and a change of address."""
    person, browser, login = pending_account(**CANARY), browser_of(stack), CANARY["institutional_address"]
    logs = {name: stack.log(name) for name in ("web", "worker", "beat")}
    before = {"web": logs["web"].stat().st_size, "worker": logs["worker"].stat().st_size, "beat": 0}
    stack.start_beat()
    browser.request_link(login)
    activation = mailed_link(stack, CANARY["recovery_address"])
    browser.activate(activation, charter=Charter.objects.in_force().version, password=A_GOOD_PASSWORD)
    cookies = set(browser.cookies.values())
    for password in (WRONG_PASSWORD, A_GOOD_PASSWORD):
        browser.ask("/connexion/", {"login": login, "password": password})
    browser.ask("/compte/adresse-de-secours/", {"address": NEW_ADDRESS})
    confirmation = mailed_link(stack, NEW_ADDRESS)
    browser.ask(confirmation)
    browser.ask("/adresse-de-secours/", {})
    assert reloaded(person).recovery_address == NEW_ADDRESS
    cookies |= set(browser.cookies.values()) - {CSRF_TOKEN}
    tokens = [re.search(r"[\w-]{60,}", link)[0] for link in (activation, confirmation)]
    ask_hostile_questions(browser, tokens[0])
    stack.send(send_due_messages)
    last = {"web": "malicious_csrf", "worker": "link_requested", "beat": "Scheduler"}
    for name, words in last.items():
        wait_until(lambda log=logs[name], words=words: words in log.read_text(), logs[name], seconds=20)
    wait_until(lambda: logs["web"].read_text().count('"status": 429') >= 2, logs["web"], seconds=10)

    lines = []
    for name, log in logs.items():
        text = log.read_bytes()[before[name] :].decode()
        assert not re.search(r"[^\n -~]", text), name
        lines += [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line
        assert {"level", "logger", "event", "request_id"} <= set(line), line
        assert line["request_id"] or not line["logger"].startswith("django."), line
    events = [line["event"] for line in lines]
    for event in ("user_activated", "recovery_address_changed", "authn_login_fail", "authn_login_success"):
        assert events.count(event) == 1, event
    assert {"log", "http_request", "link_requested", "malicious_csrf"} <= set(events)
    assert "forged" not in events
    [activated] = [line for line in lines if line["event"] == "user_activated"]
    assert (activated["account"], activated["actor"]) == (person.pk, person.pk)

    [asked] = [line for line in lines if line["event"] == "link_requested"]
    answered = next(line for line in lines if line["event"] == "http_request" and line["path"] == FIRST_CONNECTION)
    assert asked["request_id"] == answered["request_id"]
    assert asked["client_address"] == answered["client_address"] == "127.0.0.1"

    halves = [half for token in tokens for half in (token[:40], token[40:])]
    for log in logs.values():
        text = log.read_text().lower()
        assert [word for word in (*halves, *cookies, *PERSONAL) if word.lower() in text] == [], log.name
    with redis.Redis.from_url(stack.redis.url, decode_responses=True) as server:
        wait_until(lambda: server.hlen("portal:heartbeats") == 3, logs["beat"], seconds=20)
        reads = {"string": server.get, "hash": server.hgetall, "set": server.smembers}
        reads |= {"list": partial(server.lrange, start=0, end=-1), "zset": partial(server.zrange, start=0, end=-1)}
        reads["none"] = str  # expired meanwhile
        kept = [f"{key} {reads[server.type(key)](key)}" for key in server.scan_iter()]
    assert kept
    assert [key for key in kept if any(token in key for token in tokens)] == []
