"""Accounts at linked services: lists, one page a service, what agents decide."""
