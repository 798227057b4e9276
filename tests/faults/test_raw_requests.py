"""Requests that no browser and no library sends, as octets on a line to the portal as it runs (§17 HTTP, INP-02, HDR-05)."""

import socket
from urllib.parse import urlsplit

from tests.stack import NEEDS_STACK, Stack

pytestmark = NEEDS_STACK

FORM = b"POST /connexion/ HTTP/1.1\r\nHost: {host}\r\n"
#: Requests that a proxy and the portal may read differently, or that a log cuts.
REFUSED = {
    "two hosts": b"GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
    "NUL in a cookie": b"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: sessionid=a\0b\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: {host}\r\nAccept-Language: f\0r\r\n\r\n",
    "NUL in the name of a header": b"GET / HTTP/1.1\r\nHost: {host}\r\nX-\0: 1\r\n\r\n",
    "NUL in a path": b"GET /aide\0/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a line break alone in a header": b"GET / HTTP/1.1\r\nHost: {host}\r\nX-A: a\rX-B: b\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: {host}\r\nX-A: a\r\n b\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\nHost: {host}\r\n\r\n",
    "two lengths": FORM + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nx=12",
    "a length below zero": FORM + b"Content-Length: -1\r\n\r\n",
    "a length and pieces": FORM + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown encoding": FORM + b"Transfer-Encoding: xchunked\r\n\r\nx=12",
    "200 headers": b"GET / HTTP/1.1\r\nHost: {host}\r\n" + b"X-A: a\r\n" * 200 + b"\r\n",
    "a line of 20,000 characters": b"GET /?q=" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n",
}


#: Bad request, too long a line, too many headers, an unknown encoding.
CLIENT_ERRORS = {400, 414, 431, 501}


def status_of(stack: Stack, request: bytes) -> int:
    address = urlsplit(stack.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(request.replace(b"{host}", address.netloc.encode()))
        line.shutdown(socket.SHUT_WR)
        return int(line.recv(64).split()[1])


def test_an_ambiguous_request_is_refused(stack: Stack):
    """INP-02, HDR-05, TOK-08: with a status of a client error; the next request is served."""
    statuses = {name: status_of(stack, request) for name, request in REFUSED.items()}
    assert {name: status for name, status in statuses.items() if status not in CLIENT_ERRORS} == {}
    assert status_of(stack, b"GET /sante/vivant HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n") == 200
