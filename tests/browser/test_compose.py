"""`docker-compose.yml`, `Dockerfile` and `deploy/` as an operator runs them, on a real engine."""

import re
from collections.abc import Iterator
from email import message_from_string, policy

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from devtools.browser import find
from devtools.containers import Engine, missing_programs, running_engine
from devtools.processes import wait_until
from tests.factories import A_GOOD_PASSWORD

pytestmark = [
    pytest.mark.slow,
    pytest.mark.stack,
    pytest.mark.xdist_group("containers"),
    pytest.mark.skipif(
        bool(missing_programs()) or not find(),
        reason=f"THE DEPLOYMENT IS NOT TRIED IN CONTAINERS: {', '.join(missing_programs())} missing",
    ),
]
PROXY = "172.30.77.2"
PORTAL = "https://compte.localhost"
ARGUMENTS = ("--no-sandbox", f"--host-resolver-rules=MAP compte.localhost {PROXY}")
CLIENTS = "from journal.models import *; print(*JournalEntry.objects.values_list('client_address', flat=True))"
HR_FILE = """hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date
E1;Petit;Zoé;1990-05-17;staff;Université Exemple;zoe.petit@exemple.net;{today}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    browser = chromium.browser_type.launch(executable_path=find(), args=ARGUMENTS)
    # The proxy makes its certificate itself (TLS=internal).
    yield browser.new_context(ignore_https_errors=True, locale="fr-FR").new_page()
    browser.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def sign_in(page: Page, login: str) -> None:
    page.goto(f"{PORTAL}/connexion/")
    page.get_by_label("Identifiant").fill(login)
    page.locator("input[name=password]").fill(A_GOOD_PASSWORD)
    press(page, "Se connecter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre compte informatique")


def test_the_deployment_starts_activates_a_person_and_starts_again_on_its_volume(engine, page):
    """AVL-08, SUP-03, EML-01: through the proxy, with every service of the file."""
    try:
        engine.up()
        hr_file = HR_FILE.format(today=timezone.localdate())
        engine.compose("exec", "-T", "web", "sh", "-c", "cat > /tmp/people.csv", text=hr_file)
        engine.manage("import_staff", "/tmp/people.csv")
        wait_until(engine.mails, engine.directory / "log")
        [facts] = engine.mails()
        mail = message_from_string(facts["content"], policy=policy.default)
        assert facts["recipients"] == ["zoe.petit@exemple.net"]
        assert mail["From"].addresses[0].display_name == "DSIN – Université Paul-Valéry, Montpellier 3"
        text = mail.get_body(("plain",)).get_content()

        page.goto(re.search(rf"{PORTAL}/\S+/[\w-]{{60,}}/", text)[0])
        press(page, "Commencer l’activation")
        page.get_by_label("J’ai lu la charte et je m’engage à la respecter").check()
        press(page, "Suivant")
        page.get_by_label("Non, ne pas afficher ma fiche").check()
        page.get_by_label("Je confirme mon choix").check()
        press(page, "Suivant")
        press(page, "Suivant")
        page.get_by_label("Choisissez un mot de passe").fill(A_GOOD_PASSWORD)
        press(page, "Activer mon compte")
        expect(page.get_by_role("heading", level=1)).to_have_text("Votre compte est activé")
        login = re.search(r"\S+@univ-exemple\.fr", text)[0]
        sign_in(page, login)

        assert PROXY not in engine.manage("shell", "-v", "0", "-c", CLIENTS), (
            "the portal takes the client from the proxy"
        )

        for process in ("worker", "beat"):
            engine.compose("exec", "-T", process, "python", "deploy/health.py", process)
        engine.compose("down")
        engine.up()
        page.context.clear_cookies()
        sign_in(page, login)
    except (AssertionError, RuntimeError) as failure:
        failure.add_note(engine.compose("ps") + engine.compose("logs", "--tail", "40"))
        raise
    finally:
        engine.compose("down", "--volumes", "--timeout", "5")
