"""Runs the portal on one machine, for tests and for the demonstration; not part of production."""
