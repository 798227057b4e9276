"""Finding an account among 100,000: by the beginnings of its names, however accented, and of its identifiers."""

from django.db import connection
from django.db.models import F, Func, QuerySet, TextField

from accounts.enums import State
from accounts.models import Account

#: More words make no search finer.
MOST_WORDS = 6
LONGEST_FOLDED = 100
ON_A_PAGE = 25
#: Who looks further has to say more.
LAST_PAGE = 40


class SearchedWords(Func):
    """What an account is found by, spelt by PostgreSQL as the index has it (migration 0002)."""

    function = "assistance_searched_words"
    output_field = TextField()

    def __init__(self) -> None:
        super().__init__(*map(F, ("given_name", "family_name", "uid", "institutional_address", "hr_id")))


def accounts_found(*, query: str, state: str = "") -> "QuerySet[Account]":
    """The accounts with every word of `query` (all of them without a word) in that state (all without one), each
    knowing its own state without a query; by name, or the newest first when nothing narrows the list down."""
    words = _words_of(query)
    accounts = _in_state(state)
    for word in words:
        accounts = accounts.alias(searched=SearchedWords()).filter(searched__contains=f" {word}")
    order = ("family_name", "given_name", "pk") if words else ("-pk",)
    found: QuerySet[Account] = accounts.with_lock().order_by(*order)
    return found


def _in_state(state: str):  # type: ignore[no-untyped-def]
    of_state = {
        State.PENDING: Account.objects.pending,
        State.ACTIVE: Account.objects.active,
        State.LOCKED: Account.objects.locked,
        State.CLOSED: Account.objects.closed,
    }
    return of_state.get(state, Account.objects.all)()  # type: ignore[call-overload]


def _words_of(query: str) -> list[str]:
    """The words to look for, each once; of an address what stands before the @ sign."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT left(directory_folded(%s), %s)", [query.partition("@")[0], LONGEST_FOLDED])
        folded: str = cursor.fetchone()[0]
    return list(dict.fromkeys(folded.split()))[:MOST_WORDS]
