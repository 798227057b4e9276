"""Where the secret of a link is not, with the processes as they run."""

import re
import urllib.error
import urllib.request
from contextlib import suppress

import redis

from activation.enums import LinkRequestKind
from activation.services import request_link
from activation.tasks import answer_link_request
from tests.factories import pending_account
from tests.mail_delivery import text_of
from tests.stack import NEEDS_STACK, Stack, wait_until

pytestmark = NEEDS_STACK


def opened(address: str) -> None:
    with suppress(urllib.error.HTTPError), urllib.request.urlopen(address, timeout=20) as response:
        response.read()


def test_no_log_and_no_key_holds_the_secret_of_a_link(stack: Stack):
    """TOK-01, TOK-09: mailed, opened, opened where it does not belong, and refused as one try too many."""
    person = pending_account()
    stack.send(answer_link_request, request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION).pk)
    [mail] = stack.catcher.wait_for(1, timeout=30)
    found = re.search(rf"^{re.escape(stack.url)}/activation/([\w-]{{97}})/\s*$", text_of(mail), re.MULTILINE)
    assert found
    secret = found[1]
    opened(f"{stack.url}/activation/{secret}/")
    for _ in range(31):
        opened(f"{stack.url}/redirection/{secret}/")
    opened(f"{stack.url}/redirection/{secret}/?again={secret}")
    web, worker = stack.log("web"), stack.log("worker")
    wait_until(lambda: web.read_text().count('"status": 429') >= 2, web, seconds=10)
    assert '"path": "/activation/' in web.read_text()
    for log in (web, worker):
        lines = log.read_text().splitlines()
        assert not any(secret[:54] in line or secret[54:] in line for line in lines)
    with redis.Redis.from_url(stack.redis.url, decode_responses=True) as server:
        kept = {key: value_of(server, key) for key in server.scan_iter()}
    assert kept
    assert {key for key, text in kept.items() if secret in f"{key} {text}"} == set()


def value_of(server: redis.Redis, key: str) -> str:
    ways = {"string": server.get, "hash": server.hgetall, "set": server.smembers}
    ranges = {"list": server.lrange, "zset": server.zrange}
    kind = server.type(key)
    return str(ways[kind](key) if kind in ways else ranges[kind](key, 0, -1))
