"""Assistance requests."""
