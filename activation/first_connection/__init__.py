"""Asking for a new link."""
