"""Who may do what (ADM-05): each page names its ability, each role has those of the table, nobody acts on agents."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
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
from agents.models import EnrolmentCode
from agents.roles import ROLE_PERMISSIONS, Role
from agents.site import AgentSite
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.recovery.correcting import proposed, proposed_by_hr
from tests.agents.charter_drafts import the_draft
from tests.agents.hr_imports import some_preview
from tests.agents.signed_in import an_agent, browser_of, inside, with_application
from tests.assistance.asking import a_request
from tests.factories import active_account
from tests.fuzz.watching import grown, written_so_far

pytestmark = pytest.mark.django_db

#: On the way in: for agents who are not inside yet. Reviewed.
DOOR = {"verification", "enrolment", "application"}
PAGES = [pattern for pattern in urls.urlpatterns if pattern.name not in DOOR]
#: Who may open what. Reviewed; a new page has to be added here.
EVERY_AGENT = {Role.LECTURE, Role.ASSISTANCE, Role.RESPONSABLES}
WHO = {
    "index": EVERY_AGENT,
    "device": EVERY_AGENT,
    "device-replacement": EVERY_AGENT,
    "backup-codes": EVERY_AGENT,
    "device-removal": EVERY_AGENT,
    "accounts": EVERY_AGENT,
    "account": EVERY_AGENT,
    "account-address": {Role.ASSISTANCE, Role.RESPONSABLES},
    "account-lock": {Role.ASSISTANCE, Role.RESPONSABLES},
    "account-release": {Role.ASSISTANCE, Role.RESPONSABLES},
    "account-put-back": {Role.ASSISTANCE, Role.RESPONSABLES},
    "account-resend": {Role.ASSISTANCE, Role.RESPONSABLES},
    "requests": EVERY_AGENT,
    "request": EVERY_AGENT,
    "request-identity": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-take": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-take-over": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-hand-back": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-call": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-note": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-answer": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-attach": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-close": {Role.ASSISTANCE, Role.RESPONSABLES},
    "request-reopen": {Role.ASSISTANCE, Role.RESPONSABLES},
    "account-correct": {Role.RESPONSABLES},
    "addresses": {Role.RESPONSABLES},
    "address": {Role.RESPONSABLES},
    "address-approve": {Role.RESPONSABLES},
    "address-give-up": {Role.RESPONSABLES},
    "address-dismiss": {Role.RESPONSABLES},
    "journal": EVERY_AGENT,
    "export-journal": {Role.RESPONSABLES},
    "export-accounts": {Role.RESPONSABLES},
    "export-requests": {Role.RESPONSABLES},
    "agents": {Role.RESPONSABLES},
    "agent-new": {Role.RESPONSABLES},
    "agent-role": {Role.RESPONSABLES},
    "agent-withdrawal": {Role.RESPONSABLES},
    "agent-code": {Role.RESPONSABLES},
    "charters": EVERY_AGENT,
    "charter": EVERY_AGENT,
    "charter-preview": EVERY_AGENT,
    "charter-new": {Role.RESPONSABLES},
    "charter-new-autosave": {Role.RESPONSABLES},
    "charter-autosave": {Role.RESPONSABLES},
    "charter-edit": {Role.RESPONSABLES},
    "charter-publish": {Role.RESPONSABLES},
    "charter-deletion": {Role.RESPONSABLES},
    "imports": {Role.RESPONSABLES},
    "import": {Role.RESPONSABLES},
    "import-progress": {Role.RESPONSABLES},
    "import-approval": {Role.RESPONSABLES},
    "import-abandonment": {Role.RESPONSABLES},
    "import-resumption": {Role.RESPONSABLES},
    "import-report": {Role.RESPONSABLES},
}
REFUSED, SHOWN = 403, (200, 302, 400, 405, 409)


def address_of(pattern: URLPattern) -> str:
    """With somebody on whom the page may act."""
    if not pattern.pattern.converters:
        return reverse(f"admin:{pattern.name}")
    return reverse(f"admin:{pattern.name}", args=[SUBJECTS.get(pattern.name, somebody)()])


def visited() -> Iterator[tuple[URLPattern, str]]:
    """Each page, its address, and for as long as one looks at it whoever or whatever it is about."""
    for pattern in PAGES:
        with transaction.atomic():
            yield pattern, address_of(pattern)
            transaction.set_rollback(True)


def somebody() -> int:
    return active_account().pk


#: What the pages are about, by name; the others with a key in their address are about an active person.
SUBJECTS: dict[str, Callable[[], int | str]] = {
    **{name: lambda: a_request().reference for name in WHO if name.startswith("request") and name != "requests"},
    **{name: lambda: proposed(active_account()).pk for name in ("address", "address-approve", "address-give-up")},
    "address-dismiss": lambda: proposed_by_hr(active_account(), "rh@exemple.org").pk,
    "agent-code": lambda: an_agent().pk,
    "agent-role": lambda: an_agent().pk,
    "agent-withdrawal": lambda: an_agent().pk,
    "charter": lambda: Charter.objects.in_force().pk,
    **{f"charter-{name}": lambda: the_draft().pk for name in ("preview", "edit", "autosave", "publish", "deletion")},
    **{name: lambda: some_preview().pk for name in WHO if name.startswith("import-") or name == "import"},
}


def test_the_table_covers_every_page_and_nothing_else_is_mounted():
    """ADM-01, ADM-02: one site, our pages only."""
    assert {pattern.name for pattern in PAGES} == set(WHO)
    assert isinstance(admin.site._wrapped if hasattr(admin.site, "_wrapped") else admin.site, AgentSite)
    assert admin.site._registry == {}
    assert admin.site.get_urls() == urls.urlpatterns


def test_a_page_names_its_ability():
    for pattern in PAGES:
        view = pattern.callback.view_class
        assert issubclass(view, AgentView), pattern.name
        assert isinstance(view.ability, AgentPermission), pattern.name


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_what_the_table_says(role):
    """ADM-05: by GET and by POST."""
    _agent, browser = inside(role)
    wrong = []
    for pattern, address in visited():
        expected = SHOWN if role in WHO[pattern.name] else (REFUSED,)
        answers = {ask.__name__: ask(address).status_code for ask in (browser.get, browser.post)}
        wrong += [(pattern.name, how, status) for how, status in answers.items() if status not in expected]
    assert wrong == []


def test_nothing_is_open_to_others():
    """ADM-02: anonymous, somebody who is no agent, and even a superuser whose code was given in another session."""
    superuser, _elsewhere = inside()
    Account.objects.filter(pk=superuser.pk).update(is_superuser=True)
    browsers = {"stranger": Client(), "person": browser_of(active_account()), "superuser": browser_of(superuser)}
    before = (reverse("login"), reverse("admin:verification"))
    wrong = []
    for pattern, address in visited():
        for (who, browser), method in product(browsers.items(), ("get", "post", "head", "put", "delete", "options")):
            answer = getattr(browser, method)(address)
            is_shut = answer.status_code == REFUSED or (answer.status_code == 302 and answer.url.startswith(before))
            wrong += [] if is_shut else [(pattern.name, who, method, answer.status_code)]
    assert wrong == []


def test_reading_changes_nothing_but_the_journal():
    """ADM-06: in no table, on pages that there are; that the agent is still here is noted."""
    _agent, browser = inside(Role.RESPONSABLES)
    wrong = []
    for pattern, address in visited():
        before = written_so_far()
        for ask in (browser.get, browser.head):
            assert ask(address).status_code in SHOWN, pattern.name
        changed = set(grown(before, written_so_far())) - {"journal_journalentry", "accounts_session"}
        wrong += [(pattern.name, changed)] if changed else []
    assert wrong == []


def test_migrating_brings_the_roles_in_line():
    Group.objects.get(name="Lecture").permissions.set(Permission.objects.filter(codename="manage_agents"))
    Group.objects.get(name="Responsables").delete()

    call_command("migrate", "assistance", verbosity=0)

    for role, abilities in ROLE_PERMISSIONS.items():
        held = Group.objects.get(name=role.value).permissions.values_list("codename", flat=True)
        assert set(held) == {ability.value for ability in abilities}


def test_reading_roles_may_change_nothing():
    """ADM-05, design §9"""
    assert ROLE_PERMISSIONS[Role.LECTURE] == {AgentPermission.SEE}
    assert (
        ROLE_PERMISSIONS[Role.LECTURE]
        < ROLE_PERMISSIONS[Role.ASSISTANCE]
        < ROLE_PERMISSIONS[Role.RESPONSABLES]
        == set(AgentPermission)
    )


class TestOnOthers:
    def test_nobody_acts_on_their_own_account_or_on_an_agents(self):
        """ADM-05"""
        agent, other, person = an_agent(Role.RESPONSABLES), an_agent(Role.LECTURE), active_account()
        assert may_act_on(agent, person)
        for forbidden in (agent, other):
            assert not may_act_on(agent, forbidden)
            with pytest.raises(PermissionDenied):
                require_may_act_on(agent, forbidden)

    def test_nobody_manages_themselves_or_people_who_are_no_agents(self):
        agent, other, person = an_agent(Role.RESPONSABLES), an_agent(), active_account()
        assert may_manage(agent, other)
        assert not may_manage(agent, agent)
        assert not may_manage(agent, person)

    def test_an_address_of_an_agent_is_not_shown(self):
        """ADM-05"""
        agent, browser = inside(Role.RESPONSABLES)
        for account in (agent, an_agent()):
            answer = browser.post(reverse("admin:account-address", args=[account.pk]))
            assert answer.status_code == REFUSED
            page = browser.get(reverse("admin:account", args=[account.pk])).content.decode()
            assert account.recovery_address not in page
            assert "Afficher" not in page
        assert not JournalEntry.objects.filter(event=Event.RECOVERY_ADDRESS_READ).exists()

    def test_a_responsable_gives_a_code_with_a_reason_never_to_themselves(self):
        """ADM-03, ADM-05"""
        agent, browser = inside(Role.RESPONSABLES)
        lost = an_agent()
        device = with_application(lost)
        own = reverse("admin:agent-code", args=[agent.pk])
        others = reverse("admin:agent-code", args=[lost.pk])

        assert browser.get(own).status_code == browser.post(own, {"reason": "parce que c’est moi"}).status_code == 403
        assert browser.post(others, {"reason": ""}).status_code == 200
        assert not EnrolmentCode.objects.exists()
        assert browser.post(others, {"reason": "Téléphone perdu, vu en personne"}).status_code == 200

        [entry] = JournalEntry.objects.filter(event=Event.ENROLMENT_CODE_GIVEN)
        assert (entry.account, entry.actor) == (lost, agent)
        assert entry.details["reason"] == "Téléphone perdu, vu en personne"
        assert EnrolmentCode.objects.get().account == lost
        assert not type(device).objects.filter(pk=device.pk).exists()
        assert lost.messages.count() == 2

    def test_a_code_for_somebody_who_is_no_agent_is_nowhere(self):
        _agent, browser = inside(Role.RESPONSABLES)
        person = active_account()
        answer = browser.post(reverse("admin:agent-code", args=[person.pk]), {"reason": "une bonne raison"})
        assert answer.status_code == 404

    def test_hidden_fields_make_nobody_an_agent(self):
        """ADM-06"""
        _agent, browser = inside()
        person = active_account()
        forged = {"is_staff": "1", "is_superuser": "1", "groups": "1", "recovery_address": "a@evil.example"}
        browser.post(reverse("admin:account", args=[person.pk]), forged)
        browser.post(reverse("admin:account-address", args=[person.pk]), forged)
        now = Account.objects.get(pk=person.pk)
        assert (now.is_staff, now.is_superuser, now.recovery_address) == (False, False, person.recovery_address)

    def test_a_form_from_elsewhere_is_refused(self):
        """SES-07, ADM-06"""
        agent, browser = inside()
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        for name, args in (("device-removal", []), ("account-address", [active_account().pk]), ("verification", [])):
            assert strict.post(reverse(f"admin:{name}", args=args), {"code": "000000"}).status_code == 403
        assert agent.totpdevice_set.exists()
