"""« Votre compte informatique », and that no private page shows or changes anything of another account (ADM-01)."""

import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account, RecoveryAddressChange, Session
from activation.models import Charter
from activation.services import accept_charter
from directory.services import record_directory_consent
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to, wish
from tests.factories import active_account, reloaded
from tests.fuzz import N
from tests.fuzz.routes import routes
from tests.pages import active_without_a_charter
from tests.signing_in import browser_of, stolen_cookie_of

pytestmark = pytest.mark.django_db


def account_page(browser: Client) -> str:
    answer = browser.get(reverse("account"))
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()).replace("\N{NO-BREAK SPACE}", " ")


def missing(html: str, *texts: str) -> list[str]:
    return [text for text in texts if text not in html]


class TestThePage:
    def test_shows_what_is_in_force(self, person, browser):
        html = account_page(browser)

        known = (person.full_name, person.login, person.recovery_address, person.mailbox.address, "Vérifiée")
        assert not missing(html, *known, "Vous n’y figurez pas", "Français")
        assert "attend votre clic" not in html

    def test_shows_what_is_pending_beside_what_is_in_force(self, person, browser):
        wish(person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)

        assert not missing(
            account_page(browser),
            "Votre nouvelle adresse de secours attend votre clic",
            "nouvelle@exemple.org",
            person.recovery_address,
            "Changement en attente",
            "Votre redirection n’est pas encore active",
            reverse("redirection-verification-resend"),
        )

    def test_shows_what_was_changed_on_another_device(self, person, browser):
        account_page(browser)
        change_to(person, "seconde@exemple.org")
        change_redirection(account=reloaded(person), target="seconde@exemple.org", keep_copy=False)
        record_directory_consent(account=person, listed=True, wording="?")
        Account.objects.filter(pk=person.pk).update(language="en")

        texts = ("seconde@exemple.org", "Vous y figurez", "Sans copie dans votre boîte universitaire.", "English")
        assert not missing(account_page(browser), *texts)

    def test_warns_of_a_missing_recovery_address(self):
        html = account_page(browser_of(active_account(recovery_address="")))

        assert not missing(html, "Ajoutez une adresse de secours", "Manquante")

    def test_says_nothing_of_a_mailbox_to_an_account_without_one(self):
        mailbox = ("Boîte universitaire", "Redirection", "Messagerie")
        for category in (Category.STUDENT, Category.HOSTED):
            html = account_page(browser_of(active_account(category=category)))
            assert missing(html, *mailbox) == list(mailbox), category

    def test_waits_for_the_charter_of_an_agent_made_on_the_command_line(self):
        """No mailbox, no directory choice, no charter: the charter comes first, then the page works."""
        agent = active_without_a_charter()
        browser = browser_of(agent)

        assert browser.get(reverse("account"))["Location"].startswith(reverse("account-charter"))
        for name in ("account-history", "account-data", "account-language", "account-recovery", "account-sessions"):
            assert browser.get(reverse(name)).status_code == 200
        accept_charter(account=agent, charter=Charter.objects.latest("published_at"))
        assert agent.full_name in account_page(browser_of(agent))

    def test_links_agents_only_to_their_area(self):
        for is_staff in (True, False):
            html = account_page(browser_of(active_account(is_staff=is_staff)))
            assert html.count(f'href="{reverse("admin:index")}"') == is_staff

    def test_shows_the_login_before_this_one(self, person):
        """LOG-04: a login at night is seen in the morning; the first one says since when the account is active."""
        with time_machine.travel(datetime(2026, 11, 23, 2, 12, tzinfo=UTC)):
            first = words(account_page(browser_of(person)))
        with time_machine.travel(datetime(2026, 11, 23, 8, 0, tzinfo=UTC)):
            second = words(account_page(browser_of(person)))

        assert "Actif depuis le" in first
        assert "Connexion précédente" not in first
        assert "Connexion précédente 23 novembre 2026 à 3 h 12" in second

    def test_shows_the_five_latest_events_in_as_many_queries_as_ever(self, person, browser):
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                account_page(browser)
            return len(captured)

        few = queries()
        for number in range(6):
            record_directory_consent(account=person, listed=bool(number % 2), wording="?")
            browser.post(reverse("account-language"), {"language": ("en", "fr")[number % 2]})
        # Reads the message of the last change, which the session then drops.
        table = account_page(browser).partition("<tbody>")[2].partition("</tbody>")[0]

        assert table.count("<tr>") == 5
        assert queries() <= few

    def test_escapes_what_is_stored(self, person, browser):
        """INP-01"""
        wish(person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        for value in (value for value in N.values() if isinstance(value, str) and "<" in value):
            RecoveryAddressChange.objects.update(new_address=value[:254])
            Redirection.objects.update(target=value[:254] or "x")
            Account.objects.filter(pk=person.pk).update(given_name=value[:100], recovery_address=value[:254])

            html = account_page(browser)
            markup = ("<script>alert", "<img src=x", "<svg/onload")
            assert missing(html, *markup) == list(markup), value


def private_pages() -> list[str]:
    """Every private page that takes GET and whose address holds no argument."""
    found = []
    for name, pattern in routes():
        view, is_private = pattern.callback, getattr(pattern.callback, "login_required", True)
        allowed = getattr(getattr(view, "view_class", None), "http_method_names", ["get"])
        if is_private and name != "None" and "get" in allowed and not pattern.pattern.converters:
            # The agents' site has a namespace, and tests of its own.
            with suppress(NoReverseMatch):
                found.append(reverse(name))
    assert len(found) >= 12
    return found


def fill(account: Account) -> list[str]:
    """Give the account one row of everything; the values that only its owner may read."""
    change_to(account, f"seconde{account.pk}@exemple.org")
    wish(account, f"attente{account.pk}@exemple.org")
    change_redirection(account=reloaded(account), target=f"redirige{account.pk}@exemple.org", keep_copy=True)
    browser_of(account)
    addresses = [f"{name}{account.pk}@" for name in ("seconde", "attente", "redirige")]
    return [account.given_name, account.family_name, account.login, account.uid, account.phone, account.ine, *addresses]


def rows_of(account: Account) -> list[object]:
    querysets = (
        Account.objects.filter(pk=account.pk),
        RecoveryAddressChange.objects.filter(account=account),
        Redirection.objects.filter(account=account),
        Message.objects.filter(person=account),
        Session.objects.filter(account=account),
        account.journal.all(),
        account.directory_consents.all(),
    )
    return [list(queryset.order_by("pk").values()) for queryset in querysets]


class TestOwnership:
    """ADM-01: on every private page of the URLconf."""

    @pytest.fixture
    def other(self) -> Account:
        return active_account(
            given_name="Zébulon",
            family_name="Quetzalcoatl",
            institutional_address="zebulon.quetzalcoatl@univ-exemple.fr",
            recovery_address="zebulon@exemple.net",
            phone="+33611223344",
            ine="0123456789A",
        )

    def test_no_page_shows_anything_of_another_account(self, other, browser):
        secrets = fill(other)
        query = f"?account={other.pk}&id={other.pk}&pk={other.pk}&login={other.login}&uid={other.uid}"
        for address in private_pages():
            for tried in ("", query):
                html = browser.get(address + tried, follow=True).content.decode()
                html = html.replace(tried.partition("?")[2].replace("&", "&amp;"), "")
                assert not [secret for secret in secrets if secret in html and secret not in tried], address

    def test_an_address_that_names_a_row_of_another_account_is_not_found(self, other, browser):
        """A session, a charter that was accepted by others only."""
        fill(other)
        session = Session.objects.filter(account=other).latest("signed_in_at")
        Charter.objects.create(
            version="secrète",
            text_fr="x",
            text_en="x",
            key_points_fr="x",
            key_points_en="x",
            published_at=timezone.now(),
        )
        for handle in (session.handle, session.session_key):
            answer = browser.post(reverse("account-session-end", args=[handle]), follow=True)
            assert "Cette session était déjà fermée." in answer.content.decode()
        assert Session.objects.filter(pk=session.pk).exists()
        assert browser.get(reverse("account-charter-version", args=["secrète"])).status_code == 404

    def test_no_form_changes_anything_of_another_account(self, other, person):
        fill(other)
        before = rows_of(other)
        for name, fields in {
            "account-recovery": {"address": "intrus@exemple.org"},
            "account-recovery-resend": {},
            "account-recovery-cancel": {},
            "account-language": {"language": "en"},
            "account-directory": {"listed": "yes", "understood": "on"},
            "account-redirection": {"target": "intrus@exemple.org"},
            "account-redirection-stop": {},
            "redirection-verification-resend": {},
            "account-sessions-end-others": {},
            "account-sessions-end-all": {},
            "account-data-copy": {},
        }.items():
            naming_the_other = {"account": other.pk, "pk": other.pk, "id": other.pk, "login": other.login}
            browser_of(person).post(reverse(name), {**fields, **naming_the_other})

            assert rows_of(other) == before, name

    def test_no_page_opens_without_a_session_in_force(self, other, client):
        """SES-05, HLP-01: neither a visitor nor a session whose account was locked meanwhile."""
        fill(other)
        ended = stolen_cookie_of(other)
        other.locks.create(reason="other")
        for address in private_pages():
            assert client.get(address).status_code == 302, address
            assert ended.get(address).status_code == 302, address
