"""Choosing a new password after an unlock."""
