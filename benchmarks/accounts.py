"""Accounts to measure with, and the cookies of their browsers."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import count

from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.links import activation_link
from activation.models import Charter
from activation.services import accept_charter, complete_activation
from activation.wizard.session import SESSION_ITEM, WizardSession
from benchmarks.serving import session_with, signed_in
from directory.services import record_directory_consent
from mailrouting.services import choose_redirection, decline_redirection

A_GOOD_PASSWORD = "cheval-agrafe-pile-correct"
numbers = count(1)

Answer = Callable[[Account], object]


def newcomers(number: int) -> list[Account]:
    """Pending accounts."""
    return Account.objects.bulk_create(newcomer(next(numbers)) for _ in range(number))


def newcomer(number: int) -> Account:
    return Account(
        hr_id=f"bench-{number}",
        uid=f"bench{number}",
        institutional_address=f"camille.bench{number}@univ-exemple.fr",
        given_name="Camille",
        family_name="Bench",
        category="staff",
        recovery_address=f"camille.bench{number}@exemple.net",
        password="!",
    )


def charter(account: Account) -> None:
    accept_charter(account=account, charter=Charter.objects.in_force())


def directory(account: Account) -> None:
    record_directory_consent(account=account, listed=False, wording="Voulez-vous apparaître dans l’annuaire public ?")


def mailbox(account: Account) -> None:
    decline_redirection(account=account)


def forwarding(account: Account) -> None:
    choose_redirection(account=account, target="ailleurs@exemple.org", keep_copy=True)


def activation(account: Account) -> None:
    complete_activation(account=account, password=A_GOOD_PASSWORD)


def account_with(*answers: Answer) -> Account:
    [account] = newcomers(1)
    for answer in answers:
        answer(account)
    return Account.objects.get(pk=account.pk)


def link_to(account: Account) -> str:
    """The path of the link in the activation mail."""
    return reverse("activation-link", args=[token_of(account)])


def token_of(account: Account) -> str:
    return activation_link.token(account, activation_link.deadline(timezone.now()))


def wizard_cookie(account: Account, *, begun: bool = True) -> dict[str, str]:
    """The session cookie after the link was opened and, if `begun`, the activation started."""
    opened = activation_link.open(token_of(account))
    now = int(timezone.now().timestamp())
    visit = WizardSession(account.pk, opened.fingerprint, int(opened.deadline.timestamp()), now, now, begun)
    return session_with(**{SESSION_ITEM: asdict(visit)})


def wizard_pages() -> dict[str, tuple[str, dict[str, str]]]:
    """Address and cookie of each page of the activation, for an account that has reached it."""
    stands: Sequence[tuple[str, tuple[Answer, ...]]] = (
        ("activation-charter", ()),
        ("activation-directory", (charter,)),
        ("activation-mailbox", (charter, directory)),
        ("activation-verification", (charter, directory, forwarding)),
        ("activation-password", (charter, directory, mailbox)),
    )
    welcome = (reverse("activation"), wizard_cookie(account_with(), begun=False))
    steps = {name: (reverse(name), wizard_cookie(account_with(*answers))) for name, answers in stands}
    return {"activation": welcome, **steps}


def account_page() -> tuple[str, dict[str, str]]:
    """Address and cookie of the account page."""
    account = account_with(charter, directory, mailbox, activation)
    return reverse("account"), signed_in(account)
