"""The recipe « Add an agents' action » of CONTRIBUTING, followed with an action that writes a remark."""

from pathlib import Path

import pytest
from django import forms
from django.db import models, transaction
from django.http import HttpResponse
from django.urls import include, path, reverse

from accounts.models import Account
from accounts.permissions import AgentPermission, require_may_act_on
from agents import actions, roles, urls
from agents.accounts.action_views import AccountActionView
from agents.actions import AccountAction
from agents.form_fields import ReasonField
from agents.roles import Role
from config.urls import urlpatterns as portal_urls
from journal.events import Event
from journal.services import record_event
from tests.agents.signed_in import an_agent, verified_agent
from tests.factories import active_account

pytestmark = pytest.mark.django_db

REMARK = "La personne préfère le téléphone."
TEMPLATE = """{% extends "agents/action_base.html" %}
{% block title %}Noter une remarque{% endblock %}
{% block heading %}Noter une remarque{% endblock %}
{% block action %}<form method="post">{% csrf_token %}{{ form }}</form>{% endblock %}
"""


# 1. The permission.
class PermissionWithRemark(models.TextChoices):
    REMARK = "agents.remark", "Noter une remarque"


# 2. The service.
@transaction.atomic
def add_remark(*, account: Account, agent: Account, reason: str) -> None:
    require_may_act_on(agent, account)
    record_event(account=account, actor=agent, event=Event.ACCOUNT_OPENED, reason=reason)


# 3. The view.
class RemarkForm(forms.Form):
    reason = ReasonField(label="Remarque")


class RemarkView(AccountActionView):
    permission_required = PermissionWithRemark.REMARK
    form_class = RemarkForm
    template_name = "agents/account_remark.html"
    success_message = "Remarque notée."

    def form_valid(self, form: RemarkForm) -> HttpResponse:
        add_remark(account=self.account, agent=self.agent, **form.cleaned_data)
        return super().form_valid(form)


# 5. The path and the button.
agents_urls = [path("comptes/<int:pk>/remarque/", RemarkView.as_view(), name="account-remark"), *urls.urlpatterns]
urlpatterns = [path("admin/", include((agents_urls, "admin"), namespace="admin")), *portal_urls]
BUTTON = AccountAction("account-remark", PermissionWithRemark.REMARK, "Noter une remarque", lambda account: True)


@pytest.fixture(autouse=True)
def recipe(settings, monkeypatch, tmp_path: Path) -> None:
    permissions = [*AgentPermission, *PermissionWithRemark]
    monkeypatch.setattr(roles, "AgentPermission", permissions)
    monkeypatch.setitem(roles.ROLE_PERMISSIONS, Role.RESPONSABLES, frozenset(permissions))
    roles.sync_roles(sender=None)
    monkeypatch.setattr(actions, "ACCOUNT_ACTIONS", [*actions.ACCOUNT_ACTIONS, BUTTON])
    settings.ROOT_URLCONF = __name__
    # 4. The template.
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/account_remark.html").write_text(TEMPLATE)
    settings.TEMPLATES = [{**config, "DIRS": [tmp_path, *config["DIRS"]]} for config in settings.TEMPLATES]


def test_an_action_has_its_button_its_page_and_its_journal_entry():
    agent, browser = verified_agent(Role.RESPONSABLES)
    account = active_account()
    page = reverse("admin:account-remark", args=[account.pk])

    assert page in browser.get(reverse("admin:account", args=[account.pk])).content.decode()
    assert "<h1" in browser.get(page).content.decode()
    assert browser.post(page, {"reason": ""}).status_code == 200
    done = browser.post(page, {"reason": REMARK})

    assert done.url == reverse("admin:account", args=[account.pk])
    assert "Remarque notée." in browser.get(done.url).content.decode()
    assert account.journal.get(details__reason=REMARK).actor == agent


def test_an_action_is_closed_to_other_roles_and_on_accounts_of_agents():
    """ADM-05"""
    account, page = active_account(), "admin:account-remark"
    _agent, assisting = verified_agent(Role.ASSISTANCE)
    manager, managing = verified_agent(Role.RESPONSABLES)
    assert (
        reverse(page, args=[account.pk])
        not in assisting.get(reverse("admin:account", args=[account.pk])).content.decode()
    )
    assert assisting.post(reverse(page, args=[account.pk]), {"reason": REMARK}).status_code == 403
    for other in (manager, an_agent()):
        assert managing.post(reverse(page, args=[other.pk]), {"reason": REMARK}).status_code == 403
    assert not account.journal.filter(details__reason=REMARK).exists()
