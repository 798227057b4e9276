"""The journal as agents read it."""
