"""The rules of a password and its validators: offline, except `leaks`, which is off by default."""

from accounts.passwords.normalisation import normalise_password
from accounts.passwords.rules import MAXIMUM_LENGTH, MINIMUM_LENGTH, PASSWORDRULES, RULES, Rule

__all__ = ["MAXIMUM_LENGTH", "MINIMUM_LENGTH", "PASSWORDRULES", "RULES", "Rule", "normalise_password"]
