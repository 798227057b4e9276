"""Two recipes of CONTRIBUTING.md, followed with a toy: add a mail, add a setting. The others stand beside their code."""

import runpy
from pathlib import Path

import pytest
from django.db import models

from outbox.registry import Email, register_email
from outbox.services import queue_email
from tests.factories import active_account
from tests.test_documentation import documented_variables, variables_read

pytestmark = pytest.mark.django_db

RECIPE_OF_A_SETTING = """
from config.settings import *
from config.settings import env

TOY_SIZE = env.int("TOY_SIZE", default=3)
"""


class ToyKind(models.TextChoices):
    """Step 1: the kind."""

    TOY = "toy", "Jouet"


@pytest.fixture
def toy_mail(tmp_path: Path, settings, monkeypatch) -> None:
    monkeypatch.setattr("outbox.registry._builders", {})

    # Step 2: the function that builds it.
    @register_email(ToyKind.TOY)
    def toy(message):
        return Email("toys/emails/toy", {"name": message.person.full_name})

    # Step 3: the three templates.
    folder = tmp_path / "toys/emails"
    folder.mkdir(parents=True)
    (folder / "toy_subject.txt").write_text("Un jouet")
    (folder / "toy_body.txt").write_text("Bonjour {{ name }}")
    (folder / "toy_body.html").write_text("<p>Bonjour {{ name }}</p>")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], tmp_path]}]


def test_a_new_mail_is_sent_without_a_migration(toy_mail, mail_delivery):
    account = active_account()

    # Step 4: the service that asks for it.
    queue_email(kind=ToyKind.TOY, person=account, address=account.recovery_address, language="fr")

    [mail] = mail_delivery.deliver()
    assert mail["Subject"] == "Un jouet"
    assert account.full_name in mail.get_body(("plain",)).get_content()


def test_a_new_setting_is_read_and_has_to_be_documented(tmp_path: Path, monkeypatch):
    module = tmp_path / "toy_settings.py"
    module.write_text(RECIPE_OF_A_SETTING)
    monkeypatch.setenv("TOY_SIZE", "5")

    assert runpy.run_path(str(module))["TOY_SIZE"] == 5
    assert set(variables_read(module.read_text())) - set(documented_variables()) == {"TOY_SIZE"}
