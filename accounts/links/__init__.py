"""The signed links in mails."""
