"""Lists and search of requests for assistance."""

import re

from django.db.models import Q, TextChoices

from accounts.models import Account
from agents.accounts.search import accounts_matching
from assistance.enums import IN_HAND, Profile, RequestState
from assistance.models import AssistanceRequest, AssistanceRequestQuerySet
from assistance.references import ALPHABET, LENGTH

REFERENCE = re.compile(rf"(?:A-?)?([{ALPHABET}]{{{LENGTH}}})")
BLANK = re.compile(r"\s+")


class RequestList(TextChoices):
    """The lists that an agent may choose."""

    TO_DO = "", "À traiter"
    MINE = "mine", "Mes demandes"
    NEW = RequestState.NEW.value, "Nouvelles"
    TAKEN = RequestState.TAKEN.value, "Prises en charge"
    CALL_TRIED = RequestState.CALL_TRIED.value, "Appels tentés"
    SOLVED = RequestState.SOLVED.value, "Résolues"
    REFUSED = RequestState.REFUSED.value, "Classée sans suite"
    DUPLICATE = RequestState.DUPLICATE.value, "Doublons"
    ALL = "all", "Toutes"

    @classmethod
    def named(cls, name: str) -> "RequestList":
        """The list of that value; the open requests when there is none."""
        return cls(name) if name in cls.values else cls.TO_DO

    def requests(self, agent: Account) -> AssistanceRequestQuerySet:
        """The requests of the list: open ones oldest first, others newest first."""
        match self:
            case RequestList.TO_DO:
                found = AssistanceRequest.objects.open().oldest_first()
            case RequestList.MINE:
                found = AssistanceRequest.objects.filter(taken_by=agent, state__in=IN_HAND).oldest_first()
            case RequestList.NEW | RequestList.TAKEN | RequestList.CALL_TRIED:
                found = AssistanceRequest.objects.filter(state=self.value).oldest_first()
            case RequestList.ALL:
                found = AssistanceRequest.objects.newest_first()
            case _:
                found = AssistanceRequest.objects.filter(state=self.value).newest_first()
        return found


def search_requests(*, agent: Account, query: str, among: RequestList, profile: str) -> AssistanceRequestQuerySet:
    """The requests of a list, narrowed by profile and by a query: a reference, a name, or an identifier.

    The page and the export read this, and the count of the queue is that of its open requests: one line a request.
    """
    requests = among.requests(agent).select_related("account", "taken_by")
    if profile in Profile.values:
        requests = requests.filter(profile=profile)
    return (requests.filter(_matches(query)) if query else requests).with_others()


def requests_of_same_person(request: AssistanceRequest) -> AssistanceRequestQuerySet:
    """The request and those of the same account or mailbox, newest first."""
    requests = AssistanceRequest.objects.of_same_person(request).select_related("account", "taken_by")
    return requests.with_others().newest_first()


def _matches(query: str) -> Q:
    found = REFERENCE.fullmatch(BLANK.sub("", query).upper())
    reference = Q(reference=f"A-{found[1]}") if found else Q()
    address = Q(typed_address__startswith=BLANK.sub(".", query.lower()))
    return reference | address | Q(account__in=accounts_matching(query))
