"""A SCIM server, of scim2-server, with users in memory."""

from typing import Any

from django.test import RequestFactory
from scim2_models import ScimProvider
from scim2_server import utils
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication

from tests.provisioning.receiver import Received, Receiver

TOKEN = "a-token-of-the-portal"


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
