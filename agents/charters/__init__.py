"""Editing and publishing the charter."""
