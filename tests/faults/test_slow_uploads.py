"""Large forms that are sent slowly, through the proxy as it is deployed."""

import json
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests
from django.test import Client

from agents.roles import Role
from devtools.processes import LOOPBACK, free_port, start, stop, wait_until
from hr_feed.models import HrImport
from tests.agents.signed_in import an_agent, verified_agent
from tests.factories import active_account
from tests.hr_feed.hr_files import row, text_of
from tests.project import PROJECT
from tests.signing_in import browser_of
from tests.stack import NEEDS_STACK, Stack

pytestmark = NEEDS_STACK

#: What the proxy looks for; the portal of the tests, without https, looks for another name.
COOKIE = f"__Host-sessionid={'a' * 32}"
UPLOAD = "POST /admin/import/ HTTP/1.1\r\nHost: {}\r\nCookie: csrftoken={}; {}\r\nContent-Length: 60000000\r\n"
UPLOAD += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
UPLOAD += '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
#: More than the threads of the portal.
SENDERS = 12


@pytest.fixture
def address(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """Host and port of a Caddy that reads the file of the deployment."""
    host = f"{LOOPBACK}:{free_port()}"
    file = (PROJECT / "deploy/Caddyfile").read_text()
    portal, health = f"to {stack.url.removeprefix('http://')}", f":{free_port()}"
    here = {r"dynamic a \{.*?\}": portal, "tls .*?}": "", ":8081": health, "{\n": "{\nadmin off\n"}
    for pattern, instead in here.items():
        file = re.sub(pattern, instead, file, count=1, flags=re.DOTALL)
    (tmp_path / "Caddyfile").write_text(file)
    command = (Path(sys.executable).parent / "caddy", "run", "--config", tmp_path / "Caddyfile")
    environment = {"PORTAL_HOST": f"http://{host}", "LOAD_BALANCERS": "", "HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = start(command, env=environment, stdout=log, stderr=log)
    wait_until(lambda: answers(host), tmp_path / "log")
    yield host
    stop(process, patience=5)


def answers(host: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"http://{host}/aide/", timeout=3).status_code == 200
    return False


def statuses(stack: Stack) -> list[int]:
    lines = map(json.loads, stack.log("web").read_text().splitlines())
    return [line["status"] for line in lines if line.get("path") == "/admin/import/"]


def key_of(browser: Client) -> str:
    return f"{COOKIE}; sessionid={browser.cookies['sessionid'].value}"


def test_only_a_verified_agent_can_send_a_large_file_and_slow_senders_keep_no_thread(stack, address):
    """INP-07, AVL-08: without a session, with an invented one, as an account, as an agent before the second factor."""
    _agent, verified = verified_agent(Role.RESPONSABLES)
    account, unverified = (key_of(browser_of(one)) for one in (active_account(), an_agent(Role.RESPONSABLES)))
    for cookie, answer in [("", []), (COOKIE, [302]), (account, [403]), (unverified, [302])]:
        expected = statuses(stack)
        with ExitStack() as everything:
            for _ in range(SENDERS):
                line = everything.enter_context(socket.create_connection(address.split(":"), 5))
                line.sendall(UPLOAD.format(address, "a" * 32, cookie).encode() + b"x" * 100_000)
                expected += answer
                wait_until(lambda: len(statuses(stack)) == len(expected), stack.log("web"), seconds=10)
            assert answers(address), f"{cookie} stalls the portal"
        assert statuses(stack) == expected
    page, cookies = f"http://{address}/admin/import/", {"Cookie": f"{key_of(verified)}; csrftoken={'a' * 32}"}
    assert requests.post(page, "x" * 70_000).status_code == 413, "the portal does not hear of it"
    large = {"file": ("a.csv", text_of(row()) + "\n" * 100_000)}
    sent = requests.post(page, {"csrfmiddlewaretoken": "a" * 32}, files=large, headers=cookies, allow_redirects=False)
    assert (sent.status_code, HrImport.objects.count()) == (302, 1)
