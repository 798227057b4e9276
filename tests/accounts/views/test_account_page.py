"""« Votre compte informatique » as each person finds it, and every private page as nobody else does (ADM-01)."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

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
from journal.events import Event
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.models import Message
from tests.accounts.recovery.recovering import browser_of, change_to, fresh, stolen_cookie_of, wish
from tests.factories import active_account
from tests.fuzz import N
from tests.fuzz.routes import routes
from tests.pages import active_without_a_charter

pytestmark = pytest.mark.django_db


def dashboard(browser: Client) -> str:
    answer = browser.get(reverse("account"))
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


class TestEachState:
    def test_somebody_who_has_changed_nothing(self):
        person = active_account(given_name="Camille", family_name="Durand")
        html = dashboard(browser_of(person))

        for told in ("Camille Durand", person.login, person.recovery_address, person.mailbox.address, "Vérifiée"):
            assert told in html
        assert "attend votre clic" not in html
        assert "Vous n’y figurez pas" in html
        assert "Français" in html

    def test_somebody_without_a_recovery_address_is_warned(self):
        html = dashboard(browser_of(active_account(recovery_address="")))

        assert "Ajoutez une adresse de secours" in html
        assert "Manquante" in html

    def test_a_change_that_waits_is_shown_beside_what_is_in_force(self):
        person = active_account()
        wish(person)
        html = dashboard(browser_of(person))

        assert "Votre nouvelle adresse de secours attend votre clic" in html
        assert "nouvelle@exemple.org" in html
        assert person.recovery_address in html
        assert "Changement en attente" in html

    def test_a_redirection_that_waits_can_be_asked_for_again(self):
        person = active_account()
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        html = dashboard(browser_of(person))

        assert "Votre redirection n’est pas encore active" in html
        assert reverse("redirection-verification-resend") in html

    @pytest.mark.parametrize("category", [Category.STUDENT, Category.HOSTED])
    def test_somebody_without_a_mailbox_reads_nothing_about_one(self, category):
        html = dashboard(browser_of(active_account(category=category)))

        for told in ("Boîte universitaire", "Redirection", "Messagerie"):
            assert told not in html

    def test_an_agent_whom_the_command_line_made(self):
        """No mailbox, no directory choice, no charter yet: the charter comes first, and nothing breaks."""
        browser = browser_of(active_without_a_charter())

        assert browser.get(reverse("account"))["Location"].startswith(reverse("account-charter"))
        for name in ("account-history", "account-data", "account-language", "account-recovery", "account-sessions"):
            assert browser.get(reverse(name)).status_code == 200

    def test_an_agent_with_a_charter_but_no_mailbox(self):
        agent = active_without_a_charter()
        accept_charter(account=agent, charter=Charter.objects.latest("published_at"))

        assert agent.full_name in dashboard(browser_of(agent))

    @pytest.mark.parametrize(("is_staff", "links"), [(True, 1), (False, 0)])
    def test_only_an_agent_is_led_to_the_agents_area(self, is_staff, links):
        html = dashboard(browser_of(active_account(is_staff=is_staff)))

        assert html.count(f'href="{reverse("admin:index")}"') == links

    def test_everything_at_once(self):
        person = active_account(language="en")
        change_to(person, "seconde@exemple.org")
        change_redirection(account=fresh(person), target="seconde@exemple.org", keep_copy=False)
        record_directory_consent(account=person, listed=True, wording="?")
        html = dashboard(browser_of(person))

        assert "Vous y figurez" in html
        assert "Sans copie dans votre boîte universitaire." in html
        assert "English" in html


class TestSignIns:
    def test_the_first_one_says_since_when_the_account_is_active(self):
        person = active_account()
        html = words(dashboard(browser_of(person)))

        assert "Actif depuis le" in html
        assert "Connexion précédente" not in html

    def test_later_the_one_before_this_one_is_shown(self):
        """LOG-04: whoever was there in the night is seen in the morning."""
        person = active_account()
        with time_machine.travel(datetime(2026, 11, 23, 2, 12, tzinfo=UTC)):
            browser_of(person)
        with time_machine.travel(datetime(2026, 11, 23, 8, 0, tzinfo=UTC)):
            html = words(dashboard(browser_of(person))).replace("\N{NO-BREAK SPACE}", " ")

        assert "Connexion précédente 23 novembre 2026 à 3 h 12" in html

    def test_the_five_latest_events(self):
        person = active_account()
        browser = browser_of(person)
        for language in ("en", "fr", "en", "fr", "en", "fr"):
            browser.post(reverse("account-language"), {"language": language})
        table = dashboard(browser).partition("<tbody>")[2].partition("</tbody>")[0]

        assert table.count("<tr>") == 5
        assert table.count("Langue choisie") == 5


class TestNotices:
    @pytest.mark.parametrize("value", [v for v in N.values() if isinstance(v, str) and "<" in v])
    def test_whatever_is_stored_is_shown_as_text(self, value):
        """INP-01"""
        person = active_account()
        wish(person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        RecoveryAddressChange.objects.update(new_address=value[:254])
        Redirection.objects.update(target=value[:254] or "x")
        Account.objects.filter(pk=person.pk).update(given_name=value[:100], recovery_address=value[:254])
        html = dashboard(browser_of(person))

        for markup in ("<script>alert", "<img src=x", "<svg/onload"):
            assert markup not in html

    def test_the_queries_do_not_grow_with_the_years(self):
        person = active_account()
        browser = browser_of(person)

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                dashboard(browser)
            return len(captured)

        few = queries()
        for number in range(5):
            record_directory_consent(account=person, listed=bool(number % 2), wording="?")
            browser.post(reverse("account-language"), {"language": ("en", "fr")[number % 2]})
        # Reads what was said, which the session forgets then.
        dashboard(browser)

        assert queries() <= few


def private_pages() -> list[str]:
    """Every private page that is read, by an address without a secret of its own."""
    found = []
    for name, pattern in routes():
        view, is_private = pattern.callback, getattr(pattern.callback, "login_required", True)
        allowed = getattr(getattr(view, "view_class", None), "http_method_names", ["get"])
        if is_private and name != "None" and "get" in allowed and not pattern.pattern.converters:
            # The agents' site has a namespace, and tests of its own.
            with suppress(NoReverseMatch):
                found.append(reverse(name))
    return found


def full_life(person: Account) -> list[str]:
    """Give somebody a bit of everything; answers what only they may read."""
    change_to(person, f"seconde{person.pk}@exemple.org")
    wish(person, f"attente{person.pk}@exemple.org")
    change_redirection(account=fresh(person), target=f"redirige{person.pk}@exemple.org", keep_copy=True)
    browser_of(person)
    return [
        person.given_name,
        person.family_name,
        person.login,
        person.uid,
        "+33611223344",
        "0123456789A",
        f"seconde{person.pk}@",
        f"attente{person.pk}@",
        f"redirige{person.pk}@",
    ]


class TestNobodyElse:
    """ADM-01: what is one person's is shown to nobody else, on any private page that exists today or tomorrow."""

    @pytest.fixture
    def a(self) -> Account:
        return active_account(
            given_name="Zébulon",
            family_name="Quetzalcoatl",
            institutional_address="zebulon.quetzalcoatl@univ-exemple.fr",
            recovery_address="zebulon@exemple.net",
            phone="+33611223344",
            ine="0123456789A",
        )

    @pytest.fixture
    def b(self) -> Client:
        return browser_of(active_account(given_name="Camille", family_name="Durand"))

    def test_no_private_page_shows_anything_of_another(self, a, b):
        secrets = full_life(a)
        addresses = private_pages()
        assert len(addresses) >= 12

        for address in addresses:
            for query in ("", f"?account={a.pk}&id={a.pk}&pk={a.pk}&login={a.login}&uid={a.uid}"):
                html = b.get(address + query, follow=True).content.decode()
                shown = html.replace(query.partition("?")[2].replace("&", "&amp;"), "")
                assert not [told for told in secrets if told in shown and told not in query], address

    def test_what_belongs_to_another_is_not_there(self, a, b):
        """The addresses that name something: a session, an accepted charter."""
        full_life(a)
        session = Session.objects.filter(account=a).latest("signed_in_at")
        Charter.objects.create(
            version="secrète",
            text_fr="x",
            text_en="x",
            key_points_fr="x",
            key_points_en="x",
            published_at=timezone.now(),
        )
        for handle in (session.handle, session.session_key):
            answer = b.post(reverse("account-session-end", args=[handle]), follow=True)
            assert "Cette session était déjà fermée." in answer.content.decode()
        assert Session.objects.filter(pk=session.pk).exists()
        assert b.get(reverse("account-charter-version", args=["secrète"])).status_code == 404

    @pytest.mark.parametrize(
        ("name", "answer"),
        [
            ("account-recovery", {"address": "intrus@exemple.org"}),
            ("account-recovery-resend", {}),
            ("account-recovery-cancel", {}),
            ("account-language", {"language": "en"}),
            ("account-directory", {"listed": "yes", "understood": "on"}),
            ("account-redirection", {"target": "intrus@exemple.org"}),
            ("account-redirection-stop", {}),
            ("redirection-verification-resend", {}),
            ("account-sessions-end-others", {}),
            ("account-sessions-end-all", {}),
            ("account-data-copy", {}),
        ],
    )
    def test_no_act_reaches_another(self, a, b, name, answer):
        full_life(a)
        before = self.everything_of(a)

        b.post(reverse(name), {**answer, "account": a.pk, "pk": a.pk, "id": a.pk, "login": a.login})

        assert self.everything_of(a) == before

    def everything_of(self, a: Account) -> list[object]:
        account = Account.objects.filter(pk=a.pk)
        rows: list[Callable[[], object]] = [
            lambda: list(account.values()),
            lambda: list(RecoveryAddressChange.objects.filter(account=a).values()),
            lambda: list(Redirection.objects.filter(account=a).values()),
            lambda: list(Message.objects.filter(person=a).order_by("pk").values()),
            lambda: list(Session.objects.filter(account=a).order_by("pk").values()),
            lambda: list(a.journal.order_by("pk").values()),
            lambda: list(a.directory_consents.order_by("pk").values()),
        ]
        return [row() for row in rows]

    def test_every_private_page_asks_a_visitor_to_sign_in(self, a):
        full_life(a)
        for address in private_pages():
            answer = Client().get(address)
            assert answer.status_code == 302, address

    def test_a_session_that_ended_meanwhile_sees_nothing(self, a):
        """SES-05, HLP-01"""
        browser = stolen_cookie_of(a)
        a.locks.create(reason="other")
        for address in private_pages():
            assert browser.get(address).status_code == 302, address


def test_a_person_signed_in_for_long_sees_the_address_that_was_confirmed_elsewhere():
    """Two devices."""
    person = active_account()
    browser = browser_of(person)
    assert person.recovery_address in dashboard(browser)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        change_to(person, "seconde@exemple.org")
        html = dashboard(browser)

    assert "seconde@exemple.org" in html
    assert person.journal.filter(event=Event.RECOVERY_ADDRESS_CHANGED).count() == 1
