"""Accounts: list, file, actions."""
