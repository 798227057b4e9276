"""The timeline of an account: journal entries and mails, by topic."""

from django.db.models import F, TextChoices

from accounts.history import SIGN_IN_EVENTS, History, entry_rows, mail_rows
from accounts.models import Account
from journal.events import Event

#: Read access by agents; each is recorded and would hide the changes.
OPENINGS = tuple(event for event in Event if event.value.startswith("sensitive_read_"))


class AgentTopic(TextChoices):
    MAIN = "", "L’essentiel"
    SIGN_INS = "connexions", "Connexions"
    CHANGES = "changements", "Changements"
    MAILS = "e-mails", "E-mails"
    AGENTS = "agents", "Agents"
    ALL = "tout", "Tout"

    @classmethod
    def named(cls, name: str) -> "AgentTopic":
        return cls(name) if name in cls.values else cls.MAIN


def timeline(*, account: Account, topic: AgentTopic) -> History:
    """The latest first."""
    entries, mails = entry_rows(account), mail_rows(account)
    match topic:
        case AgentTopic.MAIN:
            rows = entries.exclude(event__in=OPENINGS).union(mails, all=True)
        case AgentTopic.SIGN_INS:
            rows = entries.filter(event__in=SIGN_IN_EVENTS)
        case AgentTopic.CHANGES:
            rows = entries.exclude(event__in=(*SIGN_IN_EVENTS, *OPENINGS))
        case AgentTopic.MAILS:
            rows = mails
        case AgentTopic.AGENTS:
            rows = entries.filter(actor__isnull=False).exclude(actor=F("account"))
        case AgentTopic.ALL:
            rows = entries.union(mails, all=True)
    return History(rows.order_by("-moment", "-pk"))
