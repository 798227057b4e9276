"""Every line of web, worker and beat, with the processes as they run."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from accounts.models import Account
from outbox.tasks import send_due_messages
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.faults.http_client import PortalClient
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
#: Line ends, colours and separators of lines in a path (N06, N07, N37, N38).
HOSTILE_PATHS = ("a%0d%0aBcc:x", "a%0a%7b%22event%22:%22forged%22%7d", "%1b[31mROUGE%07", "%c2%85%e2%80%a8%0b%7f")


def link_of_mail(stack: Stack, number: int, mailed_to: str) -> str:
    mails = [mail for mail in stack.catcher.wait_for(number, timeout=30) if mailed_to in mail["To"]]
    found = re.search(rf"^{re.escape(stack.url)}(/\S+/[\w-]{{60,}}/)\s*$", text_of(mails[-1]), re.MULTILINE)
    assert found
    return found[1]


def activate(browser: PortalClient) -> str:
    """Request a link and use it; its path."""
    browser.request_link(CANARY["institutional_address"])
    link = link_of_mail(browser.stack, 1, CANARY["recovery_address"])
    browser.activate(link)
    return link


def change_recovery_address(browser: PortalClient) -> str:
    login = CANARY["institutional_address"]
    browser.fill_in("/connexion/", login=login, password=WRONG_PASSWORD)
    browser.fill_in("/connexion/", login=login, password=A_GOOD_PASSWORD)
    before = len(browser.stack.catcher.messages)
    browser.fill_in("/compte/adresse-de-secours/", address=NEW_ADDRESS)
    link = link_of_mail(browser.stack, before + 1, NEW_ADDRESS)
    browser.read(link)
    browser.fill_in("/adresse-de-secours/")
    return link


def send_hostile_requests(browser: PortalClient) -> None:
    browser.read(f"/annuaire/?q={SEARCHED}")
    for path in HOSTILE_PATHS:
        browser.read(f"/{path}/?canari={SEARCHED}")
        browser.get(f"{browser.stack.url}/{path}/", headers={"User-Agent": "\x7f{}"}, timeout=20)
    browser.get(f"{browser.stack.url}/", headers={"Host": "evil.example"}, timeout=20)
    browser.post(f"{browser.stack.url}/connexion/", {"login": "canari", "password": WRONG_PASSWORD}, timeout=20)


def lines_of(log: Path, since: int) -> list[dict[str, Any]]:
    """The lines after so many bytes, each of printable ASCII and valid JSON."""
    text = log.read_bytes()[since:].decode()
    assert text.isascii()
    assert not re.search(r"[^\n -~]", text)
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_json_without_personal_data(stack: Stack):
    """LOG-01, LOG-02, PWD-08, TOK-01, TOK-09: over an activation, a login and a change of address."""
    person, browser = pending_account(**CANARY), PortalClient(stack)
    before = [stack.log(name).stat().st_size for name in ("web", "worker")]
    stack.start_beat()
    secrets = [activate(browser)]
    secrets += [cookie.value or "" for cookie in browser.cookies]
    secrets += [change_recovery_address(browser)]
    secrets += [cookie.value or "" for cookie in browser.cookies]
    send_hostile_requests(browser)
    stack.send(send_due_messages)
    web, worker, beat = (stack.log(name) for name in ("web", "worker", "beat"))
    wait_until(lambda: "forged" in web.read_text() and "malicious_csrf" in web.read_text(), web, seconds=10)
    wait_until(lambda: "link_requested" in worker.read_text(), worker, seconds=10)
    wait_until(lambda: "Scheduler" in beat.read_text(), beat, seconds=20)
    assert Account.objects.get(pk=person.pk).recovery_address == NEW_ADDRESS

    lines = [
        line for log, since in zip((web, worker, beat), (*before, 0), strict=True) for line in lines_of(log, since)
    ]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line
        assert {"level", "logger", "event", "request_id"} <= set(line), line
    events = [line["event"] for line in lines]
    assert events.count("user_activated") == events.count("recovery_address_changed") == 1
    assert events.count("authn_login_fail") == events.count("authn_login_success") == 1
    assert {"log", "http_request", "link_requested", "malicious_csrf"} <= set(events)
    assert "forged" not in events
    of_the_person = [line for line in lines if line["event"] == "user_activated"]
    assert [(line["account"], line["actor"]) for line in of_the_person] == [(person.pk, person.pk)]

    parts = [part for secret in secrets for part in re.findall(r"[\w-]{24,}", secret)]
    assert len(parts) >= 4
    canaries = [
        *parts,
        A_GOOD_PASSWORD,
        WRONG_PASSWORD,
        SEARCHED,
        "canarizo",
        "z\\u00e9nobie",
        "zenobie",
        "exemple.net",
    ]
    canaries += [CANARY["ine"], CANARY["phone"], "1977-07-09", "09/07/1977", NEW_ADDRESS]
    for log in (web, worker, beat):
        text = log.read_text().lower()
        assert [canary for canary in canaries if canary.lower() in text] == [], log.name
