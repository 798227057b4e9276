"""What makes a good password: the rules people read, and the checks that hold them to these (design §11, PWD-01 to 04).

Everything is offline but `leaks`, which is off by default.
"""

from accounts.passwords.normalisation import normalise_password
from accounts.passwords.rules import MAXIMUM_LENGTH, MINIMUM_LENGTH, PASSWORDRULES, RULES, Rule

__all__ = ["MAXIMUM_LENGTH", "MINIMUM_LENGTH", "PASSWORDRULES", "RULES", "Rule", "normalise_password"]
