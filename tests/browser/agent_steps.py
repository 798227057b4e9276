"""Enrolment and login of agents in a browser."""

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
    """An authenticator application (RFC 6238)."""

    def __init__(self, key: str) -> None:
        self.key = base64.b32decode(key.replace(" ", "").upper())

    def code(self, *, later: int = 0) -> str:
        clock = TOTP(self.key, step=STEP)
        clock.time = time.time() + later * STEP
        return f"{clock.token():06}"


def created_agent_code(stack: Stack, person: Account, role: Role) -> str:
    command = (sys.executable, "manage.py", "create_agent", person.login, "--role", role.value)
    done = subprocess.run(command, cwd=PROJECT, env=stack.env, check=True, capture_output=True, text=True)
    found = re.search(r"inscription\s*: (\S+)", done.stdout)
    assert found, done.stdout
    return found[1]


def enrol(visitor: Visitor, code: str) -> tuple[Application, list[str]]:
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
    return application, visitor.page.locator("ol.numeric li").all_inner_texts()


def arrive(visitor: Visitor, stack: Stack, person: Account, role: Role = Role.ASSISTANCE) -> Application:
    code = created_agent_code(stack, person, role)
    visitor.open("/admin/")
    sign_in(visitor, person)
    application, _codes = enrol(visitor, code)
    visitor.follow("C’est fait")
    visitor.sees("Espace agents")
    return application


def give_code(visitor: Visitor, code: str) -> None:
    visitor.sees("Code de vérification")
    visitor.type("Code de vérification", code)
    visitor.press("Entrer")
