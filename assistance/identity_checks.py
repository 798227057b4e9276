"""Facts of a request compared with HR data. They help to find the account and prove no identity."""

from dataclasses import dataclass
from datetime import date

from accounts.models import Account
from assistance.enums import Fact, Match, Profile
from assistance.models import AssistanceRequest

#: An INE in capitals, or a date of birth.
FactValue = str | date | None

#: The one fact that a profile is asked for.
FACT_OF = {Profile.STUDENT: Fact.INE, Profile.STAFF: Fact.BIRTH_DATE}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fact of a request, beside what HR knows of the account."""

    fact: Fact
    typed: FactValue
    known: FactValue

    @property
    def match(self) -> Match:
        if not self.typed:
            return Match.NOT_GIVEN
        if not self.known:
            return Match.UNKNOWN
        return Match.MATCH if self.typed == self.known else Match.MISMATCH


def comparison_of(request: AssistanceRequest) -> Comparison:
    fact = FACT_OF[Profile(request.profile)]
    typed = request.ine_typed if fact == Fact.INE else request.birth_date_typed
    return Comparison(fact, typed, known_fact(request.account, fact) if request.account else None)


def known_fact(account: Account, fact: Fact) -> FactValue:
    """What HR knows; empty or None when it does not."""
    return account.ine.upper() if fact == Fact.INE else account.birth_date
