"""The whole portal before hostile people: nasty inputs, thrown at whatever the addresses and the pages ask for (§17)."""

from tests.fuzz.payloads import BIRTH, COMPUTED, EMAIL, HTTP, INE, NEXT, PASSWORD, PHONE, TOKEN, N

__all__ = ["BIRTH", "COMPUTED", "EMAIL", "HTTP", "INE", "NEXT", "PASSWORD", "PHONE", "TOKEN", "N"]
