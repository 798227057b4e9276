"""What visitors type into the form of assistance, and what the service gets of it."""

import re
from datetime import date
from html import unescape
from typing import Any

from assistance.models import AssistanceRequest
from assistance.services import create_request
from core.rate_limits import ASSISTANCE_REQUESTS_PER_CLIENT

CONTACT = "camille@exemple.net"

ALL_WRONG = {
    "reason": "autre",
    "profile": "staff",
    "birth_date_day": "31",
    "birth_date_month": "4",
    "birth_date_year": "1980",
    "login": "camille@",
    "contact_address": "camille.durand@univ-exemple.fr",
    "phone": "06 12",
    "description": "x" * 2_001,
}


def form_data(**changed: str) -> dict[str, str]:
    """A valid form of a member of staff, with changes."""
    good = {
        "reason": "locked",
        "profile": "staff",
        "ine": "",
        "birth_date_day": "29",
        "birth_date_month": "2",
        "birth_date_year": "1984",
        "login": "camille.durand@univ-exemple.fr",
        "contact_address": CONTACT,
        "phone": "06 12 34 56 78",
        "availability": "demain matin",
        "description": "Mon compte est bloqué depuis lundi.",
    }
    return good | changed


def student_form_data(**changed: str) -> dict[str, str]:
    """A valid form of a student, with changes."""
    nothing = {"birth_date_day": "", "birth_date_month": "", "birth_date_year": ""}
    return form_data(profile="student", ine="0123456789A", **nothing) | changed


def request_data(**changed: Any) -> dict[str, Any]:
    """The arguments of `create_request` for `form_data`; for a student when there is an INE."""
    is_student = bool(changed.get("ine"))
    good = {
        "reason": "locked",
        "profile": "student" if is_student else "staff",
        "ine": "",
        "birth_date": None if is_student else date(1984, 2, 29),
        "login": "camille.durand@univ-exemple.fr",
        "contact_address": CONTACT,
        "phone": "06 12 34 56 78",
        "availability": "demain matin",
        "description": "Mon compte est bloqué depuis lundi.",
    }
    return good | changed


def assistance_request(**changed: Any) -> AssistanceRequest:
    return create_request(**request_data(**changed))


def words_of(html: str) -> str:
    return unescape(html).replace("\u00a0", " ")


def values_in(html: str) -> dict[str, str]:
    """What the fields of the page hold, by name; a radio button only when it is checked."""
    tags = re.findall(r"<input[^>]*>", html)
    tags = [tag for tag in tags if 'type="radio"' not in tag or " checked" in tag]
    values = {name: value for tag in tags for name, value in re.findall(r'name="([^"]+)".*?value="([^"]*)"', tag)}
    areas = re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', html, re.DOTALL)
    return {name: unescape(value) for name, value in (values | dict(areas)).items()}


def exhaust_request_limit() -> None:
    for _ in range(10):
        ASSISTANCE_REQUESTS_PER_CLIENT.hit("127.0.0.1")
