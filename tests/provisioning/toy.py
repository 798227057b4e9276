"""A university's own connector: it keeps what it was given."""

from provisioning.connector import Applied, Connector, Outcome, Seen, Wanted
from provisioning.facts import Facts


class ToyConnector(Connector):
    target = "toy"
    written: list[tuple[str, str]] = []

    def content(self, facts: Facts) -> dict[str, str]:
        return {"uid": facts.account.uid, "state": facts.state}

    def write(self, wanted: Wanted, seen: Seen | None) -> Outcome:
        self.written.append((wanted.uid, wanted.facts.state))
        return Applied()
