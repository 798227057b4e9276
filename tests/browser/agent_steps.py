"""Agents in front of a browser: how they come to be, their telephone, and their way in."""

import base64
import re
import subprocess
import sys
import time

from django_otp.oath import TOTP
from playwright.sync_api import expect

from accounts.models import Account
from agents.roles import Role
from tests.browser.visitor import Visitor, sign_in
from tests.stack import PROJECT, Stack

#: Seconds for which an application shows one code.
STEP = 30


class Application:
    """The verification application on a telephone: it knows what was typed into it, and what the clock says."""

    def __init__(self, key: str) -> None:
        self.key = base64.b32decode(key.replace(" ", "").upper())

    def code(self, *, later: int = 0) -> str:
        """What it shows now, or so many codes later."""
        clock = TOTP(self.key, step=STEP)
        clock.time = time.time() + later * STEP
        return f"{clock.token():06}"


def enrolment_code_from_the_command_line(stack: Stack, person: Account, role: Role) -> str:
    """What `manage.py create_agent` prints for somebody."""
    command = (sys.executable, "manage.py", "create_agent", person.login, "--role", role.value)
    done = subprocess.run(command, cwd=PROJECT, env=stack.env, check=True, capture_output=True, text=True)
    found = re.search(r"inscription\s*: (\S+)", done.stdout)
    assert found, done.stdout
    return found[1]


def enrol(visitor: Visitor, code: str) -> tuple[Application, list[str]]:
    """Install the application with the key on the screen; it, and the backup codes that are shown once."""
    visitor.sees("Inscrire votre application de vérification")
    visitor.type("Code d’inscription", code)
    visitor.press("Suivant")
    visitor.sees("Lire le QR code")
    expect(visitor.page.get_by_role("img", name="QR code").locator("svg")).to_be_visible()
    visitor.page.get_by_text("Vous ne pouvez pas lire l’image ?").click()
    application = Application(visitor.page.locator("details .numeric").inner_text())
    visitor.type("Code de vérification", application.code())
    visitor.press("Vérifier et terminer")
    visitor.sees("Vos codes de secours")
    return application, visitor.page.locator("ol.mono li").all_inner_texts()


def arrive(visitor: Visitor, stack: Stack, person: Account, role: Role = Role.ASSISTANCE) -> Application:
    """Become an agent, sign in, enrol, and stand on the first page of the agents' area."""
    code = enrolment_code_from_the_command_line(stack, person, role)
    visitor.open("/admin/")
    sign_in(visitor, person)
    application, _codes = enrol(visitor, code)
    visitor.follow("C’est fait")
    visitor.sees("Espace agents")
    return application


def give_code(visitor: Visitor, code: str) -> None:
    """Type the code that opens the agents' area in this session."""
    visitor.sees("Code de vérification")
    visitor.type("Code de vérification", code)
    visitor.press("Entrer")
