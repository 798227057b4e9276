"""Linked services that keep the requests they get and answer as they are told, and a worker's turn at them."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self

from django.test import RequestFactory
from django.utils import timezone
from scim2_models import ScimProvider
from scim2_server import utils
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from trustme import LeafCert

from provisioning.apply import write_due
from provisioning.models import Replica, Target
from provisioning.targets import connectors

TOKEN = "a-token-of-the-portal"


def write() -> None:
    """A turn at the linked service, without the pause between two tries."""
    [connector] = connectors().values()
    Target.objects.update(paused_until=None)
    Replica.objects.waiting().update(due_at=timezone.now() - timedelta(seconds=1))
    write_due(target_name=connector.target, connector=connector)


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Receiver"

    def answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0))).decode()
        request = Received(self.command, self.path, headers, body)
        self.server.requests.append(request)
        if self.server.dribble is not None:
            self.wfile.write(self.server.dribble)
            for _byte in range(20):
                if not self.server.is_over.wait(0.2):
                    self.wfile.write(self.server.dribble and b"x")
            return
        told = self.server.told.get(self.command)
        status, text = (told.pop(0), self.server.told_body) if told else self.server.answer(request)
        self.send_response(status)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


class Receiver(ThreadingHTTPServer):
    path = "/hook"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}{self.path}"
        self.requests: list[Received] = []
        #: Method → statuses of the next answers, with `told_body`; those of `answer` afterwards.
        self.told: dict[str, list[int]] = {}
        self.told_body = ""
        #: The beginning of each answer, which then goes on a byte at a time for 4 seconds; after b"", silence.
        self.dribble: bytes | None = None
        self.is_over = Event()

    def answer(self, request: Received) -> tuple[int, str]:
        return 204, ""

    def use_tls(self, certificate: LeafCert) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def handle_error(self, *args: object) -> None:
        """The portal has hung up."""

    @contextmanager
    def running(self) -> Iterator[Self]:
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield self
        finally:
            self.is_over.set()
            self.shutdown()
            self.server_close()


class ScimServer(Receiver):
    path = "/v2"

    def __init__(self) -> None:
        super().__init__()
        config = utils.load_default_service_provider_config()
        config.authentication_schemes = [BEARER_TOKEN_SCHEME]
        schemas, types = utils.load_default_schemas().values(), utils.load_default_resource_types().values()
        provider = ScimProvider.from_discovery(schemas, types, config=config)
        self.storage = InMemoryStorage()
        self._application = BearerTokenApplication(self.storage, provider, bearer_tokens=[TOKEN])

    def answer(self, request: Received) -> tuple[int, str]:
        content_type, headers = request.headers.get("content-type", ""), request.headers
        asked = RequestFactory().generic(request.method, request.path, request.body, content_type, headers=headers)
        answers: list[str] = []
        parts = self._application(asked.environ, lambda status, headers: answers.append(status))
        return int(answers[0].split()[0]), b"".join(parts).decode()

    def users(self) -> list[dict[str, Any]]:
        return [user.model_dump() for user in self.storage.resources]

    def user(self) -> dict[str, Any]:
        """The only one, without what the server adds."""
        [user] = self.users()
        return {name: value for name, value in user.items() if name not in ("id", "meta", "schemas")}

    def methods(self) -> list[str]:
        """Of what has changed users."""
        return [request.method for request in self.requests if request.method != "GET"]
