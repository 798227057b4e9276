"""The role matrix (ADM-05): which role opens which page, and on which accounts an agent may act."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse

from accounts.models import Account
from accounts.permissions import AgentPermission, may_act_on, may_manage, require_may_act_on
from activation.models import Charter
from agents import urls
from agents.access import AgentView
from agents.roles import ROLE_PERMISSIONS, Role
from agents.site import AgentSite
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.recovery.recovering import proposed, proposed_by_hr
from tests.agents.charter_drafts import the_draft
from tests.agents.hr_imports import some_preview
from tests.agents.pages.service_states import suspended_account
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account
from tests.fuzz.observers import rows_written, rows_written_since
from tests.signing_in import browser_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("linked")]

#: For agents whose session is not verified yet. Reviewed.
SECOND_FACTOR = {"verification", "enrolment", "application"}
PAGES = [pattern for pattern in urls.urlpatterns if pattern.name not in SECOND_FACTOR]
#: The roles that open each page. Reviewed; a new page has to be added here.
ROLES_OF_PAGES: dict[tuple[Role, ...], str] = {
    (Role.LECTURE, Role.ASSISTANCE, Role.RESPONSABLES): """
        index device device-replacement backup-codes device-removal accounts account requests request journal
        services service charters charter charter-preview""",
    (Role.ASSISTANCE, Role.RESPONSABLES): """
        account-address account-lock account-release account-put-back account-resend
        account-service-write account-service-compare request-identity request-take
        request-take-over request-hand-back request-call request-note request-answer request-attach request-close
        request-reopen""",
    (Role.RESPONSABLES,): """
        account-correct account-service-open service-closings
        addresses address address-approve address-give-up address-dismiss
        export-journal export-accounts export-requests agents agent-new agent-role agent-withdrawal agent-code
        charter-new charter-new-autosave charter-autosave charter-edit charter-publish charter-deletion
        imports import import-progress import-approval import-abandonment import-resumption import-report""",
}
ROLES_OF = {name: roles for roles, names in ROLES_OF_PAGES.items() for name in names.split()}
REFUSED, SHOWN = 403, (200, 302, 400, 405, 409)

#: The object of a page, by the beginning of its name; the others with a key in their URL are about an active account.
OBJECTS: dict[str, Callable[[], int | str | list[int | str]]] = {
    "account-service": lambda: [suspended_account().pk, "ldap"],
    "service": lambda: suspended_account().replicas.get().target_id,
    "request": lambda: assistance_request().reference,
    "address-dismiss": lambda: proposed_by_hr(active_account(), "rh@exemple.org").pk,
    "address": lambda: proposed(active_account()).pk,
    "agent-": lambda: an_agent().pk,
    "charter-": lambda: the_draft().pk,
    "charter": lambda: Charter.objects.in_force().pk,
    "import": lambda: some_preview().pk,
    "": lambda: active_account().pk,
}


def address_of(pattern: URLPattern) -> str:
    if not pattern.pattern.converters:
        return reverse(f"admin:{pattern.name}")
    make = next(make for prefix, make in OBJECTS.items() if pattern.name.startswith(prefix))
    made = make()
    return reverse(f"admin:{pattern.name}", args=made if isinstance(made, list) else [made])


def pages() -> Iterator[tuple[str, str]]:
    """The name of each page and its URL; its object is rolled back afterwards."""
    for pattern in PAGES:
        with transaction.atomic():
            yield pattern.name, address_of(pattern)
            transaction.set_rollback(True)


def test_every_page_has_roles_and_a_permission_and_nothing_else_is_mounted():
    """ADM-01, ADM-02"""
    assert {pattern.name for pattern in PAGES} == set(ROLES_OF)
    assert admin.site.get_urls() == urls.urlpatterns
    assert (type(admin.site._wrapped), admin.site._registry) == (AgentSite, {})
    for view in (pattern.callback.view_class for pattern in PAGES):
        assert issubclass(view, AgentView), view
        assert isinstance(view.permission_required, AgentPermission), view


def test_a_role_opens_what_the_table_says():
    """ADM-05: by GET and by POST."""
    browsers = {role: verified_agent(role)[1] for role in Role}
    wrong = []
    for name, url in pages():
        for (role, browser), method in product(browsers.items(), ("get", "post")):
            status = getattr(browser, method)(url).status_code
            expected = SHOWN if role in ROLES_OF[name] else (REFUSED,)
            wrong += [] if status in expected else [(name, role, method, status)]
    assert wrong == []


class Unread:
    def read(self, *_size: int) -> bytes:
        raise AssertionError("the body is read before the visitor is looked at")

    readline = read


UPLOAD = {"CONTENT_TYPE": "multipart/form-data; boundary=x", "wsgi.input": Unread(), "CONTENT_LENGTH": "60000000"}


def test_pages_are_closed_without_a_verified_session_of_an_agent():
    """ADM-02: nor is a superuser let in who was verified in another session. INP-07: before the body is read."""
    superuser, _elsewhere = verified_agent()
    Account.objects.filter(pk=superuser.pk).update(is_superuser=True)
    browsers = {"anonymous": Client(), "account": browser_of(active_account()), "superuser": browser_of(superuser)}
    allowed = (reverse("login"), reverse("admin:verification"))
    wrong = []
    for name, url in pages():
        for (who, browser), method in product(browsers.items(), ("GET", "POST", "PUT")):
            browser.handler.enforce_csrf_checks, browser.cookies[settings.CSRF_COOKIE_NAME] = True, "a" * 32
            answer = browser.generic(method, url, **({} if method == "GET" else UPLOAD))
            is_closed = answer.status_code == REFUSED or (answer.status_code == 302 and answer.url.startswith(allowed))
            wrong += [] if is_closed else [(name, who, method, answer.status_code)]
    assert wrong == []


def test_reading_changes_nothing_but_the_journal():
    """ADM-06: in no table but the journal and the agent's session."""
    _agent, browser = verified_agent(Role.RESPONSABLES)
    changed = {}
    for name, url in pages():
        before = rows_written()
        assert {browser.get(url).status_code, browser.head(url).status_code} <= set(SHOWN), name
        changed[name] = set(rows_written_since(before, rows_written())) - {"journal_journalentry", "accounts_session"}
    assert {name: tables for name, tables in changed.items() if tables} == {}


