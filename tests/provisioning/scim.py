"""A SCIM server, of scim2-server, with users in memory. It keeps the requests, and fails as it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from scim2_models import ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from scim2_server.testserver.cli import ThreadingWSGIServer
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

TOKEN = "a-token-of-the-portal"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    authorization: str
    body: str


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class ScimServer:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        #: Method → statuses of the next answers.
        self.failures: dict[str, list[int]] = {}
        self.detail = ""
        config = load_default_service_provider_config()
        config.authentication_schemes = [BEARER_TOKEN_SCHEME]
        provider = ScimProvider.from_discovery(
            load_default_schemas().values(), load_default_resource_types().values(), config=config
        )
        self.storage = InMemoryStorage()
        self._application = BearerTokenApplication(self.storage, provider, bearer_tokens=[TOKEN])
        self._server = make_server("127.0.0.1", 0, self, server_class=ThreadingWSGIServer, handler_class=QuietHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v2"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        method = environ["REQUEST_METHOD"]
        self.requests.append(
            Request(method, environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION", ""), body.decode())
        )
        if self.failures.get(method):
            start_response(f"{self.failures[method].pop(0)} Told", [("content-type", "application/scim+json")])
            return [json.dumps({"detail": self.detail}).encode()]
        environ["wsgi.input"] = BytesIO(body)
        return self._application(environ, start_response)

    def users(self) -> list[dict[str, Any]]:
        return [user.model_dump() for user in self.storage.resources]

    def user(self) -> dict[str, Any]:
        """The only one, without what the server adds."""
        [user] = self.users()
        return {name: value for name, value in user.items() if name not in ("id", "meta", "schemas")}

    def methods(self) -> list[str]:
        """Of what has changed users."""
        return [request.method for request in self.requests if request.method != "GET"]

    @contextmanager
    def running(self) -> Iterator["ScimServer"]:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
