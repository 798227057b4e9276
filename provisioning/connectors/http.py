"""HTTP to a linked service: one connection a batch, no redirect, and a few seconds in all for each request."""

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from provisioning.connector import TargetDown

#: Seconds, to connect and for the whole answer.
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 3.0, 5.0
MOST_BYTES = 10_000_000
CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"HTTP {self.status}"


class HttpClient:
    """Every method raises TargetDown when the service cannot be reached or does not answer in time."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.mount("https://", _HangingUp())
        self._session.mount("http://", _HangingUp())

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: str | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Answer:
        try:
            with self._session.request(
                method,
                url,
                params=query,
                data=None if body is None else body.encode(),
                headers=dict(headers),
                timeout=(CONNECT_TIMEOUT, ANSWER_TIMEOUT),
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(response.status_code, _read(response.raw))
        # The message may quote the URL, which may hold a key.
        except (requests.RequestException, HTTPError, OSError) as error:
            raise TargetDown(type(error).__name__) from error


def _read(raw: HTTPResponse) -> bytes:
    """The timeout of the socket alone would accept an endless slow answer."""
    received, deadline = bytearray(), time.monotonic() + ANSWER_TIMEOUT
    while chunk := raw.read1(CHUNK_BYTES, decode_content=True):
        received += chunk
        if len(received) > MOST_BYTES or time.monotonic() > deadline:
            raise TimeoutError
    return bytes(received)


class _Deadline(HTTPConnection):
    """Hangs up on a service that sends its first lines a byte at a time."""

    # As in urllib3, whose response is not http.client's.
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        is_late = threading.Event()
        timer = threading.Timer(ANSWER_TIMEOUT, self._hang_up, (is_late,))
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        finally:
            timer.cancel()
        # What had come until then may look like an answer.
        if is_late.is_set():
            response.close()
            raise TimeoutError
        return response

    def _hang_up(self, is_late: threading.Event) -> None:
        is_late.set()
        with suppress(OSError):
            # Not the method of SSLSocket, which another thread is reading.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _TlsDeadline(_Deadline, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Deadline


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsDeadline


class _HangingUp(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
