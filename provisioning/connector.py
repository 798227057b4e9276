"""What a connector does. A university’s own is a subclass that PROVISIONING_CONNECTOR names (docs/provisioning.md)."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

from provisioning.facts import Facts
from provisioning.models import Replica


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account as the target should have it. `content` is the connector's own; JSON."""

    facts: Facts
    replica: Replica
    content: dict[str, Any]

    @property
    def uid(self) -> str:
        return self.facts.account.uid

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the target has of an account. `content` is the connector's own."""

    uid: str
    content: Any


@dataclass(frozen=True, slots=True)
class Applied:
    """The target has what is wanted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The target will say the same until facts or mapping change."""

    answer: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """An agent has to decide."""

    answer: str


@dataclass(frozen=True, slots=True)
class Later:
    """Try this account again, after a pause that grows."""

    answer: str


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """The target has changed since it was read."""


Outcome = Applied | Refused | Conflict | Later | ReadAgain


class TargetDown(Exception):
    """No account can be written now. The message is shown to agents."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of `provision --probe`. Without `is_right`, a warning."""

    is_right: bool | None
    text: str


class Connector(ABC):
    """Opened for one batch, as a context manager. Each method may raise TargetDown."""

    target: ClassVar[str]
    #: Accounts that are read, then written, at once. A target that reads slowly takes few: the lease has to last.
    batch: ClassVar[int] = 50

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    @classmethod
    def is_readable(cls) -> bool:
        return cls.read is not Connector.read

    @abstractmethod
    def content(self, facts: Facts) -> dict[str, Any]:
        """What the target should have of these facts; an account is written when its digest changes."""

    def read(self, uids: Sequence[str]) -> dict[str, Seen]:
        """What the target has, by uid. Empty for a target that cannot be read."""
        return {}

    @abstractmethod
    def write(self, wanted: Wanted, seen: Seen | None) -> Outcome:
        """Must be repeatable: a worker may be killed before it notes the answer."""

    def walk(self) -> Iterator[list[Seen]]:
        """All that the target has, in pages. Nothing for a target that cannot be read."""
        return iter(())

    def differences(self, wanted: Wanted, seen: Seen | None) -> list[str]:
        """Names of what differs, never values."""
        return []

    def is_own(self, seen: Seen) -> bool:
        """Whether the portal made it."""
        return False

    def probe(self) -> Iterator[Finding]:
        """Look whether all that the connector needs is there, and change nothing."""
        return iter(())
