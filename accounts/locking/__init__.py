"""Locking and unlocking an account."""
