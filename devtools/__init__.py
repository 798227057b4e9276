"""Run the portal on one machine, for tests and for the demonstration; nothing of this runs in production."""
