"""Signing in, sessions and single sign-on."""
