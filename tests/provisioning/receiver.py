"""A service that gets webhooks: it keeps the requests and answers as it is told."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from standardwebhooks import Webhook
from trustme import LeafCert

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: str

    @property
    def event(self) -> dict[str, Any]:
        """Raises WebhookVerificationError."""
        Webhook(SECRET).verify(self.body, self.headers)
        return json.loads(self.body)


class Receiver:
    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        #: Statuses of the next answers; 204 afterwards.
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        #: The part of each answer that is sent a byte at a time, until `is_over`.
        self.dribble = b""
        self.is_over = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def use_tls(self, certificate: LeafCert) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def events(self) -> list[dict[str, Any]]:
        return [request.event for request in self.requests]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Received(self.path, headers, body))
                if receiver.dribble:
                    self.wfile.write(receiver.dribble)
                    while not receiver.is_over.wait(0.2):
                        self.wfile.write(b"x")
                    return
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                for name, value in {"content-length": "0", **receiver.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def do_PUT(self) -> None:
                self.do_POST()

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
    def running(self) -> Iterator["Receiver"]:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield self
        finally:
            self.is_over.set()
            self._server.shutdown()
            self._server.server_close()
