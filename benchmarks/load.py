"""A load generator in a process of its own, which imports nothing of the portal.

`python -m benchmarks.load` reads what to do as JSON and prints what it saw. Connections are kept where the server keeps
them, cookies as browsers do.
"""

import json
import selectors
import socket
import sys
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

SECONDS_TO_ANSWER = 30.0
END_OF_HEAD = b"\r\n\r\n"


class Answer:
    """The part of one response that has arrived."""

    def __init__(self) -> None:
        self.received = b""
        self.ended = False

    @property
    def head(self) -> list[str]:
        return self.received.partition(END_OF_HEAD)[0].decode("latin-1").split("\r\n")

    @property
    def headers(self) -> list[tuple[str, str]]:
        pairs = (line.partition(":") for line in self.head[1:])
        return [(name.strip().lower(), value.strip()) for name, _colon, value in pairs]

    @property
    def status(self) -> int:
        return int(self.head[0].split()[1]) if self.received else 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it is here; without a length the end of the connection says so."""
        if self.ended:
            return True
        _head, end, body = self.received.partition(END_OF_HEAD)
        length = next((value for name, value in self.headers if name == "content-length"), None) if end else None
        return length is not None and len(body) >= int(length)

    @property
    def keeps_connection(self) -> bool:
        return not self.ended and ("connection", "close") not in self.headers


class Browser:
    """One connection that makes its visits one after the other, each with its own cookies."""

    def __init__(self, plan: dict[str, Any], visits: Iterator[dict[str, Any]], seen: dict[str, Any]) -> None:
        self.plan, self.visits, self.seen = plan, visits, seen
        self.socket: socket.socket | None = None
        self.requests: Iterator[dict[str, Any]] = iter(())

    def send_next_request(self) -> bool:
        """Send the next request; False when there is none left."""
        while (request := next(self.requests, None)) is None:
            visit = next(self.visits, None)
            if visit is None:
                return False
            self.requests, self.cookies, self.address = (
                iter(visit["requests"]),
                dict(visit["cookies"]),
                visit["address"],
            )
        self.request, self.answer, self.began = request, Answer(), perf_counter()
        self.connect()
        self.socket.sendall(self.encode_request())
        return True

    def connect(self) -> None:
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.plan["port"]), SECONDS_TO_ANSWER)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def encode_request(self) -> bytes:
        """The request as a proxy that has ended TLS passes it on."""
        fields = self.request["fields"]
        host = self.plan["host"]
        head = {
            "Host": host,
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Accept-Language": "fr",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": self.address,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        body = b""
        if fields is not None:
            token = next((value for name, value in self.cookies.items() if name.endswith("csrftoken")), "")
            body = urlencode({**fields, "csrfmiddlewaretoken": token}, doseq=True).encode()
            head |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Content-Length": str(len(body)),
                "Origin": f"https://{host}",
            }
        method = "GET" if fields is None else "POST"
        lines = [f"{method} {self.request['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join(lines).encode() + END_OF_HEAD + body

    def receive(self) -> bool:
        """Take what has come; whether the answer is whole."""
        try:
            piece = self.socket.recv(262_144)
        except OSError:
            piece = b""
        self.answer.received += piece
        self.answer.ended = not piece
        return self.answer.is_whole

    def record(self) -> None:
        """Record the time and the status, keep the cookies, close a connection that the server does not keep."""
        self.seen["milliseconds"].append((perf_counter() - self.began) * 1000)
        if self.answer.status != self.request["expected"]:
            self.seen["failures"].append(
                f"{self.request['path']}: {self.answer.status}, not {self.request['expected']}"
            )
        for name, value in self.answer.headers:
            if name == "set-cookie":
                self.keep_cookie(value)
        if not self.answer.keeps_connection:
            self.close()

    def keep_cookie(self, text: str) -> None:
        name, _equals, value = text.partition(";")[0].partition("=")
        if value in ("", '""'):
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def run_load(plan: dict[str, Any]) -> dict[str, Any]:
    """Make every visit of the plan, as many at once as it has connections."""
    seen: dict[str, Any] = {"milliseconds": [], "failures": []}
    visits = iter(plan["visits"])
    began = perf_counter()
    with selectors.DefaultSelector() as waiting:
        for browser in [Browser(plan, visits, seen) for _ in range(plan["connections"])]:
            send_next(waiting, browser)
        while waiting.get_map():
            for browser in answered(waiting):
                send_next(waiting, browser)
    return {**seen, "seconds": perf_counter() - began}


def send_next(waiting: selectors.BaseSelector, browser: Browser) -> None:
    if browser.send_next_request():
        waiting.register(browser.socket, selectors.EVENT_READ, browser)


def answered(waiting: selectors.BaseSelector) -> Iterable[Browser]:
    """The browsers whose answer has become whole. Raises TimeoutError when nothing comes any more."""
    ready = waiting.select(SECONDS_TO_ANSWER)
    if not ready:
        raise TimeoutError(f"no answer within {SECONDS_TO_ANSWER} s")
    for key, _events in ready:
        connection, browser = key.fileobj, key.data
        if browser.receive():
            waiting.unregister(connection)
            browser.record()
            yield browser


if __name__ == "__main__":
    json.dump(run_load(json.load(sys.stdin)), sys.stdout)
