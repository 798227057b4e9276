"""Uploading the HR file."""
