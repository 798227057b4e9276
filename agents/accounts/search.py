"""Finding an account among 100,000: by the beginnings of its names, however accented, and of its identifiers."""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet, TextChoices, Value

from accounts.models import Account, AccountQuerySet, Lock
from agents.dashboard import links_ending_today, mails_that_came_back, not_activated_for_long

#: More words make no search finer.
MOST_WORDS = 6
LONGEST_FOLDED = 100
ON_A_PAGE = 25
#: Who looks further has to say more.
LAST_PAGE = 40


class SearchedWords(Func):
    """What an account is found by, spelt by PostgreSQL as the index has it (migration 0006)."""

    function = "agents_account_words"

    def __init__(self) -> None:
        super().__init__(*map(F, ("given_name", "family_name", "uid", "institutional_address", "hr_id")))


class HasBeginnings(Func):
    """Whether some of the searched words begin with each of these, which are small letters and digits."""

    template = "%(expressions)s::tsquery"
    arg_joiner = " @@ "
    output_field = BooleanField()

    def __init__(self, words: list[str]) -> None:
        super().__init__(SearchedWords(), Value(" & ".join(f"{word}:*" for word in words)))


class AmongKeys(Func):
    """Whether the key of an account is one of these, which are found first (a join would read everybody)."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = BooleanField()

    def __init__(self, keys: QuerySet[Any, Any]) -> None:
        super().__init__(F("pk"), ArraySubquery(keys))


class AccountList(TextChoices):
    """What an agent may look through, instead of all."""

    ALL = "", "Tous"
    PENDING = "pending", "À activer"
    NEVER_ACTIVATED = "never-activated", "À activer depuis longtemps"
    LINK_ENDS_TODAY = "link-ends-today", "Lien qui se termine aujourd’hui"
    MAIL_CAME_BACK = "mail-came-back", "E-mail revenu ces 7\N{NO-BREAK SPACE}derniers jours"
    ACTIVE = "active", "Actifs"
    LOCKED = "locked", "Bloqués"
    CLOSED = "closed", "Fermés"

    @classmethod
    def named(cls, name: str) -> "AccountList":
        """The list of that name; everybody when there is none."""
        return cls(name) if name in cls.values else cls.ALL

    def accounts(self) -> AccountQuerySet:
        """Who is on it."""
        people: AccountQuerySet = Account.objects.all()
        match self:
            case AccountList.PENDING:
                people = Account.objects.pending()
            case AccountList.NEVER_ACTIVATED:
                people = not_activated_for_long()
            case AccountList.LINK_ENDS_TODAY:
                people = people.filter(pk__in=links_ending_today().values("person"))
            case AccountList.MAIL_CAME_BACK:
                people = people.filter(pk__in=mails_that_came_back().values("person"))
            case AccountList.ACTIVE:
                people = Account.objects.active()
            case AccountList.LOCKED:
                people = people.filter(AmongKeys(Lock.objects.open().values("account")))
            case AccountList.CLOSED:
                people = Account.objects.closed()
        return people


def accounts_found(*, query: str, among: AccountList = AccountList.ALL) -> AccountQuerySet:
    """The accounts of a list with every word of `query`, or all of them without a word, each knowing its own state
    without a query; by name, or the newest first when there is no word.

    Of more than can be looked through, any: sorting all the people called « Martin » would take a second.
    """
    words, accounts = _words_of(query), among.accounts()
    if not words:
        return accounts.with_lock().order_by("-pk")
    some = _with_each(words, accounts).order_by().values("pk")[: LAST_PAGE * ON_A_PAGE]
    people: AccountQuerySet = Account.objects.with_lock().filter(AmongKeys(some))
    return people.order_by("family_name", "given_name", "pk")


def every_account_found(*, query: str, among: AccountList = AccountList.ALL) -> AccountQuerySet:
    """The same, however many they are, the newest first."""
    return _with_each(_words_of(query), among.accounts()).with_lock().order_by("-pk")


def accounts_matching(query: str) -> AccountQuerySet:
    """All the accounts with every word of `query`, in no order, to look for what is theirs; none without a word."""
    words = _words_of(query)
    return _with_each(words, Account.objects.all()) if words else Account.objects.none()


def _with_each(words: list[str], accounts: AccountQuerySet) -> AccountQuerySet:
    return accounts.filter(HasBeginnings(words)) if words else accounts


def _words_of(query: str) -> list[str]:
    """The words to look for, each once; of an address what stands before the @ sign."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT left(directory_folded(%s), %s)", [query.partition("@")[0], LONGEST_FOLDED])
        folded: str = cursor.fetchone()[0]
    return list(dict.fromkeys(folded.split()))[:MOST_WORDS]
