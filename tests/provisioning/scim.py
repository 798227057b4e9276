"""A SCIM server, of scim2-server, with users in memory."""

from typing import Any

from scim2_models import ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)
from werkzeug.test import Client

from tests.provisioning.receiver import Received, Receiver

TOKEN = "a-token-of-the-portal"


class ScimServer(Receiver):
    path = "/v2"

    def __init__(self) -> None:
        super().__init__()
        config = load_default_service_provider_config()
        config.authentication_schemes = [BEARER_TOKEN_SCHEME]
        provider = ScimProvider.from_discovery(
            load_default_schemas().values(), load_default_resource_types().values(), config=config
        )
        self.storage = InMemoryStorage()
        self._client = Client(BearerTokenApplication(self.storage, provider, bearer_tokens=[TOKEN]))

    def answer(self, request: Received) -> tuple[int, str]:
        response = self._client.open(
            request.path, method=request.method, headers=request.headers, data=request.body.encode()
        )
        return response.status_code, response.get_data(as_text=True)

    def users(self) -> list[dict[str, Any]]:
        return [user.model_dump() for user in self.storage.resources]

    def user(self) -> dict[str, Any]:
        """The only one, without what the server adds."""
        [user] = self.users()
        return {name: value for name, value in user.items() if name not in ("id", "meta", "schemas")}

    def methods(self) -> list[str]:
        """Of what has changed users."""
        return [request.method for request in self.requests if request.method != "GET"]
