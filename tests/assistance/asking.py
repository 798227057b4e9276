"""What locked-out people type into the form, and what the service gets of it."""

from datetime import date
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


def asked(**changed: str) -> dict[str, str]:
    """A good answer to every question, by a member of staff; `changed` is what somebody else types."""
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


def asked_by_a_student(**changed: str) -> dict[str, str]:
    """The same by a student."""
    nothing = {"birth_date_day": "", "birth_date_month": "", "birth_date_year": ""}
    return asked(profile="student", ine="0123456789A", **nothing) | changed


def written(**changed: Any) -> dict[str, Any]:
    """What the service is given for `asked`; for a student, when there is an INE."""
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


def a_request(**changed: Any) -> AssistanceRequest:
    """What the service makes of `written`."""
    return create_request(**written(**changed))


def asked_too_often() -> None:
    """Somebody behind the same address has asked ten times."""
    for _ in range(10):
        ASSISTANCE_REQUESTS_PER_CLIENT.hit("127.0.0.1")
