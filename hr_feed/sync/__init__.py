"""From checked rows to accounts."""
