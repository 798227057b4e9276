"""A linked service that keeps the requests it gets and answers as it is told, and a worker's turn at it."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Self

from django.utils import timezone
from trustme import LeafCert

from provisioning.apply import write_due
from provisioning.connector import Connector
from provisioning.models import Replica, Target


def write_again(connector: type[Connector]) -> None:
    """Without the pause between two tries."""
    Target.objects.update(paused_until=None)
    Replica.objects.waiting().update(due_at=timezone.now() - timedelta(seconds=1))
    write_due(target_name=connector.target, connector=connector)


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Receiver:
    path = "/hook"

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        #: Method → statuses of the next answers, with `told_body`; those of `answer` afterwards.
        self.told: dict[str, list[int]] = {}
        self.told_body = ""
        #: The beginning of each answer, which then goes on a byte at a time until `is_over`; after b"", silence.
        self.dribble: bytes | None = None
        self.is_over = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}{self.path}"

    def answer(self, request: Received) -> tuple[int, str]:
        return 204, ""

    def use_tls(self, certificate: LeafCert) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0))).decode()
                request = Received(self.command, self.path, headers, body)
                receiver.requests.append(request)
                if receiver.dribble is not None:
                    self.wfile.write(receiver.dribble)
                    while not receiver.is_over.wait(0.2):
                        self.wfile.write(b"x" if receiver.dribble else b"")
                    return
                told = receiver.told.get(self.command)
                status, text = (told.pop(0), receiver.told_body) if told else receiver.answer(request)
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def handle(self) -> None:
                receiver.connections += 1
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    @contextmanager
    def running(self) -> Iterator[Self]:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield self
        finally:
            self.is_over.set()
            self._server.shutdown()
            self._server.server_close()
