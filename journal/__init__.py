"""The append-only journal: what happened to an account, when, and from where."""
