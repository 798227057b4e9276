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


def test_an_action_has_its_button_its_page_and_its_journal_entry_for_its_role_alone():
    """ADM-05"""
    manager, managing = verified_agent(Role.RESPONSABLES)
    account = active_account()
    page, of_the_account = (reverse(f"admin:{name}", args=[account.pk]) for name in ("account-remark", "account"))
    assert page in managing.get(of_the_account).content.decode()
    assert "<h1" in managing.get(page).content.decode()
    assert managing.post(page, {"reason": ""}).status_code == 200
    _agent, assisting = verified_agent(Role.ASSISTANCE)
    assert page not in assisting.get(of_the_account).content.decode()
    assert assisting.post(page, {"reason": REMARK}).status_code == 403
    for other in (manager, an_agent()):
        assert managing.post(reverse("admin:account-remark", args=[other.pk]), {"reason": REMARK}).status_code == 403
    assert not account.journal.filter(details__reason=REMARK).exists()
    done = managing.post(page, {"reason": REMARK})
    assert done.url == of_the_account
    assert "Remarque notée." in managing.get(done.url).content.decode()
    assert account.journal.get(details__reason=REMARK).actor == manager
