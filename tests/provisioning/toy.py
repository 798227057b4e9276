"""A university's own connector: it keeps what it was given, and answers as it is told."""

from provisioning.connector import Applied, Connector, Outcome, Seen, Wanted
from provisioning.facts import Facts


class ToyConnector(Connector):
    target = "toy"
    written: list[tuple[str, str]] = []
    #: Of the next writes; Applied afterwards.
    outcomes: list[Outcome | Exception] = []

    def content(self, facts: Facts) -> dict[str, str]:
        return {"uid": facts.account.uid, "state": facts.state}

    def write(self, wanted: Wanted, seen: Seen | None) -> Outcome:
        self.written.append((wanted.uid, wanted.facts.state))
        outcome = self.outcomes.pop(0) if self.outcomes else Applied()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
