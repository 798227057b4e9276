"""What visitors type into the form of assistance, and what the service gets of it."""

from datetime import date
from typing import Any

from assistance.models import AssistanceRequest
from assistance.services import create_request

CONTACT, INE = "camille@exemple.net", "0123456789A"
BORN = {"birth_date_day": "29", "birth_date_month": "2", "birth_date_year": "1984"}
#: Typed by all visitors.
TYPED = {
    "reason": "locked",
    "login": "camille.durand@univ-exemple.fr",
    "contact_address": CONTACT,
    "phone": "06 12 34 56 78",
    "availability": "demain matin",
    "description": "Mon compte est bloqué depuis lundi.",
}
ALL_WRONG = BORN | {
    "reason": "autre",
    "profile": "staff",
    "birth_date_day": "31",
    "login": "camille@",
    "contact_address": "camille.durand@univ-exemple.fr",
    "phone": "06 12",
    "description": "x" * 2_001,
}


def form_data(**changed: str) -> dict[str, str]:
    return TYPED | BORN | {"profile": "staff", "ine": ""} | changed


def student_form_data(**changed: str) -> dict[str, str]:
    return TYPED | dict.fromkeys(BORN, "") | {"profile": "student", "ine": INE} | changed


def request_data(**changed: Any) -> dict[str, Any]:
    """The arguments of `create_request` for `form_data`; for a student when there is an INE."""
    staff = {"profile": "staff", "ine": "", "birth_date": date(1984, 2, 29)}
    return TYPED | ({"profile": "student", "birth_date": None} if changed.get("ine") else staff) | changed


def assistance_request(**changed: Any) -> AssistanceRequest:
    return create_request(**request_data(**changed))
