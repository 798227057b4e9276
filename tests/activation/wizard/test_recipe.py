"""The recipe "Add a step" of CONTRIBUTING.md, followed with a toy step between the directory and the mailbox."""

from types import ModuleType

import pytest
from django import forms
from django.conf.urls.i18n import i18n_patterns
from django.urls import reverse

import config.urls
from accounts.models import Account
from activation.urls import step_path
from activation.wizard import steps
from activation.wizard.steps import STEPS, Step
from monitoring import collectors
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, PASSWORD, answer, begin
from tests.factories import pending_account

pytestmark = pytest.mark.django_db

TOY = "activation-toy"


class ToyForm(forms.Form):
    toy = forms.CharField(label="Jouet")


class ToyStep(Step):
    slug, url_name = "jouet", TOY
    title = "Jouet"
    template_name = "activation/password.html"
    form_class = ToyForm

    def is_done(self, account: Account) -> bool:
        return account.phone != ""

    def save(self, account: Account, data: dict[str, str]) -> None:
        Account.objects.filter(pk=account.pk).update(phone=data["toy"])


@pytest.fixture
def toy_step(monkeypatch, settings) -> ToyStep:
    toy = ToyStep()
    with_toy = (*STEPS[:2], toy, *STEPS[2:])
    monkeypatch.setattr(steps, "STEPS", with_toy)
    monkeypatch.setattr(collectors, "STEPS", with_toy)
    # URLs are read from STEPS once, when the process starts.
    urls = ModuleType("urls_with_toy")
    urls.urlpatterns = [*i18n_patterns(step_path(toy), prefix_default_language=False), *config.urls.urlpatterns]
    settings.ROOT_URLCONF = urls
    return toy


@pytest.mark.usefixtures("toy_step")
def test_a_new_step_is_numbered_shown_asked_and_counted(client):
    assert [step.number for step in STEPS] == [2, 3, 5, 6, 7]
    begin(client, pending_account(phone=""))
    answer(client, CHARTER)
    assert answer(client, DIRECTORY)["Location"] == reverse(TOY) == "/activation/jouet/"
    assert answer(client, PASSWORD)["Location"] == reverse(TOY)
    page = client.get(reverse(TOY))
    states = ["done", "done", "done", "current", "todo", "todo", "todo", "todo"]
    assert [(item.number, item.state) for item in page.context["steps"]] == list(enumerate(states, start=1))
    assert "Étape 4 sur 8" in page.content.decode()
    [metric] = collectors._activation_steps()
    assert {sample.labels["step"]: sample.value for sample in metric.samples if sample.value} == {"jouet": 1}
    assert answer(client, TOY, {"toy": "ours"})["Location"] == reverse(MAILBOX)
    answer(client, MAILBOX)
    assert answer(client, PASSWORD)["Location"] == reverse("activation-done")
    assert "Étape 8 sur 8" in client.get(reverse("activation-done")).content.decode()
