"""Hostile input for every address of the URLconf and every form of the pages."""

from tests.fuzz.packs import BIRTH, COMPUTED, EMAIL, HTTP, INE, NEXT, PASSWORD, PHONE, TOKEN, N

__all__ = ["BIRTH", "COMPUTED", "EMAIL", "HTTP", "INE", "NEXT", "PASSWORD", "PHONE", "TOKEN", "N"]
