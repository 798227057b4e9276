"""Search among 100,000 accounts, by beginnings of names and identifiers, without accents."""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet, TextChoices, Value

from accounts.models import Account, AccountQuerySet, Lock
from agents.dashboard import links_expiring_today, long_pending_accounts, undelivered_mails

MAX_WORDS = 6
MAX_FOLDED_LENGTH = 100
PAGE_SIZE = 25
#: Beyond it the agent has to refine the search.
LAST_PAGE = 40


class SearchedWords(Func):
    """Must be spelt as in the index agents_account_search."""

    function = "agents_account_words"

    def __init__(self) -> None:
        super().__init__(*map(F, ("given_name", "family_name", "uid", "institutional_address", "hr_id")))


class HasBeginnings(Func):
    """`words` hold nothing but small letters and digits."""

    template = "%(expressions)s::tsquery"
    arg_joiner = " @@ "
    output_field = BooleanField()

    def __init__(self, words: list[str]) -> None:
        super().__init__(SearchedWords(), Value(" & ".join(f"{word}:*" for word in words)))


class AmongKeys(Func):
    """Finds the keys first; a join would read the whole table."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = BooleanField()

    def __init__(self, keys: QuerySet[Any, Any]) -> None:
        super().__init__(F("pk"), ArraySubquery(keys))


class AccountList(TextChoices):
    ALL = "", "Tous"
    PENDING = "pending", "À activer"
    NEVER_ACTIVATED = "never-activated", "En attente d’activation depuis longtemps"
    LINK_ENDS_TODAY = "link-ends-today", "Lien qui se termine aujourd’hui"
    MAIL_CAME_BACK = "mail-came-back", "E-mail non distribué ces 7\N{NO-BREAK SPACE}derniers jours"
    ACTIVE = "active", "Actifs"
    LOCKED = "locked", "Bloqués"
    CLOSED = "closed", "Fermés"

    @classmethod
    def named(cls, name: str) -> "AccountList":
        return cls(name) if name in cls.values else cls.ALL

    def accounts(self) -> AccountQuerySet:
        people: AccountQuerySet = Account.objects.all()
        match self:
            case AccountList.PENDING:
                people = Account.objects.pending()
            case AccountList.NEVER_ACTIVATED:
                people = long_pending_accounts()
            case AccountList.LINK_ENDS_TODAY:
                people = people.filter(pk__in=links_expiring_today().values("person"))
            case AccountList.MAIL_CAME_BACK:
                people = people.filter(pk__in=undelivered_mails().values("person"))
            case AccountList.ACTIVE:
                people = Account.objects.active()
            case AccountList.LOCKED:
                people = people.filter(AmongKeys(Lock.objects.open().values("account")))
            case AccountList.CLOSED:
                people = Account.objects.closed()
        return people


def search_accounts(*, query: str, among: AccountList = AccountList.ALL) -> AccountQuerySet:
    """Accounts of a list with every word of `query`, with their locks; by name, or the newest first without a word.

    Sorting all the accounts named Martin would take a second: of more results than can be paged through, any are taken.
    """
    words, accounts = _words_of(query), among.accounts()
    if not words:
        return accounts.with_lock().order_by("-pk")
    some = _with_all_words(words, accounts).order_by().values("pk")[: LAST_PAGE * PAGE_SIZE]
    people: AccountQuerySet = Account.objects.with_lock().filter(AmongKeys(some))
    return people.order_by("family_name", "given_name", "pk")


def search_all_accounts(*, query: str, among: AccountList = AccountList.ALL) -> AccountQuerySet:
    """Unlike `search_accounts`, without a limit and the newest first."""
    return _with_all_words(_words_of(query), among.accounts()).with_lock().order_by("-pk")


def accounts_matching(query: str) -> AccountQuerySet:
    """Unordered; none without a word."""
    words = _words_of(query)
    return _with_all_words(words, Account.objects.all()) if words else Account.objects.none()


def _with_all_words(words: list[str], accounts: AccountQuerySet) -> AccountQuerySet:
    return accounts.filter(HasBeginnings(words)) if words else accounts


def _words_of(query: str) -> list[str]:
    """Of an address, the part before the @ sign."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT left(directory_fold(%s), %s)", [query.partition("@")[0], MAX_FOLDED_LENGTH])
        folded: str = cursor.fetchone()[0]
    return list(dict.fromkeys(folded.split()))[:MAX_WORDS]
