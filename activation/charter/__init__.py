"""The IT charter: text, versions, acceptance."""
