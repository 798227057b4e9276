"""Carries accounts to the services outside: an LDAP directory, a webhook, a university's own connector."""
