"""TOTP devices, backup codes, enrolment."""
