"""The signed links in mails; when they expire is `SignedLink.deadline`."""
