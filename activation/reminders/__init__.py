"""Reminders of an activation that has not been done."""