def test_migrate_restores_the_permissions_of_each_role():
    """ADM-05: roles are nested, and the reading role has one permission."""
    Group.objects.get(name="Lecture").permissions.set(Permission.objects.filter(codename="manage_agents"))
    Group.objects.get(name="Responsables").delete()
    call_command("migrate", "assistance", verbosity=0)
    for role, permissions in ROLE_PERMISSIONS.items():
        group = Group.objects.get(name=role.value)
        names = {f"agents.{name}" for name in group.permissions.values_list("codename", flat=True)}
        assert names == {permission.value for permission in permissions}
    lecture, assistance, responsables = (ROLE_PERMISSIONS[role] for role in ROLES_OF["index"])
    assert {AgentPermission.SEE} == lecture < assistance < responsables == set(AgentPermission)


class TestAccountsOfOthers:
    def test_agents_act_on_accounts_without_a_role_and_manage_other_agents(self):
        agent, browser = verified_agent(Role.RESPONSABLES)
        other, account = an_agent(Role.LECTURE), active_account()
        assert [may_act_on(agent, one) for one in (account, agent, other)] == [True, False, False]
        assert [may_manage(agent, one) for one in (account, agent, other)] == [False, False, True]
        for forbidden in (agent, other):
            with pytest.raises(PermissionDenied):
                require_may_act_on(agent, forbidden)
            assert browser.post(reverse("admin:account-address", args=[forbidden.pk])).status_code == REFUSED
            page = browser.get(reverse("admin:account", args=[forbidden.pk])).content.decode()
            assert [text for text in (forbidden.recovery_address, "Afficher") if text in page] == []
        assert not JournalEntry.objects.filter(event=Event.RECOVERY_ADDRESS_READ).exists()
